"""Examples to fit the trees of `amd.beeps` to: beeps over telephone lines, and what sounds like tones elsewhere.

Speech, music and noise come from the train split alone, and from calls composed of it; beeps come from those calls
and from other seeds than the suite's, over more kinds of lines and with softer edges than it has.
"""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile

from amd.audio import RATE_HZ
from amd.beeps import measures
from amd.callprogress import is_key
from amd.framing import Framer
from amd.spectrum import SpectrumAnalyser
from amd.tones import Tone, ToneTracker
from benchmarks.tones import line, signals
from benchmarks.tones.judge import HOLDING_TONES, PHONE_SKIP_S
from benchmarks.tones.line import Floats

KINDS: Final = (*signals.BEEP_KINDS, "two-tone", "network")
LINES: Final = (*line.CODECS, "gsm")
"""What beeps are missed in most counts twice; the network's tones are generated as beeps are."""
BEEPS_A_TASK: Final = 40
CLIPS_A_TASK: Final = 60
CLIP_LINES: Final = ("none", "ulaw", "gsm", "g726", "opus8")
SNRS_DB: Final = (8.0, 40.0)
NOISY_SNRS_DB: Final = (9.0, 14.0)
NOISY_SHARE: Final = 0.4
SHORT_S: Final = 0.16
SHORT_SHARE: Final = 0.4
SOFT_MIN_S: Final = 0.25
TANDEM_SHARE: Final = 0.15
"""More of what is hard: short beeps, much noise, two codecs one after the other."""
SNR_CLEAN_SHARE: Final = 0.2
LEVELS_DB: Final = (-34.0, -6.0)
LOSS_SHARE: Final = 0.4
CALLS_A_TASK: Final = 100
N_CALLS: Final = 6000
"""How many of a composed set are used, from its first on."""
HOLDING_TONES_CALLS: Final = ("call-03067.wav", "call-03285.wav", "call-04859.wav")
"""Calls of the set of seed 301 with a pure tone of 1080 to 2236 Hz for 0.3 s that their truth does not know of."""
NEAR_SAMPLES: Final = 800
"""Tones within 0.1 s of the network's are left out: they may be parts of them."""
COVERED_MIN: Final = 0.6
"""A tone is the beep when it covers so much of it, and not much else."""
INSIDE_MIN: Final = 0.9
PART_MIN: Final = 0.3
"""A tone that lies within a beep, and is so much of it, is one of a chime, or a piece that a lost packet left."""
N_FOLDS: Final = 3


@dataclass(frozen=True, slots=True)
class Sample:
    """One tone: what the trees see, whether it was generated, and whose voice it may be."""

    values: tuple[float, ...]
    generated: bool
    group: str
    note: str


def tones(samples: Floats) -> list[Tone]:
    """Every tone that amd's tracker finds."""
    frames = Framer().feed(samples.astype(np.float32))
    facts = SpectrumAnalyser().feed(frames)
    tracker, found = ToneTracker(), []
    names = ("tone_db", "noise_db", "peak_hz", "second_hz", "peak_share", "pair_share", "clarity")
    columns = [facts.level_db.tolist(), *(getattr(facts.tonal, name).tolist() for name in names)]
    for index, (level_db, *row) in enumerate(zip(*columns, strict=True)):
        found.append(tracker.step(index, level_db=level_db, **dict(zip(names, row, strict=True))))
    found.append(tracker.finish(frames.shape[0]))
    return [tone for tone in found if tone is not None]


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip of the train split and who speaks in it."""

    path: Path
    group: str
    kind: str
    skip_s: float

    def read(self) -> Floats:
        """Its samples."""
        samples, _ = soundfile.read(self.path, dtype="float64")
        return np.asarray(samples[round(self.skip_s * RATE_HZ) :])


def train_clips(folder: Path) -> list[Clip]:
    """Clips of the train split without a tone by their labels."""
    with (folder / "clips.csv").open(newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row["split"] == "train"]
    tonal = {"greeting", "sit_intercept", "tone"}
    return [
        Clip(folder / row["path"], row["group"], row["kind"], PHONE_SKIP_S if row["channel"] == "phone" else 0.0)
        for row in sorted(rows, key=lambda row: row["path"])
        if row["kind"] not in tonal and not row["beep_onset_s"] and not row["path"].endswith(HOLDING_TONES)
    ]


def negatives(job: tuple[Sequence[Clip], str]) -> list[Sample]:
    """Tones in clips that have none, over one line."""
    clips, codec = job
    rng = np.random.default_rng([len(clips), *codec.encode()])
    guard = np.zeros(RATE_HZ // 10)
    whole = [_behind(clip.read(), rng, clips) for clip in clips]
    joined = np.concatenate([part for samples in whole for part in (samples, guard)])
    sent = joined if codec == "none" else line.round_trip(joined, codec)
    found, at = [], 0
    for clip, samples in zip(clips, whole, strict=True):
        heard = sent[at : at + samples.size]
        at += samples.size + guard.size
        note = f"{clip.path.name} {codec}"
        found += [_sample(tone, note, clip.group, generated=False) for tone in tones(heard) if not is_key(tone)]
    return found


def _behind(samples: Floats, rng: np.random.Generator, clips: Sequence[Clip]) -> Floats:
    """Half of the clips behind the noise that the beeps have: else it would tell them apart."""
    if rng.random() < 0.5:
        return samples
    level = np.sqrt(np.mean(np.sort(samples**2)[samples.size // 2 :])) + 1e-6
    noise = _noise(samples.size, rng, clips)
    return np.asarray(samples + level * line.gain_of(-rng.uniform(*SNRS_DB)) * noise)


def _sample(tone: Tone, note: str, group: str, *, generated: bool) -> Sample:
    return Sample(tuple(measures(tone).tolist()), generated, group, note)


def positives(job: tuple[int, int, str, Sequence[Clip]]) -> list[Sample]:
    """Beeps after a real voice or none, over one line, and the tones in that voice."""
    seed, index, codec, clips = job
    rng = np.random.default_rng([seed, index, line.CODECS.index(codec)])
    made = [_call(rng, clips) for _ in range(BEEPS_A_TASK)]
    guard = np.zeros(RATE_HZ // 10)
    sent = line.round_trip(np.concatenate([part for samples, _, _ in made for part in (samples, guard)]), codec)
    if rng.random() < TANDEM_SHARE:
        sent = line.round_trip(sent, str(rng.choice(list(line.SOUNDFILE_CODECS))))
    found, at = [], 0
    for samples, spans, kind in made:
        heard = sent[at : at + samples.size]
        at += samples.size + guard.size
        loss = float(rng.uniform(0.0, 0.05)) if rng.random() < LOSS_SHARE else 0.0
        for tone in tones(line.lose_packets(heard, loss, rng)):
            is_beep = is_one_of(tone, spans)
            if is_beep is not None:
                found.append(_sample(tone, f"{kind} {codec}", f"beeps {index % N_FOLDS}", generated=is_beep))
    return found


def is_one_of(tone: Tone, spans: Sequence[tuple[int, int]]) -> bool | None:
    """Whether a tone is one of the beeps in those spans; None where it is a part of one, and no good example."""
    overlaps = [(min(tone.off, off) - max(tone.on, on), off - on) for on, off in spans]
    size = tone.off - tone.on
    for overlap, span in overlaps:
        if overlap >= COVERED_MIN * max(span, size):
            return True
        if overlap >= INSIDE_MIN * size and overlap >= PART_MIN * span:  # one note of a chime, or a broken one
            return True
    return None if any(overlap > 0 for overlap, _ in overlaps) else False


def composed(job: tuple[Path, Sequence[dict[str, Any]]]) -> list[Sample]:
    """Tones in calls of ``datasets/compose.py``: beeps, and everything outside of what was generated."""
    folder, rows = job
    found = []
    for row in rows:
        samples, _ = soundfile.read(folder / row["file"], dtype="float64")
        beeps, others = (
            [(round(on_s * RATE_HZ), round(off_s * RATE_HZ)) for name in names for on_s, off_s in row[name]]
            for names in (("beep",), ("tone", "ring"))
        )
        for tone in tones(samples):
            is_beep = is_one_of(tone, beeps)
            if is_beep is False and (is_key(tone) or row["file"] in HOLDING_TONES_CALLS):
                continue
            apart = all(tone.off <= on - NEAR_SAMPLES or tone.on >= off + NEAR_SAMPLES for on, off in others)
            if is_beep or (is_beep is False and apart):
                note = f"{row['file']} {row['scenario']}"
                found.append(_sample(tone, note, f"call {row['file']}", generated=is_beep))
    return found


def composed_rows(folder: Path) -> list[dict[str, Any]]:
    """The truths of a composed set, which must be of the train split."""
    made_as = json.loads((folder / "composition.json").read_text(encoding="utf-8"))
    if made_as["split"] != "train":
        raise ValueError(f"{folder} is of the split {made_as['split']!r}: trees are fitted to 'train'")
    lines = (folder / "truth.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(text) for text in lines[:N_CALLS]]


def _call(rng: np.random.Generator, clips: Sequence[Clip]) -> tuple[Floats, list[tuple[int, int]], str]:
    """A beep with what comes before and after it, behind noise; and where it lies."""
    kind = str(rng.choice(KINDS))
    made, spans_s = _generated(kind, rng)
    if kind != "network" and rng.random() < SHORT_SHARE:
        while spans_s[0][1] - spans_s[0][0] > SHORT_S:
            made, spans_s = _generated(kind, rng)
    made = _soften(made, spans_s, rng)
    level_db = float(rng.uniform(*LEVELS_DB))
    lead = np.zeros(round(rng.uniform(0.3, 1.0) * RATE_HZ))
    tail = np.zeros(round(rng.uniform(0.4, 0.8) * RATE_HZ))
    if rng.random() < 0.8:
        pause = np.zeros(round(rng.uniform(0.06, 0.8) * RATE_HZ))
        lead = np.concatenate([_said(rng, clips, level_db), pause])
    if rng.random() < 0.15:
        tail = np.concatenate([tail[: round(rng.uniform(0.08, 0.4) * RATE_HZ)], _said(rng, clips, level_db)])
    clean = np.concatenate([lead, line.gain_of(level_db) * made, tail])
    spans = [(lead.size + round(on * RATE_HZ), lead.size + round(off * RATE_HZ)) for on, off in spans_s]
    if rng.random() < SNR_CLEAN_SHARE:
        return clean, spans, kind
    behind = _noise(clean.size, rng, clips)
    snr_db = float(rng.uniform(*(NOISY_SNRS_DB if rng.random() < NOISY_SHARE else SNRS_DB)))
    return clean + line.gain_of(level_db - snr_db) * behind, spans, kind


def _generated(kind: str, rng: np.random.Generator) -> tuple[Floats, Sequence[tuple[float, float]]]:
    """A beep, or one tone of the network's that is not modulated (a voice's may be); and where it lies in it."""
    if kind != "network":
        made, spans_s, _ = signals.beep(kind, rng)
        return made, spans_s
    rows = [row for row in signals.CADENCES if not row[3]]
    _, _, freqs_hz, _, times_ms = rows[int(rng.integers(len(rows)))]
    length_s = float(rng.choice(times_ms[::2])) / 1000
    return signals.tone(freqs_hz, length_s), [(0.0, length_s)]


def _soften(made: Floats, spans_s: Sequence[tuple[float, float]], rng: np.random.Generator) -> Floats:
    """Some beeps ring out like a bell, or have edges of up to 40 ms; short ones that did would be vowels."""
    draw, out = rng.random(), made.copy()
    for on_s, off_s in spans_s:
        on, off = round(on_s * RATE_HZ), round(off_s * RATE_HZ)
        if off_s - on_s < SOFT_MIN_S:
            continue
        shape = np.ones(off - on)
        if draw < 0.1:
            shape = np.exp(-np.linspace(0, rng.uniform(0.5, 2.5), off - on))
        elif draw < 0.3:
            size = min(round(rng.uniform(0.01, 0.04) * RATE_HZ), (off - on) // 4)
            shape[:size] = np.linspace(0, 1, size)
            shape[-size:] = shape[:size][::-1]
        out[on:off] *= shape
    return out


def _said(rng: np.random.Generator, clips: Sequence[Clip], level_db: float) -> Floats:
    """Up to a second and a half of a real clip, from its end."""
    samples = clips[int(rng.integers(len(clips)))].read()[-round(1.5 * RATE_HZ) :]
    power = np.sqrt(np.mean(samples**2)) + 1e-9
    return np.asarray(line.gain_of(float(np.clip(level_db + rng.uniform(-10, 8), -36, -14))) * samples / power)


def _noise(n: int, rng: np.random.Generator, clips: Sequence[Clip]) -> Floats:
    """Noise of unit power within the telephone band: made, or recorded on a line or in a room."""
    recorded = [clip for clip in clips if clip.kind in ("line", "room")]
    if recorded and rng.random() < 0.4:
        made = np.resize(recorded[int(rng.integers(len(recorded)))].read(), n)
    else:
        made = rng.standard_normal(n)
        if rng.random() < 0.5:
            made = line.noise(n, rng, pink=True) + 0.1 * made
    spectrum = np.fft.rfft(made)
    band = np.fft.rfftfreq(n, 1 / RATE_HZ)
    power = np.mean(np.fft.irfft(np.where((band >= 300) & (band <= 3400), spectrum, 0), n) ** 2)
    return np.asarray(made / np.sqrt(power + 1e-20))


def gather(folder: Path, calls: Path | None, *, seed: int, n_tasks: int) -> list[Sample]:
    """All samples to fit to, in an order that does not depend on how the work was shared."""
    clips = train_clips(folder)
    speech = [clip for clip in clips if clip.kind not in ("music",)]
    batches = [clips[at : at + CLIPS_A_TASK] for at in range(0, len(clips), CLIPS_A_TASK)]
    codecs = [codec for codec in ("none", *line.available_codecs()) if codec in CLIP_LINES]
    quiet = [(batch, codec) for codec in codecs for batch in batches]
    music = [clip for clip in clips if clip.kind == "music"]
    quiet += [(music, codec) for codec in ("none", *line.available_codecs())]
    rows = [] if calls is None else composed_rows(calls)
    whole = [(calls, rows[at : at + CALLS_A_TASK]) for at in range(0, len(rows), CALLS_A_TASK)]
    able = [codec for codec in LINES if codec in line.available_codecs()]
    loud = [(seed + at, index, codec, speech) for index in range(n_tasks) for at, codec in enumerate(able)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool:
        parts = [*pool.map(negatives, quiet), *pool.map(positives, loud), *pool.map(composed, whole)]
    return [sample for part in parts for sample in part]
