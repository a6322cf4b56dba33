"""``python -m benchmarks gallery SET``: the surest errors on composed calls, drawn, and what was behind each.

Every error of the set is sorted by what the truth of the composer shows of the moment of the verdict; the surest
forty are drawn. Pictures hold spectrograms, no audio.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from amd.audio import RATE_HZ, Samples
from amd.detector import Trace
from amd.evaluation.run import Judged, judge_set
from amd.events import Event, Party, SpeechEnded, SpeechStarted, ToneHeard
from amd.policy import PRESETS
from amd.recordings import trace
from amd.training.truth import read_truth

SHOWN: Final = 40
A_PAGE: Final = 10
COLUMNS: Final = 2
BEFORE_S: Final = 0.02
"""What began less than this before the verdict could not have been heard by it."""
MISSED_S: Final = 0.35
"""A pause that is taken for so much longer than it is hides speech that was missed."""
WAIT_S: Final = 0.3
VOICES: Final = ("voices", "babble", "television", "music", "tune", "cafe")

FIXES: Final = {
    "speech before it was missed": "speech activity that follows every voice through noise",
    "a pause was taken for a person's wait": "nothing but waiting longer: the policy's price",
    "the beep had not come": "nothing but waiting longer: the policy's price",
    "the beep was missed": "tones in noise and over low-rate codecs",
    "noise or music was taken for speech": "speech activity that knows music and far voices",
    "a long answer sounded like a greeting": "words, or waiting for the end of what is said",
    "voices or music behind a person": "speech activity that knows music and far voices",
    "the word was missed": "speech activity for short and quiet words",
    "neither was likely": "the caller presses a key",
    "the network's tones were missed": "tones in noise and over low-rate codecs",
    "a tone was mistaken for another": "tones in noise and over low-rate codecs",
}
"""What was behind an error, and what would fix it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Error:
    """A call that was judged wrong."""

    judged: Judged
    truth: dict[str, Any]
    behind: str


def run(folder: Path, out: Path | None, *, jobs: int | None = None) -> None:
    """Judge a set, sort its errors, and draw the surest."""
    truths = {truth["file"]: truth for truth in read_truth(folder)}
    judged, _ = judge_set(folder, PRESETS["balanced"], jobs=jobs)
    wrong = [one for one in judged if one.call.label is not one.result.party]
    errors = [
        Error(judged=one, truth=truths[one.call.file], behind=behind(one, truths[one.call.file])) for one in wrong
    ]
    errors.sort(key=lambda error: (-error.judged.result.probability, error.judged.call.file))
    table = Table("label", "verdict", "errors", "behind it", "what would fix it", box=None, pad_edge=False)
    kinds = Counter((str(one.judged.call.label), str(one.judged.result.party), one.behind) for one in errors)
    for (label, party, what), n in kinds.most_common():
        table.add_row(label, party, str(n), what, FIXES[what])
    Console(width=10_000).print(f"{len(errors)} errors of {len(judged)} calls", table)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        shown = errors[:SHOWN]
        for page, first in enumerate(range(0, len(shown), A_PAGE), 1):
            _draw_page(folder, shown[first : first + A_PAGE], first, out / f"errors-{page}.png")


def behind(judged: Judged, truth: dict[str, Any]) -> str:
    """Say what the truth shows of the moment of a wrong verdict."""
    label, result = judged.call.label, judged.result
    now_s = result.known_s - BEFORE_S
    heard_s = [span for span in truth["speech"] if span[0] < now_s]
    if result.party is Party.UNSURE:
        return "neither was likely"
    if label in (Party.NETWORK, Party.FAX):
        by_tone = result.party in (Party.NETWORK, Party.FAX)
        return "a tone was mistaken for another" if by_tone else "the network's tones were missed"
    if not heard_s and result.party in (Party.HUMAN, Party.MACHINE):
        return "noise or music was taken for speech"
    if label is Party.HUMAN and result.party is Party.MACHINE:
        noise = judged.call.columns.get("noise", "").split("+")[0]
        return "voices or music behind a person" if noise in VOICES else "a long answer sounded like a greeting"
    if label is Party.MACHINE and result.party is Party.HUMAN:
        return _why_human(result.events, truth, now_s)
    if result.party is Party.SILENCE:
        return "the word was missed" if truth["speech"] else "the beep was missed"
    return "a tone was mistaken for another"


def _why_human(events: Sequence[Event], truth: dict[str, Any], now_s: float) -> str:
    """Why a machine was taken for a person who stopped."""
    last_s = max(min(end_s, now_s) for start_s, end_s in truth["speech"] if start_s < now_s)
    ends_s = [event.at_s for event in events if isinstance(event, SpeechEnded) and event.known_s <= now_s]
    missed = bool(ends_s) and (now_s - last_s) < (now_s - max(ends_s)) - MISSED_S
    if missed:
        return "speech before it was missed"
    if any(end_s < now_s - WAIT_S for _, end_s in truth["beep"]):
        return "the beep was missed"
    goes_on = any(start_s >= now_s for start_s, _ in truth["speech"])
    return "a pause was taken for a person's wait" if goes_on else "the beep had not come"


def _draw_page(folder: Path, errors: Sequence[Error], first: int, out: Path) -> None:
    from matplotlib.figure import Figure  # noqa: PLC0415 - scoring must not need it

    n_rows = -(-len(errors) // COLUMNS)
    figure = Figure(figsize=(15, 2.35 * n_rows + 0.4), layout="constrained")
    panels = np.asarray(figure.subplots(n_rows, COLUMNS, squeeze=False)).ravel()
    for panel in panels[len(errors) :]:
        panel.set_axis_off()
    for number, (panel, error) in enumerate(zip(panels, errors, strict=False), first + 1):
        result, samples, traces = trace(folder / error.judged.call.file)
        _draw(panel, error, number, samples, result.events, traces)
    figure.savefig(out, dpi=70, metadata={"Software": None})


def _draw(
    panel: Any, error: Error, number: int, samples: Samples, events: Sequence[Event], traces: Sequence[Trace]
) -> None:
    """Spectrogram; true speech and beep above it, heard speech and tones below; the model's mind; the verdict."""
    result, call = error.judged.result, error.judged.call
    end_s = min(samples.size / RATE_HZ, result.known_s + 3.0)
    faint = 1e-6 * np.random.default_rng(0).standard_normal(samples.size)  # digital silence has no logarithm
    panel.specgram(samples + faint, NFFT=256, Fs=RATE_HZ, noverlap=128, cmap="Greys", vmin=-120, vmax=-35)
    spans = [(start_s, stop_s - start_s) for start_s, stop_s in error.truth["speech"]]
    panel.broken_barh(spans, (4080, 240), facecolor="#2a9d4a", label="true speech")
    panel.broken_barh(
        [(on_s, off_s - on_s) for on_s, off_s in error.truth["beep"]], (4080, 240), facecolor="#c06000"
    )
    panel.broken_barh(_heard(events, samples.size / RATE_HZ), (-320, 240), facecolor="#2060c0")
    tones = [(event.on_s, event.off_s - event.on_s) for event in events if isinstance(event, ToneHeard)]
    panel.broken_barh(tones, (-320, 240), facecolor="#c06000")
    told = [(one.at_s, one.machine_probability) for one in traces if one.machine_probability is not None]
    if told:
        times_s, p_machine = np.array(told).T
        panel.plot(times_s, 4000 * p_machine, color="#b00040", lw=1.4)
    panel.axvline(result.known_s, color="black", lw=1.6, ls="--")
    panel.set(xlim=(0, end_s), ylim=(-360, 4360), yticks=(0, 2000, 4000), yticklabels=("0", "2", "4 kHz"))
    noise = f"{call.columns.get('noise', '')} {call.columns.get('snr_db') or '-'} dB"
    panel.set_title(
        f"{number}. {error.truth.get('scenario', call.label)}: {call.label} called {result.party} "
        f"({result.probability:.2f}; {call.columns.get('codec', '')}, {noise})\n{error.behind}",
        fontsize=9,
        loc="left",
    )


def _heard(events: Sequence[Event], end_s: float) -> list[tuple[float, float]]:
    ended = [(event.on_s, event.at_s - event.on_s) for event in events if isinstance(event, SpeechEnded)]
    starts = [event.at_s for event in events if isinstance(event, SpeechStarted)]
    return ended + [(on_s, end_s - on_s) for on_s in starts[len(ended) :]]
