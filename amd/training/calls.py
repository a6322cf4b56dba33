"""What the networks learn from: the ticks of calls, and where the speech of the one who answered was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from amd.audio import RATE_HZ, Samples
from amd.framing import Framer, frame_end_sample, frame_start_sample
from amd.sources import samples_of
from amd.spectrum import Floats, SpectrumAnalyser
from amd.speech import FACTS, INPUTS, N_FACTS, TICK_FRAMES, References, facts_of
from amd.training.truth import read_truth

Mask = npt.NDArray[np.uint8]
Spans = list[tuple[int, int]]

BEFORE, WITHIN, AFTER = range(3)
"""Phases of a tick: before, within and after the greeting."""
BATCH_CALLS: Final = 64
LEVEL_NONE_DB: Final = -160.0
LATE_SHARE: Final = 0.2
RUNG_SHARE: Final = 0.1
GATED_SHARE: Final = 0.2
"""So many calls are heard from within a word on, after some rings, or over a line that sends digital silence where
nobody speaks. Composed calls have little of each: without them such words were missed, or heard late."""
RINGS: Final = (((425.0,), (1.0, 4.0)), ((440.0, 480.0), (2.0, 4.0)), ((400.0, 450.0), (0.4, 0.2, 0.4, 2.0)))
"""Ringback: frequencies, and how long it sounds and pauses."""
RINGS_MAX: Final = 3
CUT_SHARE: Final = 0.5
"""So many answers cut a ring that sounds; the others come anywhere between the start of one and the next."""
RING_DB: Final = (-35.0, -10.0)
RING_NOISE_DB: Final = (-80.0, -50.0)
RING_ALONE_SHARE: Final = 0.4
"""So many lines carry rings and no noise at all: networks that make the ringback themselves send nothing else."""
HUM_SHARE: Final = 0.15
HUM_DB: Final = (-55.0, -25.0)
"""So many calls have mains hum, up to as loud as speech."""
GATE_MARGIN_MAX_S: Final = 0.15
GATE_NOISE_PER_S: Final = 0.2
GATE_NOISE_S: Final = (0.1, 1.0)
"""A line that sends digital silence also opens where there is only noise."""
TICK_SAMPLES: Final = TICK_FRAMES * (frame_start_sample(1) - frame_start_sample(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is heard on a call, and from which sample to before which its speech is."""

    samples: Samples
    speech: Spans

    def without(self, skipped: int) -> Call:
        """Return the call as it is heard when its first samples are not."""
        speech = [(max(0, first - skipped), end - skipped) for first, end in self.speech if end > skipped]
        return Call(samples=self.samples[skipped:], speech=speech)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """The ticks of some calls, one call after the other.

    Parameters
    ----------
    inputs : ndarray of float16, shape (n_ticks, TICK_FRAMES * len(INPUTS))
    speech : ndarray of uint8, shape (n_ticks, TICK_FRAMES)
        Whether the one who answered speaks in the frame.
    phase : ndarray of uint8, shape (n_ticks,)
    sizes : ndarray of int64, shape (n_calls,)
        How many ticks each call has.
    """

    inputs: npt.NDArray[np.float16]
    speech: Mask
    phase: Mask
    sizes: npt.NDArray[np.int64]


def speech_mask(speech: Spans, n_frames: int) -> Mask:
    """Which frames are speech: those of which half or more is.

    Examples
    --------
    >>> speech_mask([(192, 320)], 4).tolist()
    [0, 1, 0, 0]
    """
    edges = np.array([frame_start_sample(0), *(frame_end_sample(index) for index in range(n_frames))])
    inside = np.zeros(n_frames)
    for first, end in speech:
        inside += np.diff(np.clip(edges, first, end))
    return (inside * 2 >= np.diff(edges)).astype(np.uint8)


def lesson(folder: Path, *, seed: int, n_calls: int | None = None, spoilt: bool = False) -> Lesson:
    """Hear a composed set, each call from a random sample of its first tick on.

    Parameters
    ----------
    folder : Path
    seed : int
        Of where calls begin.
    n_calls : int, optional
        The first so many; all unless given.
    spoilt : bool
        Make some calls harder than they were composed, for fitting.
    """
    rng = np.random.default_rng(seed)
    truths = read_truth(folder, n_calls=n_calls)
    parts: list[tuple[npt.NDArray[np.float16], Mask, Mask]] = []
    for first in range(0, len(truths), BATCH_CALLS):
        batch = []
        for truth in truths[first : first + BATCH_CALLS]:
            samples = samples_of(folder / truth["file"])
            call = Call(samples=samples, speech=in_samples(truth["speech"]))
            call = spoil(call, rng) if spoilt else call
            batch.append(call.without(int(rng.integers(TICK_SAMPLES))))
        for inputs, call in zip(ticks_of([call.samples for call in batch]), batch, strict=True):
            n_ticks = inputs.shape[0]
            mask = speech_mask(call.speech, n_ticks * TICK_FRAMES).reshape(n_ticks, TICK_FRAMES)
            parts.append((inputs.astype(np.float16), mask, _phases(call.speech, n_ticks)))
    return Lesson(
        inputs=np.concatenate([inputs for inputs, _, _ in parts]),
        speech=np.concatenate([speech for _, speech, _ in parts]),
        phase=np.concatenate([phase for _, _, phase in parts]),
        sizes=np.array([phase.size for _, _, phase in parts], dtype=np.int64),
    )


def spoil(call: Call, rng: np.random.Generator) -> Call:
    """Return a call as composed calls seldom are, or as it is."""
    if rng.random() < HUM_SHARE:
        call = Call(samples=call.samples + _hum(call.samples.size, rng), speech=call.speech)
    if rng.random() < GATED_SHARE:
        call = Call(samples=_gated(call, rng), speech=call.speech)
    if rng.random() < LATE_SHARE and call.speech:
        first, end = call.speech[int(rng.integers(len(call.speech)))]
        return call.without(min(int(rng.integers(first, end)), call.samples.size // 2))
    if rng.random() < RUNG_SHARE:
        lead = ringback(rng)
        speech = [(first + lead.size, end + lead.size) for first, end in call.speech]
        return Call(samples=np.concatenate([lead, call.samples]), speech=speech)
    return call


def _hum(n_samples: int, rng: np.random.Generator) -> Samples:
    """Mains hum with some of its harmonics."""
    mains_hz, level = float(rng.choice([50.0, 60.0])), 10 ** (rng.uniform(*HUM_DB) / 20)
    times_s = np.arange(n_samples) / RATE_HZ
    shares = [1.0, *rng.uniform(0.0, 0.3, 4).tolist()]
    phases = rng.uniform(0, 2 * np.pi, len(shares)).tolist()
    parts = [
        share * np.sin(2 * np.pi * mains_hz * order * times_s + phase)
        for order, (share, phase) in enumerate(zip(shares, phases, strict=True), 1)
    ]
    hum: Samples = (level * np.sqrt(2) * np.sum(parts, axis=0)).astype(np.float32)
    return hum


def _gated(call: Call, rng: np.random.Generator) -> Samples:
    """Put digital silence where nobody speaks, but for some noise."""
    is_open = np.zeros(call.samples.size, dtype=np.bool_)
    before, after = (rng.uniform(0, GATE_MARGIN_MAX_S * RATE_HZ, 2)).astype(np.int64).tolist()
    for first, end in call.speech:
        is_open[max(0, first - before) : end + after] = True
    n_bursts = rng.poisson(GATE_NOISE_PER_S * call.samples.size / RATE_HZ)
    for first in rng.integers(0, call.samples.size, n_bursts).tolist():
        is_open[first : first + round(rng.uniform(*GATE_NOISE_S) * RATE_HZ)] = True
    return np.where(is_open, call.samples, np.float32(0))


def ringback(rng: np.random.Generator) -> Samples:
    """Some rings of one country on a line with a little noise, from somewhere in the first half to the answer."""
    freqs_hz, steps_s = RINGS[int(rng.integers(len(RINGS)))]
    n_rings = int(rng.integers(1, RINGS_MAX + 1))
    steps = [round(step_s * RATE_HZ) for step_s in steps_s * n_rings]
    gains = [np.full(size, 1.0 - index % 2) for index, size in enumerate(steps)]
    answer_s = rng.uniform(0, steps_s[0] if rng.random() < CUT_SHARE else sum(steps_s))
    sounds = np.concatenate(gains)[: round((sum(steps_s) * (n_rings - 1) + answer_s) * RATE_HZ)]
    times_s = np.arange(sounds.size) / RATE_HZ
    wave = np.sum([np.sin(2 * np.pi * freq_hz * times_s) for freq_hz in freqs_hz], axis=0) * sounds
    ring, noise = (10 ** (rng.uniform(*levels) / 20) for levels in (RING_DB, RING_NOISE_DB))
    noise *= rng.random() >= RING_ALONE_SHARE
    heard: Samples = (ring * wave + noise * rng.standard_normal(sounds.size)).astype(np.float32)
    return heard[int(rng.integers(sounds.size // 2 + 1)) :]


def ticks_of(calls: Sequence[Samples]) -> Iterator[Floats]:
    """Return what the network is given of each call: float32 of shape ``(n_ticks, TICK_FRAMES * len(INPUTS))``."""
    facts = [facts_of(SpectrumAnalyser().feed(Framer().feed(call))) for call in calls]
    sizes = [fact.shape[0] // TICK_FRAMES for fact in facts]
    padded = np.full((len(calls), max(sizes), TICK_FRAMES, N_FACTS), LEVEL_NONE_DB, dtype=np.float32)
    padded[:, :, :, 1 : len(FACTS)] = 1.0
    for row, fact, size in zip(padded, facts, sizes, strict=True):  # what lies beyond a call is not asked for
        row[:size] = fact[: size * TICK_FRAMES].reshape(size, TICK_FRAMES, N_FACTS)
    references = References(len(calls))
    heard = np.zeros((len(calls), max(sizes), TICK_FRAMES * len(INPUTS)), dtype=np.float32)
    for tick in range(max(sizes)):
        heard[:, tick] = references.step(padded[:, tick])
    return (row[:size] for row, size in zip(heard, sizes, strict=True))


def _phases(speech: Spans, n_ticks: int) -> Mask:
    """Phase of each tick, as of its end."""
    ends = np.arange(1, n_ticks + 1) * TICK_SAMPLES
    phase = np.full(n_ticks, BEFORE, dtype=np.uint8)
    if speech:
        phase[ends > speech[0][0]] = WITHIN
        phase[ends > speech[-1][1]] = AFTER
    return phase


def in_samples(spans_s: Sequence[Sequence[float]]) -> Spans:
    """Spans in seconds as spans in samples."""
    return [(round(start_s * RATE_HZ), round(end_s * RATE_HZ)) for start_s, end_s in spans_s]
