"""A greeting is known again over another line; a person, or another greeting, is not taken for it."""

import numpy as np
import pytest
import soundfile
from generated import SAMPLES
from hypothesis import given, settings
from hypothesis import strategies as st

from amd.audio import RATE_HZ, Encoding, decode
from amd.errors import AudioError
from amd.fingerprint import KEPT_S, Fingerprint, Fingerprinter, Recogniser

MACHINES = sorted(SAMPLES.glob("machine-*.wav"))
PEOPLE = sorted(SAMPLES.glob("human-*.wav"))


def audio(path):
    return soundfile.read(path, dtype="float32")[0]


def over_another_line(samples, *, shift=1237, snr_db=15.0, gain=0.4, seed=1):
    """Later, quieter, noisier, and narrower."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(samples)
    freqs = np.fft.rfftfreq(samples.size, 1 / RATE_HZ)
    spectrum[(freqs < 400) | (freqs > 3100)] = 0
    narrow = np.fft.irfft(spectrum, samples.size)
    noise = rng.standard_normal(samples.size + shift) * np.sqrt(np.mean(narrow**2)) * 10 ** (-snr_db / 20)
    noise[shift:] += narrow
    return (gain * noise).astype(np.float32)


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_a_greeting_is_known_again_over_another_line(path):
    first = audio(path)
    listening = Recogniser([Fingerprint.of(first)])
    found = listening.feed(over_another_line(first))
    assert found is not None, listening.votes
    assert found.which == 0


def test_most_greetings_are_known_within_two_seconds_of_their_first_word():
    known = []
    for path in MACHINES:
        first = audio(path)
        start = int(np.flatnonzero(np.abs(first) > 0.02)[0])
        listening = Recogniser([Fingerprint.of(first)])
        again = over_another_line(first[: start + 2 * RATE_HZ])
        known.append(any(listening.feed(again[at : at + 160]) for at in range(0, again.size, 160)))
    assert sum(known) >= 0.7 * len(known), known


@pytest.mark.parametrize("path", PEOPLE, ids=lambda path: path.stem)
def test_people_are_not_taken_for_any_greeting(path):
    listening = Recogniser([Fingerprint.of(audio(machine)) for machine in MACHINES])
    assert listening.feed(audio(path)) is None, listening.votes


def test_other_greetings_are_not_taken_for_it():
    prints = [Fingerprint.of(audio(path)) for path in MACHINES]
    for index, path in enumerate(MACHINES):
        others = prints[:index] + prints[index + 1 :]
        listening = Recogniser(others)
        assert listening.feed(audio(path)) is None, (path.stem, listening.votes)


def test_which_greeting_it_is_is_told():
    prints = [Fingerprint.of(audio(path)) for path in MACHINES]
    found = Recogniser(prints).feed(over_another_line(audio(MACHINES[3])))
    assert found.which == 3


@given(st.lists(st.integers(1, 4000), min_size=1, max_size=30))
@settings(max_examples=25, deadline=None)
def test_any_cut_gives_the_same_pairs(cuts):
    samples = audio(MACHINES[0])[: 3 * RATE_HZ]
    whole, parts = Fingerprinter(), Fingerprinter()
    whole.feed(samples)
    at = 0
    for cut in [*cuts, samples.size]:
        parts.feed(samples[at : at + cut])
        at += cut
    for one in (whole, parts):
        one.finish()
    for first, second in zip(whole.pairs(), parts.pairs(), strict=True):
        assert first.size > 100
        np.testing.assert_array_equal(first, second)


def test_it_is_stored_and_read_and_small():
    samples = audio(MACHINES[0])
    made = Fingerprint.of(samples)
    stored = made.to_bytes()
    again = Fingerprint.from_bytes(stored)
    np.testing.assert_array_equal(again.codes, made.codes)
    np.testing.assert_array_equal(again.frames, made.frames)
    assert len(stored) < 65_536
    assert len(stored) < samples.size


def test_what_comes_late_is_not_kept_and_an_hour_needs_no_more_memory():
    rng = np.random.default_rng(3)
    listening = Fingerprinter()
    for _ in range(90):
        listening.feed(rng.standard_normal(RATE_HZ).astype(np.float32))
    codes, frames = listening.pairs()
    assert codes.size > 1000
    assert frames.max() < KEPT_S * 125
    assert len(listening._codes) < 40_000
    assert len(listening._levels) < 100
    assert len(listening._peaks) < 3000


@pytest.mark.parametrize(
    "samples", [np.zeros(0, np.float32), np.zeros(8000, np.float32), np.ones(100, np.float32)]
)
def test_nothing_is_no_greeting(samples):
    empty = Fingerprint.of(samples)
    assert empty.codes.size == 0
    listening = Recogniser([empty, Fingerprint.of(audio(MACHINES[0]))])
    assert listening.feed(np.zeros(3 * RATE_HZ, np.float32)) is None
    assert listening.feed(audio(PEOPLE[0])) is None


@pytest.mark.parametrize("data", [b"", b"amdf", b"amdf\x02123456", b"amdf\x011234567"])
def test_other_bytes_are_refused(data):
    with pytest.raises(AudioError, match="no fingerprint of this version"):
        Fingerprint.from_bytes(data)


def test_votes_below_one_would_know_anything():
    with pytest.raises(ValueError, match="votes_min=0"):
        Recogniser([], votes_min=0)


def test_mu_law_does_not_matter():
    first = audio(MACHINES[1])
    companded = np.sign(first) * np.log1p(255 * np.abs(first)) / np.log(256)
    coded = np.where(np.round(companded * 127) >= 0, 0x80, 0).astype(np.uint8)
    coded |= np.abs(np.round(companded * 127)).astype(np.uint8)
    again = decode(bytes(~coded), Encoding.MULAW)
    assert Recogniser([Fingerprint.of(first)]).feed(again.astype(np.float32)) is not None
