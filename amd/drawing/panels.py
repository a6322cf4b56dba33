"""The panels: waveform, spectrogram, level, probability and evidence, each pooled to what a pixel can show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from amd.audio import RATE_HZ, Samples
from amd.detector import Trace
from amd.drawing.labels import BLACK, GREY, HUMAN, MACHINE, SPEECH, TONE, words
from amd.events import Event, SpeechEnded, SpeechStarted, ToneHeard, Verdict, Weight
from amd.framing import FRAME_SAMPLES, HOP_SAMPLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS_MAX: Final = 1500
"""More columns than pixels show nothing."""
_SPECTRA_MAX: Final = 40_000
"""Ten minutes at the usual hop; in a longer call some frames are left out."""
_RANGE_DB: Final = 70.0
_TOP_MIN_DB: Final = -35.0
_PEAK_MIN: Final = 0.05
_LEVEL_SPAN_MIN_DB: Final = 40.0
"""Scales go no finer than this: a silent line should look silent."""


def speech_spans(events: Sequence[Event], end_s: float) -> list[tuple[float, float]]:
    """Runs of speech as (start, duration); one that is still open goes on to the end."""
    spans = [(event.on_s, event.at_s - event.on_s) for event in events if isinstance(event, SpeechEnded)]
    starts = [event.at_s for event in events if isinstance(event, SpeechStarted)]
    spans += [(on_s, max(0.0, end_s - on_s)) for on_s in starts[len(spans) :]]
    return spans


def _pool_edges(n: int) -> npt.NDArray[np.intp]:
    """Where each of at most `_COLUMNS_MAX` columns begins among ``n`` values."""
    return np.unique(np.linspace(0, n, min(n, _COLUMNS_MAX), endpoint=False).astype(np.intp))


def draw_waveform(
    panel: Axes, audio: Samples, speech: Sequence[tuple[float, float]], tones: Sequence[ToneHeard]
) -> None:
    """Draw the loudest swing of every column, over the spans of speech and tones."""
    peak = max(float(np.max(np.abs(audio), initial=0.0)), _PEAK_MIN)
    panel.set_ylim(-1.1 * peak, 1.1 * peak)
    panel.set_ylabel("amplitude")
    for spans, color, name in (
        (speech, SPEECH, "speech"),
        ([(tone.on_s, tone.off_s - tone.on_s) for tone in tones], TONE, "tone"),
    ):
        if spans:
            panel.broken_barh(
                spans, (-1.1 * peak, 2.2 * peak), facecolor=color, alpha=0.3, lw=0, label=name, zorder=1
            )
    if audio.size:
        edges = _pool_edges(audio.size)
        panel.fill_between(
            edges / RATE_HZ,
            np.minimum.reduceat(audio, edges),
            np.maximum.reduceat(audio, edges),
            color="#333333",
            lw=0.6,
            zorder=2,
        )


def draw_spectrogram(panel: Axes, audio: Samples, tones: Sequence[ToneHeard]) -> None:
    """Draw power over time and frequency, each tone boxed."""
    panel.set_ylim(0, RATE_HZ / 2)
    panel.set_yticks(range(0, RATE_HZ // 2 + 1, 1000), labels=["0", "1", "2", "3", "4"])
    panel.set_ylabel("kHz")
    if audio.size >= FRAME_SAMPLES:
        power_db = _spectrogram_db(audio)
        top_db = max(float(power_db.max()), _TOP_MIN_DB)
        panel.imshow(
            power_db.T,
            origin="lower",
            extent=(0, audio.size / RATE_HZ, 0, RATE_HZ / 2),
            aspect="auto",
            cmap="cividis",
            vmin=top_db - _RANGE_DB,
            vmax=top_db,
            interpolation="nearest",
        )
        panel.set_xlim(panel.get_xlim())
        note = "\n".join(
            [
                "yellow loud, blue quiet:",
                f"{_RANGE_DB:.0f} dB between",
                *(["boxed: a tone, as heard"] if tones else []),
            ]
        )
        _note(panel, note)
    for tone in tones:
        low_hz, high_hz = min(tone.freqs_hz) - 130, max(tone.freqs_hz) + 130
        panel.fill_between(
            [tone.on_s, tone.off_s],
            low_hz,
            high_hz,
            facecolor="none",
            edgecolor="white",
            lw=1.6,
            zorder=5,
        )


def _spectrogram_db(audio: Samples) -> npt.NDArray[np.float32]:
    """Power per column and frequency in dB, shape ``(n_columns, n_bins)``; a column shows its loudest frame."""
    hop = max(HOP_SAMPLES, -(-audio.size // _SPECTRA_MAX))
    frames = np.lib.stride_tricks.sliding_window_view(audio, FRAME_SAMPLES)[::hop]
    window = np.hanning(FRAME_SAMPLES).astype(np.float32)
    power = np.abs(np.fft.rfft(frames * window)) ** 2 / np.float32(FRAME_SAMPLES / 4) ** 2
    pooled = np.maximum.reduceat(power, _pool_edges(len(power)), axis=0)
    decibels: npt.NDArray[np.float32] = 10 * np.log10(np.maximum(pooled, 1e-12)).astype(np.float32)
    return decibels


def draw_level(panel: Axes, strip: Axes, traces: Sequence[Trace]) -> None:
    """Draw levels in one panel, and what each frame was taken for in a strip below it."""
    panel.set_ylabel("dB of full scale")
    strip.set_ylim(3, 0)
    strip.set_yticks([0.5, 1.5, 2.5], labels=["active", "voiced", "tonal"], size=8)
    strip.tick_params(left=False)
    if not traces:
        panel.set_ylim(-90, 10)
        _note(panel, "no frame was heard")
        return
    edges = _pool_edges(len(traces))
    at_s = np.array([trace.at_s for trace in traces])[edges]
    level_db = np.maximum.reduceat([trace.level_db for trace in traces], edges)
    floor_db = np.minimum.reduceat([trace.floor_db for trace in traces], edges)
    panel.plot(at_s, level_db, color=BLACK, lw=1, label="level")
    panel.plot(at_s, floor_db, color=MACHINE, lw=1.6, linestyle="--", label="noise floor")
    low_db, high_db = min(level_db.min(), floor_db.min()), max(level_db.max(), floor_db.max())
    room_db = max(3.0, (_LEVEL_SPAN_MIN_DB - (high_db - low_db)) / 2)
    panel.set_ylim(low_db - room_db, high_db + room_db)
    panel.set_xlim(strip.get_xlim())
    hop_s = HOP_SAMPLES / RATE_HZ
    ends_s = np.append(at_s[1:], traces[-1].at_s + hop_s) - hop_s / 2
    for row, (name, color) in enumerate({"active": GREY, "voiced": HUMAN, "tonal": TONE}.items()):
        on = np.logical_or.reduceat([getattr(trace, name) for trace in traces], edges)
        turns = np.flatnonzero(np.diff(on, prepend=False, append=False)).reshape(-1, 2)
        spans = [(at_s[first] - hop_s / 2, ends_s[last - 1] - at_s[first] + hop_s / 2) for first, last in turns]
        strip.broken_barh(spans, (row + 0.1, 0.8), facecolor=color, lw=0)


def draw_probability(panel: Axes, traces: Sequence[Trace]) -> None:
    """Draw how the probability of a machine moves, away from even odds."""
    panel.set_ylim(0, 1)
    panel.set_yticks([0, 0.5, 1], labels=["human 0", "0.5", "machine 1"])
    panel.axhline(0.5, color=GREY, lw=0.8)
    known = [(trace.at_s, trace.machine_probability) for trace in traces if trace.machine_probability is not None]
    if not known:
        _note(panel, "no speech, so no probability")
        return
    at_s, p_machine = np.array(known)[_pool_edges(len(known))].T
    panel.plot(at_s, p_machine, color=BLACK, lw=1.2, label="probability of a machine", drawstyle="steps-post")
    for color, side in ((MACHINE, np.maximum), (HUMAN, np.minimum)):
        panel.fill_between(at_s, 0.5, side(p_machine, 0.5), color=color, alpha=0.35, lw=0, step="post")


def draw_evidence(panel: Axes, evidence: Sequence[Weight], verdict: Verdict | None) -> None:
    """Draw what each piece of evidence adds, the heaviest on top."""
    panel.spines["left"].set_visible(False)
    panel.set_title("what carried the verdict", size=10.5, weight="bold", loc="left")
    if not evidence:
        panel.set_axis_off()
        reason = "nothing yet" if verdict is None else f"{words(verdict.cause)}; nothing was weighed"
        panel.text(0, 0.5, reason, transform=panel.transAxes, color=GREY, va="center")
        return
    weights = sorted(evidence, key=lambda weight: -abs(weight.log_odds))
    reach = max(1e-6, *(abs(weight.log_odds) for weight in weights))
    for row, weight in enumerate(weights):
        machine = weight.log_odds > 0
        panel.barh(row, weight.log_odds, color=MACHINE if machine else HUMAN, height=0.7)
        panel.annotate(
            f"{weight.log_odds:+.2f}",
            (weight.log_odds, row),
            (4 if machine else -4, 0),
            textcoords="offset points",
            ha="left" if machine else "right",
            va="center",
        )
    panel.set_xlim(-1.2 * reach, 1.2 * reach)
    panel.set_ylim(len(weights) - 0.5, -0.5)
    panel.set_yticks(
        range(len(weights)),
        labels=[_weight_label(weight) for weight in weights],
    )
    panel.tick_params(axis="y", left=False)
    panel.axvline(0, color=BLACK, lw=0.8)
    panel.set_xlabel("← human      log-odds of a machine, in nats      machine →")


def _weight_label(weight: Weight) -> str:
    if weight.name == "prior":
        return "prior"
    return f"{weight.name} " + ("unknown" if np.isnan(weight.value) else f"= {weight.value:.3g}")


def _note(panel: Axes, text: str) -> None:
    """Explain a panel beside it, where no line can cross the text."""
    panel.text(1.02, 0.97, text, transform=panel.transAxes, size=9, va="top", linespacing=1.4)
