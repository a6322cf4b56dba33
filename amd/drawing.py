"""One call as a picture, for people who would rather look than read.

The work is bounded whatever the call's length: what is finer than a pixel is pooled before it is drawn. Nothing
global is touched for good: figures are objects, and settings hold only while a picture is drawn. The same call
gives the same bytes with the same version of matplotlib.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from amd.audio import RATE_HZ, Samples, check_samples
from amd.detector import Trace
from amd.errors import AmdError, MissingExtraError
from amd.events import (
    Contradiction,
    Deadline,
    Event,
    GreetingEnded,
    SpeechEnded,
    SpeechStarted,
    ToneHeard,
    ToneKind,
    Verdict,
    Weight,
)
from amd.framing import FRAME_SAMPLES, HOP_SAMPLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES: Final = (".png", ".svg")

# Colours of Okabe and Ito: told apart by every kind of colour vision; line styles differ as well.
_BLACK, _GREY = "#000000", "#6b6b6b"
_HUMAN, _MACHINE = "#0072B2", "#D55E00"
_SPEECH, _TONE, _GREETING_END, _DEADLINE = "#56B4E9", "#AA3377", "#007A5A", "#B07800"

_COLUMNS_MAX: Final = 1500
"""More columns than pixels show nothing."""
_SPECTRA_MAX: Final = 40_000
"""Ten minutes at the usual hop; in a longer call some frames are left out."""
_LABELS_MAX: Final = 14
_RANGE_DB: Final = 70.0
_TOP_MIN_DB: Final = -35.0
_PEAK_MIN: Final = 0.05
_LEVEL_SPAN_MIN_DB: Final = 40.0
"""Scales go no finer than this: a silent line should look silent."""

_WIDTH_IN, _LEFT_IN, _RIGHT_IN = 13.0, 0.95, 2.55
_HEAD_IN, _FOOT_IN, _ROW_IN, _BAR_IN, _GAP_IN = 0.85, 0.55, 0.21, 0.27, 0.14
_PANELS_IN: Final = {"waveform": 1.5, "spectrogram": 1.9, "level": 1.35, "strip": 0.5, "probability": 1.4}
_NAMES_IN: Final = 2.3
"""Evidence has longer names than axes have."""
_NOT_LISTENED_S, _AFTER_S, _END_MIN_S = 0.1, 5.0, 1.0

_SETTINGS: Final[dict[Any, Any]] = {
    "svg.hashsalt": "amd",
    "svg.fonttype": "none",  # text stays text: it can be searched and read aloud
    "text.parse_math": False,  # a dollar sign in a file's name is a dollar sign
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_ACRONYMS: Final = frozenset({"sit", "cng", "ced"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    """A moment with a label over the panels; ``style`` is of its line through them, None for no line."""

    at_s: float
    text: str
    color: str
    style: str | tuple[int, tuple[int, ...]] | None = None


def draw_call(
    samples: npt.NDArray[np.generic],
    events: Sequence[Event],
    traces: Sequence[Trace],
    verdict: Verdict | None,
    *,
    title: str,
    out: Path,
) -> None:
    """Draw what was heard on one call, and what was made of it, over the time from answer.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
        The call at 8 kHz, as `Detector.feed` takes it.
    events : sequence of Event
    traces : sequence of Trace
        What the detector's observer was given.
    verdict : Verdict or None
        ``Detector.verdict``.
    title : str
        What call it is, for example its file name.
    out : Path
        The picture to write, ``.png`` or ``.svg``.

    Raises
    ------
    AmdError
        If ``out`` has another suffix.
    AudioError
        If ``samples`` is not such audio.
    MissingExtraError
        If matplotlib is not installed.
    """
    suffix = out.suffix.lower()
    if suffix not in SUFFIXES:
        raise AmdError(f"cannot draw to {out.name!r}: its suffix must be one of {', '.join(SUFFIXES)}")
    audio = check_samples(samples)
    try:
        import matplotlib as mpl  # noqa: PLC0415 - detecting must not need it
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("drawing needs matplotlib: pip install 'amd-callback[report]'") from error
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # a title in any script is fine
        mpl.rcdefaults()  # a user's own style must not break the layout
        for name, value in _SETTINGS.items():
            mpl.rcParams[name] = value
        figure = Figure()
        _compose(figure, audio, events, traces, verdict, title)
        stamp = {"Date": None, "Creator": None} if suffix == ".svg" else {"Software": None}
        figure.savefig(out, format=suffix[1:], dpi=110, metadata=stamp)


def headline(verdict: Verdict | None) -> str:
    """Say a verdict in words.

    Examples
    --------
    >>> from amd.events import Cause, Party
    >>> headline(
    ...     Verdict(
    ...         at_s=2.03,
    ...         known_s=2.03,
    ...         party=Party.HUMAN,
    ...         sub_state=None,
    ...         cause=Cause.GREETING_THEN_SILENCE,
    ...         probability=0.84,
    ...         final=True,
    ...     )
    ... )
    'human (greeting then silence), probability 0.84, decided 2.03 s after answer'
    """
    if verdict is None:
        return "no verdict"
    final = "decided" if verdict.final else "provisional, given"
    return (
        f"{verdict.party} ({_words(verdict.cause)}), probability {verdict.probability:.2f}, "
        f"{final} {verdict.known_s:.2f} s after answer"
    )


def _compose(
    figure: Figure,
    audio: Samples,
    events: Sequence[Event],
    traces: Sequence[Trace],
    verdict: Verdict | None,
    title: str,
) -> None:
    """Lay the panels out, in inches from the top."""
    tones = [event for event in events if isinstance(event, ToneHeard)]
    heard_s = (traces[-1].at_s + HOP_SAMPLES / RATE_HZ / 2) if traces else 0.0
    call_s = audio.size / RATE_HZ
    if traces:  # what came long after the detector was done would squeeze what matters
        audio = audio[: round((heard_s + max(_AFTER_S, heard_s)) * RATE_HZ)]
    end_s = max([_END_MIN_S, audio.size / RATE_HZ, heard_s, *(event.known_s for event in events)])
    marks = _marks(events, verdict)
    if 0 < heard_s < call_s - _NOT_LISTENED_S:
        marks.append(_Mark(at_s=heard_s, text="done, no longer listening", color=_GREY, style=":"))
    labels = sorted(marks + _tone_labels(tones, _LABELS_MAX - len(marks)), key=lambda mark: mark.at_s)

    width_in = _WIDTH_IN - _LEFT_IN - _RIGHT_IN
    rows = _label_rows(figure, labels, end_s / width_in)
    lane_in = _ROW_IN * (max(rows, default=-1) + 1)
    weights = verdict.evidence if verdict else ()
    bars_in = _BAR_IN * max(1, len(weights))
    panels_in = sum(_PANELS_IN.values()) + _GAP_IN * len(_PANELS_IN)
    foot_in = _FOOT_IN + 0.2 + bars_in + (_FOOT_IN if weights else 0.15)
    height_in = _HEAD_IN + lane_in + panels_in + foot_in
    figure.set_size_inches(_WIDTH_IN, height_in)
    figure.text(0.2 / _WIDTH_IN, 1 - 0.36 / height_in, headline(verdict), size=15, weight="bold")
    figure.text(
        0.2 / _WIDTH_IN, 1 - 0.62 / height_in, _subtitle(title, call_s, audio, verdict), size=10, color=_GREY
    )

    def place(left_in: float, top_in: float, panel_in: float) -> Axes:
        box = (left_in, height_in - top_in - panel_in, _WIDTH_IN - left_in - _RIGHT_IN, panel_in)
        return figure.add_axes(
            (box[0] / _WIDTH_IN, box[1] / height_in, box[2] / _WIDTH_IN, box[3] / height_in), xlim=(0, end_s)
        )

    top_in = _HEAD_IN + lane_in
    panels = {}
    for name, panel_in in _PANELS_IN.items():
        panels[name] = place(_LEFT_IN, top_in, panel_in)
        panels[name].tick_params(labelbottom=name == "probability")
        top_in += panel_in + _GAP_IN
    panels["probability"].set_xlabel("seconds from answer")
    _draw_waveform(panels["waveform"], audio, _speech_spans(events, heard_s or call_s), tones)
    _draw_spectrogram(panels["spectrogram"], audio, tones)
    _draw_level(panels["level"], panels["strip"], traces)
    _draw_probability(panels["probability"], traces)
    for mark in marks:
        if mark.style is not None:
            for name, panel in panels.items():
                if name == "spectrogram":
                    panel.axvline(
                        mark.at_s, color="white", lw=3.6, snap=False, zorder=3
                    )  # else it would not be seen
                panel.axvline(
                    mark.at_s, color=mark.color, linestyle=mark.style, lw=1.7, snap=False, clip_on=False, zorder=4
                )
    _draw_labels(panels["waveform"], labels, rows)
    for panel in panels.values():
        if panel.get_legend_handles_labels()[0]:
            # beside the panel: never over what it explains
            panel.legend(loc="upper left", bbox_to_anchor=(1.005, 1.03), frameon=False, fontsize=9)
    _draw_evidence(place(_NAMES_IN if weights else _LEFT_IN, top_in + _FOOT_IN + 0.2, bars_in), weights, verdict)


def _subtitle(title: str, call_s: float, drawn: Samples, verdict: Verdict | None) -> str:
    """What call it is, on one line; what cannot be printed would make the SVG illegal."""
    name = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in " ".join(title.split()))
    name = name if len(name) <= 60 else name[:59] + "…"
    facts = [name, f"{call_s:.1f} s of audio"]
    if drawn.size / RATE_HZ < call_s:
        facts.append(f"the first {drawn.size / RATE_HZ:.1f} s drawn")
    if verdict is not None and verdict.sub_state is not None and str(verdict.sub_state) != verdict.cause:
        facts.append(_words(verdict.sub_state.replace("ended_", "greeting_ended_by_")))
    return "   ·   ".join(facts)


def _words(name: str) -> str:
    return " ".join(word.upper() if word in _ACRONYMS else word for word in name.split("_"))


def _hz(tone: ToneHeard) -> str:
    """Frequencies: one after the other in special information tones, else together."""
    then = " → " if tone.kind is ToneKind.SIT else " + "
    return then.join(f"{freq_hz:.0f}" for freq_hz in tone.freqs_hz) + " Hz"


def _marks(events: Sequence[Event], verdict: Verdict | None) -> list[_Mark]:
    """What is marked through all panels."""
    marks = []
    for event in events:
        if isinstance(event, Verdict) and not event.final and (verdict is None or verdict.final):
            marks.append(_verdict_mark(event))
        elif isinstance(event, GreetingEnded):
            text = f"greeting ended ({event.by})"
            marks.append(_Mark(at_s=event.at_s, text=text, color=_GREETING_END, style="--"))
        elif isinstance(event, Deadline):
            text = f"deadline: {_words(event.what)} {event.limit_s:g} s"
            marks.append(_Mark(at_s=event.known_s, text=text, color=_DEADLINE, style="-."))
        elif isinstance(event, Contradiction):
            text = f"contradiction: {event.suggested} {event.probability:.2f}"
            marks.append(_Mark(at_s=event.known_s, text=text, color=_MACHINE, style=(0, (6, 1, 1, 1, 1, 1))))
    return marks if verdict is None else [*marks, _verdict_mark(verdict)]


def _verdict_mark(verdict: Verdict) -> _Mark:
    text = f"{'verdict' if verdict.final else 'provisional'}: {verdict.party} {verdict.probability:.2f}"
    return _Mark(at_s=verdict.known_s, text=text, color=_BLACK, style="-" if verdict.final else ":")


def _tone_labels(tones: Sequence[ToneHeard], n_max: int) -> list[_Mark]:
    """One label for tones of one kind in a row."""
    groups = [list(group) for _, group in itertools.groupby(tones, key=lambda tone: tone.kind)]
    labels = [
        _Mark(
            at_s=group[0].on_s,
            text=f"{_words(group[0].kind)} {_hz(group[0])}" + (f", {len(group)} times" if len(group) > 1 else ""),
            color=_TONE,
        )
        for group in groups
    ]
    n_max = max(1, n_max)
    if len(labels) > n_max:
        last = labels[n_max - 1]
        n_more = len(labels) - n_max
        labels[n_max - 1 :] = [_Mark(at_s=last.at_s, text=f"{last.text}, then {n_more} more", color=_TONE)]
    return labels


def _speech_spans(events: Sequence[Event], end_s: float) -> list[tuple[float, float]]:
    """Runs of speech as (start, duration); one that is still open goes on to the end."""
    spans = [(event.on_s, event.at_s - event.on_s) for event in events if isinstance(event, SpeechEnded)]
    starts = [event.at_s for event in events if isinstance(event, SpeechStarted)]
    spans += [(on_s, max(0.0, end_s - on_s)) for on_s in starts[len(spans) :]]
    return spans


def _label_rows(figure: Figure, labels: Sequence[_Mark], s_per_in: float) -> list[int]:
    """The row of each label, 0 next to the panels.

    A label goes right from its moment. It must be above every later one that begins within it: then neither the
    text nor the leader of one crosses the text of another.
    """
    from matplotlib.backends.backend_agg import RendererAgg  # noqa: PLC0415 - as in draw_call

    renderer = RendererAgg(1, 1, figure.dpi)  # type: ignore[no-untyped-call]
    rows: list[int] = []
    for index in range(len(labels) - 1, -1, -1):
        text = figure.text(0, 0, _label_text(labels[index]), size=9)
        end_s = labels[index].at_s + (text.get_window_extent(renderer).width / figure.dpi + 0.2) * s_per_in
        text.remove()
        within = [row for label, row in zip(labels[index + 1 :], rows, strict=True) if label.at_s < end_s]
        rows.insert(0, max(within, default=-1) + 1)
    return rows


def _label_text(mark: _Mark) -> str:
    return f"{mark.at_s:.2f} s  {mark.text}"


def _draw_labels(panel: Axes, labels: Sequence[_Mark], rows: Sequence[int]) -> None:
    """Write labels over the panel, each with a leader down to it."""
    for mark, row in zip(labels, rows, strict=True):
        lift_points = 72 * _ROW_IN * (row + 0.3)
        panel.annotate(
            _label_text(mark),
            xy=(mark.at_s, 1),
            xycoords=("data", "axes fraction"),
            xytext=(4, lift_points),
            textcoords="offset points",
            size=9,
            color=mark.color,
            annotation_clip=False,
        )
        panel.annotate(
            "",
            xy=(mark.at_s, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, lift_points + 7),
            textcoords="offset points",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": mark.color, "lw": 1, "shrinkA": 0, "shrinkB": 0},
        )


def _pool_edges(n: int) -> npt.NDArray[np.intp]:
    """Where each of at most `_COLUMNS_MAX` columns begins among ``n`` values."""
    return np.unique(np.linspace(0, n, min(n, _COLUMNS_MAX), endpoint=False).astype(np.intp))


def _draw_waveform(
    panel: Axes, audio: Samples, speech: Sequence[tuple[float, float]], tones: Sequence[ToneHeard]
) -> None:
    peak = max(float(np.max(np.abs(audio), initial=0.0)), _PEAK_MIN)
    panel.set_ylim(-1.1 * peak, 1.1 * peak)
    panel.set_ylabel("amplitude")
    for spans, color, name in (
        (speech, _SPEECH, "speech"),
        ([(tone.on_s, tone.off_s - tone.on_s) for tone in tones], _TONE, "tone"),
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


def _draw_spectrogram(panel: Axes, audio: Samples, tones: Sequence[ToneHeard]) -> None:
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


def _draw_level(panel: Axes, strip: Axes, traces: Sequence[Trace]) -> None:
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
    panel.plot(at_s, level_db, color=_BLACK, lw=1, label="level")
    panel.plot(at_s, floor_db, color=_MACHINE, lw=1.6, linestyle="--", label="noise floor")
    low_db, high_db = min(level_db.min(), floor_db.min()), max(level_db.max(), floor_db.max())
    room_db = max(3.0, (_LEVEL_SPAN_MIN_DB - (high_db - low_db)) / 2)
    panel.set_ylim(low_db - room_db, high_db + room_db)
    panel.set_xlim(strip.get_xlim())
    hop_s = HOP_SAMPLES / RATE_HZ
    ends_s = np.append(at_s[1:], traces[-1].at_s + hop_s) - hop_s / 2
    for row, (name, color) in enumerate({"active": _GREY, "voiced": _HUMAN, "tonal": _TONE}.items()):
        on = np.logical_or.reduceat([getattr(trace, name) for trace in traces], edges)
        turns = np.flatnonzero(np.diff(on, prepend=False, append=False)).reshape(-1, 2)
        spans = [(at_s[first] - hop_s / 2, ends_s[last - 1] - at_s[first] + hop_s / 2) for first, last in turns]
        strip.broken_barh(spans, (row + 0.1, 0.8), facecolor=color, lw=0)


def _draw_probability(panel: Axes, traces: Sequence[Trace]) -> None:
    panel.set_ylim(0, 1)
    panel.set_yticks([0, 0.5, 1], labels=["human 0", "0.5", "machine 1"])
    panel.axhline(0.5, color=_GREY, lw=0.8)
    known = [(trace.at_s, trace.machine_probability) for trace in traces if trace.machine_probability is not None]
    if not known:
        _note(panel, "no speech, so no probability")
        return
    at_s, p_machine = np.array(known)[_pool_edges(len(known))].T
    panel.plot(at_s, p_machine, color=_BLACK, lw=1.2, label="probability of a machine", drawstyle="steps-post")
    for color, side in ((_MACHINE, np.maximum), (_HUMAN, np.minimum)):
        panel.fill_between(at_s, 0.5, side(p_machine, 0.5), color=color, alpha=0.35, lw=0, step="post")


def _draw_evidence(panel: Axes, evidence: Sequence[Weight], verdict: Verdict | None) -> None:
    """Draw what each piece of evidence adds, the heaviest on top."""
    panel.spines["left"].set_visible(False)
    panel.set_title("what carried the verdict", size=10.5, weight="bold", loc="left")
    if not evidence:
        panel.set_axis_off()
        reason = "nothing yet" if verdict is None else f"{_words(verdict.cause)}; nothing was weighed"
        panel.text(0, 0.5, reason, transform=panel.transAxes, color=_GREY, va="center")
        return
    weights = sorted(evidence, key=lambda weight: -abs(weight.log_odds))
    reach = max(1e-6, *(abs(weight.log_odds) for weight in weights))
    for row, weight in enumerate(weights):
        machine = weight.log_odds > 0
        panel.barh(row, weight.log_odds, color=_MACHINE if machine else _HUMAN, height=0.7)
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
    panel.axvline(0, color=_BLACK, lw=0.8)
    panel.set_xlabel("← human      log-odds of a machine, in nats      machine →")


def _weight_label(weight: Weight) -> str:
    if weight.name == "prior":
        return "prior"
    return f"{weight.name} " + ("unknown" if np.isnan(weight.value) else f"= {weight.value:.3g}")


def _note(panel: Axes, text: str) -> None:
    """Explain a panel beside it, where no line can cross the text."""
    panel.text(1.02, 0.97, text, transform=panel.transAxes, size=9, va="top", linespacing=1.4)
