"""What a call in a bank costs, in counts that no machine's load changes."""

import sys
from collections import Counter
from time import process_time

import numpy as np
import pytest
from scipy import fft
from test_bank import FILES, audio_of

from amd import DetectorBank, Encoding
from amd.framing import FRAME_SAMPLES

N_CALLS, N_TURNS, PACKET = 100, 100, 160
MOST_CALLS, MOST_C_CALLS = 240, 180
"""A quarter above what was counted; where every call was looked at with every frame it were ten times as many."""
SECONDS = N_TURNS * PACKET / 8000


@pytest.fixture(scope="module")
def turns():
    audios = [audio_of(FILES[call % len(FILES)], Encoding.MULAW) for call in range(N_CALLS)]
    starts = [97 * call % 4000 for call in range(N_CALLS)]
    return [
        [audio[start + turn * PACKET :][:PACKET] for audio, start in zip(audios, starts, strict=True)]
        for turn in range(N_TURNS)
    ]


def bank_of(n_calls):
    bank = DetectorBank(capacity=n_calls)
    return bank, [bank.open(encoding="mulaw") for _ in range(n_calls)]


def test_few_steps_of_the_interpreter_are_taken_for_a_call(turns):
    """Of functions called, by a second of a call: what is done for all at once is called once."""
    other = bank_of(N_CALLS)
    for turn in turns:  # compiles, and reads the trees
        other[0].feed(other[1], turn)
    bank, slots = bank_of(N_CALLS)
    counted = Counter()
    sys.setprofile(lambda _frame, event, _arg: counted.update([event]))
    try:
        for turn in turns:
            bank.feed(slots, turn)
    finally:
        sys.setprofile(None)
    assert counted["call"] / (N_CALLS * SECONDS) < MOST_CALLS
    assert counted["c_call"] / (N_CALLS * SECONDS) < MOST_C_CALLS


def test_the_bank_of_a_hundred_calls_costs_no_more_than_so_many_transforms_of_its_frames(turns):
    """Of a reference kernel in the same process, turn by turn: at 1,000 calls it is 36 (docs/speed.md)."""
    bank, slots = bank_of(N_CALLS)
    bank.feed(slots, turns[0])
    frames = np.random.default_rng(1).standard_normal((N_CALLS * PACKET // 128, FRAME_SAMPLES)).astype(np.float32)
    ratios = []
    for turn in turns[1:]:
        times_s = [process_time()]
        bank.feed(slots, turn)
        times_s.append(process_time())
        for _ in range(10):
            fft.rfft(frames)
        times_s.append(process_time())
        ratios.append((times_s[1] - times_s[0]) / max(1e-9, (times_s[2] - times_s[1]) / 10))
    assert np.percentile(ratios, 25) < 200


def test_what_is_set_aside_for_a_call_is_less_than_12_kib():
    banks = [{id(array): array for array in arrays_of(bank_of(n)[0])} for n in (10, 110)]  # some are held by two
    small, large = (sum(array.nbytes for array in bank.values()) for bank in banks)
    assert (large - small) / 100 < 12 * 1024


def arrays_of(thing):
    if isinstance(thing, np.ndarray):
        return [thing] if thing.base is None else []
    if isinstance(thing, tuple):
        return [array for part in thing for array in arrays_of(part)]
    if type(thing).__module__ in MEASURED:
        return [array for part in vars(thing).values() for array in arrays_of(part)]
    return []


PARTS = ("bank", "ears", "framing", "spectrum", "whitening", "tones", "speech", "answer", "judging", "gate")
MEASURED = [f"amd.{name}" for name in PARTS]
