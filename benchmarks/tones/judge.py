"""Run detectors on trials and on tone-free clips, and compare what they say with the truth."""

from __future__ import annotations

import csv
import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
from scipy import stats

from amd.audio import RATE_HZ
from amd.detector import Detector
from amd.events import ToneHeard
from amd.policy import PRESETS
from benchmarks.peers import desa2, fft_peak
from benchmarks.peers.runs import PeerTone
from benchmarks.tones import line, suite
from benchmarks.tones.line import Floats

SYSTEMS: Final = ("amd", "DESA-2", "FFT peak")
POLICY: Final = dataclasses.replace(PRESETS["balanced"], watch_s=60.0)
"""It listens on after its verdict: what is asked here is which tones it hears."""
NEAR_S: Final = 0.05
"""A report belongs to a tone when the two overlap within this."""
HOLDING_TONES: Final = ("00098_010.flac", "00112_000.flac", "00252_006.flac")
"""Clips that hold a tone although their labels say nothing of it; on their spectrograms: the recorder's beep of
1000 Hz, the end of a key's 1477 Hz, an electronic telephone that rings in the room."""
CLIPS_A_TASK: Final = 100
PHONE_SKIP_S: Final = 0.25
"""Some recorded telephone calls begin with the end of a key's tone (770 or 1209 Hz), which is one truly."""
LINES: Final = ("none", "ulaw", "alaw", "gsm", "g726")
"""Clips go over these lines in turn; music, of which there is little, over every one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A tone as a system reports it."""

    kind: str
    on_s: float
    off_s: float
    known_s: float
    freqs_hz: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one system made of one trial; errors are reported minus true, None when there is nothing to compare.

    Parameters
    ----------
    n_other : int
        Beeps reported where none was (of beeps), or other kinds than the one expected (of all else).
    n_beeps : int
        Beeps reported, right or wrong.
    length_s : float
        Length of the tone (of the last one of a double).
    said : str
        Kinds that were reported, for a list of what went wrong.
    """

    system: str
    family: str
    kind: str
    codec: str
    snr_db: float | None
    loss: float
    level_db: float
    background: str
    after: str
    length_s: float
    freqs_hz: tuple[float, ...]
    call_s: float
    hit: bool
    n_other: int
    n_beeps: int
    said: str
    onset_s: float | None = None
    offset_s: float | None = None
    delay_s: float | None = None
    freq_hz: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """What one system reported on one tone-free clip."""

    system: str
    group: str
    split: str
    clip: str
    codec: str
    call_s: float
    beeps: tuple[Report, ...]
    others: tuple[Report, ...]


def hear(system: str, samples: Floats) -> tuple[list[Report], str]:
    """Tones that a system reports, and the sub-state of its verdict."""
    if system != "amd":
        found = (desa2 if system == "DESA-2" else fft_peak).find(samples)
        return [_of_peer(tone) for tone in found], ""
    detector = Detector(POLICY)
    events = (*detector.feed(samples.astype(np.float32)), *detector.finish())
    reports = [
        Report(
            kind=str(event.kind),
            on_s=event.on_s,
            off_s=event.off_s,
            known_s=event.known_s,
            freqs_hz=event.freqs_hz,
        )
        for event in events
        if isinstance(event, ToneHeard)
    ]
    verdict = detector.verdict
    return reports, str(verdict.sub_state) if verdict is not None else ""


def _of_peer(tone: PeerTone) -> Report:
    """Peers know tones, and take every one for a beep."""
    return Report(kind="beep", on_s=tone.on_s, off_s=tone.off_s, known_s=tone.known_s, freqs_hz=tone.freqs_hz)


def judge_task(task: suite.Task) -> list[Outcome]:
    """Outcomes of a task; peers are asked for beeps only, since they name no others."""
    systems = SYSTEMS if task.family == "beep" else SYSTEMS[:1]
    return [judge(trial, system) for trial in suite.trials(task) for system in systems]


def judge(trial: suite.Trial, system: str) -> Outcome:
    """Compare what a system says of a trial with its truth."""
    reports, state = hear(system, trial.samples)
    on_s, off_s = trial.spans_s[-1]
    kinds = {report.kind for report in reports}
    expected = set(trial.expected.split("|"))
    outcome = Outcome(
        system=system,
        family=trial.family,
        kind=trial.kind,
        codec=trial.codec,
        snr_db=trial.snr_db,
        loss=trial.loss,
        level_db=trial.level_db,
        background=trial.background,
        after=trial.after,
        length_s=off_s - on_s,
        freqs_hz=trial.freqs_hz,
        call_s=trial.samples.size / RATE_HZ,
        hit=bool(kinds & expected),
        n_other=sum(report.kind not in expected for report in reports),
        n_beeps=sum(report.kind == "beep" for report in reports),
        said="+".join(sorted(kinds)) or "nothing",
    )
    if trial.family == "beep":
        return _judge_beep(outcome, trial, [report for report in reports if report.kind == "beep"])
    if trial.family == "sit":
        named = f"{state}: " if "sit" in kinds else ""
        n_other = sum(report.kind != "sit" for report in reports)
        hit = "sit" in kinds and state == trial.expected
        return dataclasses.replace(outcome, hit=hit, n_other=n_other, said=named + outcome.said)
    if trial.expected.startswith("no "):
        return dataclasses.replace(outcome, hit=trial.expected.removeprefix("no ") not in kinds, n_other=0)
    return outcome


def _judge_beep(outcome: Outcome, trial: suite.Trial, beeps: Sequence[Report]) -> Outcome:
    """A hit is a report that overlaps the last tone: a message starts after that one."""
    n_other = sum(not any(overlap(beep, span) for span in trial.spans_s) for beep in beeps)
    own = [beep for beep in beeps if overlap(beep, trial.spans_s[-1])]
    if not own:
        return dataclasses.replace(outcome, hit=False, n_other=n_other)
    onset_s = min((own[0].on_s - on_s for on_s, _ in trial.spans_s), key=abs)
    off_s = trial.spans_s[-1][1]
    single = trial.kind == "single"
    return dataclasses.replace(
        outcome,
        hit=True,
        n_other=n_other,
        onset_s=onset_s,
        offset_s=own[-1].off_s - off_s,
        delay_s=own[-1].known_s - off_s,
        freq_hz=own[-1].freqs_hz[0] - trial.freqs_hz[0] if single else None,
    )


def overlap(report: Report, span_s: tuple[float, float]) -> bool:
    """Whether a report belongs to the tone of that span."""
    return report.on_s < span_s[1] + NEAR_S and report.off_s > span_s[0] - NEAR_S


def poisson_upper_per_h(n: int, hours: float, confidence: float = 0.95) -> float:
    """Exact one-sided upper bound of a rate after ``n`` events (Garwood 1936, doi:10.1093/biomet/28.3-4.437)."""
    return float(stats.chi2.ppf(confidence, 2 * (n + 1)) / 2 / hours) if hours > 0 else float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A clip without a tone by its label, the line to send it over, and how much of its start to leave out."""

    folder: Path
    path: str
    group: str
    split: str
    codec: str
    skip_s: float = 0.0


def tone_free(folder: Path, *, every: int = 1) -> list[Clip]:
    """Clips without a tone by their labels; one of ``every`` so many, music apart."""
    found = []
    with (folder / "clips.csv").open(newline="", encoding="utf-8") as lines:
        rows = sorted(csv.DictReader(lines), key=lambda row: row["path"])
    for index, row in enumerate(rows):
        no_tone = row["label"] != "tone" and row["kind"] not in {"greeting", "sit_intercept", "tone"}
        if not no_tone or row["beep_onset_s"] or row["path"].endswith(HOLDING_TONES):
            continue
        if row["kind"] == "music":
            music = Clip(folder=folder, path=row["path"], group="music", split=row["split"], codec=LINES[0])
            found += [dataclasses.replace(music, codec=codec) for codec in LINES]
        elif index % every == 0:
            group = row["label"] if row["label"] in {"human", "machine"} else "noise"
            found.append(
                Clip(
                    folder=folder,
                    path=row["path"],
                    group=group,
                    split=row["split"],
                    codec=LINES[index // every % len(LINES)],
                    skip_s=PHONE_SKIP_S if row["channel"] == "phone" else 0.0,
                )
            )
    return found


def judge_clips(clips: Sequence[Clip]) -> list[Quiet]:
    """What every system reports on tone-free clips."""
    outcomes = []
    for clip in clips:
        samples, _ = soundfile.read(clip.folder / clip.path, dtype="float64")
        samples = samples[round(clip.skip_s * RATE_HZ) :]
        if clip.codec != "none":
            samples = line.round_trip(samples, clip.codec)
        for system in SYSTEMS:
            reports, _ = hear(system, samples)
            outcomes.append(
                Quiet(
                    system=system,
                    group=clip.group,
                    split=clip.split,
                    clip=clip.path,
                    codec=clip.codec,
                    call_s=samples.size / RATE_HZ,
                    beeps=tuple(report for report in reports if report.kind == "beep"),
                    others=tuple(report for report in reports if report.kind != "beep"),
                )
            )
    return outcomes


def cpu_ratios(seed: int) -> dict[str, float]:
    """CPU time of each system on half a minute of noise and speech, over that of the spectra of amd's frames."""
    rng = np.random.default_rng(seed)
    half = line.speech_like(15 * RATE_HZ, rng)
    samples = 0.05 * np.concatenate([half, line.noise(15 * RATE_HZ, rng)])
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float32), 256)[::128]

    def best_s(work: Callable[[], object]) -> float:
        times_s = []
        for _ in range(5):
            start_s = time.process_time()
            work()
            times_s.append(time.process_time() - start_s)
        return min(times_s)

    reference_s = best_s(lambda: [np.fft.rfft(frames) for _ in range(20)]) / 20
    return {system: best_s(functools.partial(hear, system, samples)) / reference_s for system in SYSTEMS}
