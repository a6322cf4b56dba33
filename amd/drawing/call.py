"""The page: a headline, labels, panels over the time from answer, and what carried the verdict."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from amd.audio import RATE_HZ, Samples, check_samples
from amd.detector import Trace
from amd.drawing.labels import GREY, ROW_IN, Mark, draw_labels, label_rows, marks_of, tone_labels, words
from amd.drawing.panels import (
    draw_evidence,
    draw_level,
    draw_probability,
    draw_spectrogram,
    draw_waveform,
    speech_spans,
)
from amd.errors import AmdError, MissingExtraError
from amd.events import Event, ToneHeard, Verdict
from amd.framing import HOP_SAMPLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES: Final = (".png", ".svg")

_LABELS_MAX: Final = 14

_WIDTH_IN, _LEFT_IN, _RIGHT_IN = 13.0, 0.95, 2.55
_HEAD_IN, _FOOT_IN, _BAR_IN, _GAP_IN = 0.85, 0.55, 0.27, 0.14
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
        f"{verdict.party} ({words(verdict.cause)}), probability {verdict.probability:.2f}, "
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
    marks = marks_of(events, verdict)
    if 0 < heard_s < call_s - _NOT_LISTENED_S:
        marks.append(Mark(at_s=heard_s, text="done, no longer listening", color=GREY, style=":"))
    labels = sorted(marks + tone_labels(tones, _LABELS_MAX - len(marks)), key=lambda mark: mark.at_s)

    width_in = _WIDTH_IN - _LEFT_IN - _RIGHT_IN
    rows = label_rows(figure, labels, end_s / width_in)
    lane_in = ROW_IN * (max(rows, default=-1) + 1)
    weights = verdict.evidence if verdict else ()
    bars_in = _BAR_IN * max(1, len(weights))
    panels_in = sum(_PANELS_IN.values()) + _GAP_IN * len(_PANELS_IN)
    foot_in = _FOOT_IN + 0.2 + bars_in + (_FOOT_IN if weights else 0.15)
    height_in = _HEAD_IN + lane_in + panels_in + foot_in
    figure.set_size_inches(_WIDTH_IN, height_in)
    figure.text(0.2 / _WIDTH_IN, 1 - 0.36 / height_in, headline(verdict), size=15, weight="bold")
    figure.text(
        0.2 / _WIDTH_IN, 1 - 0.62 / height_in, _subtitle(title, call_s, audio, verdict), size=10, color=GREY
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
    draw_waveform(panels["waveform"], audio, speech_spans(events, heard_s or call_s), tones)
    draw_spectrogram(panels["spectrogram"], audio, tones)
    draw_level(panels["level"], panels["strip"], traces)
    draw_probability(panels["probability"], traces)
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
    draw_labels(panels["waveform"], labels, rows)
    for panel in panels.values():
        if panel.get_legend_handles_labels()[0]:
            # beside the panel: never over what it explains
            panel.legend(loc="upper left", bbox_to_anchor=(1.005, 1.03), frameon=False, fontsize=9)
    draw_evidence(place(_NAMES_IN if weights else _LEFT_IN, top_in + _FOOT_IN + 0.2, bars_in), weights, verdict)


def _subtitle(title: str, call_s: float, drawn: Samples, verdict: Verdict | None) -> str:
    """What call it is, on one line; what cannot be printed would make the SVG illegal."""
    name = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in " ".join(title.split()))
    name = name if len(name) <= 60 else name[:59] + "…"
    facts = [name, f"{call_s:.1f} s of audio"]
    if drawn.size / RATE_HZ < call_s:
        facts.append(f"the first {drawn.size / RATE_HZ:.1f} s drawn")
    if verdict is not None and verdict.sub_state is not None and str(verdict.sub_state) != verdict.cause:
        facts.append(words(verdict.sub_state.replace("ended_", "greeting_ended_by_")))
    return "   ·   ".join(facts)
