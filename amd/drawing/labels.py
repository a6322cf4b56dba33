"""What is written over the panels, in which colour and row, so that no label crosses another."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from amd.events import Contradiction, Deadline, Event, GreetingEnded, ToneHeard, ToneKind, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours of Okabe and Ito: told apart by every kind of colour vision; line styles differ as well.
BLACK: Final = "#000000"
"""Verdicts, and what was measured."""
GREY: Final = "#6b6b6b"
"""What explains, and what stands back."""
HUMAN: Final = "#0072B2"
"""What speaks for a human; voiced frames."""
MACHINE: Final = "#D55E00"
"""What speaks for a machine; contradictions and the noise floor."""
SPEECH: Final = "#56B4E9"
"""Spans of speech."""
TONE: Final = "#AA3377"
"""Tones and tonal frames."""
_GREETING_END, _DEADLINE = "#007A5A", "#B07800"

ROW_IN: Final = 0.21
"""The height of one row of labels."""
_ACRONYMS: Final = frozenset({"sit", "cng", "ced"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A moment with a label over the panels; ``style`` is of its line through them, None for no line."""

    at_s: float
    text: str
    color: str
    style: str | tuple[int, tuple[int, ...]] | None = None


def words(name: str) -> str:
    """A name as words; acronyms stay in capitals."""
    return " ".join(word.upper() if word in _ACRONYMS else word for word in name.split("_"))


def _hz(tone: ToneHeard) -> str:
    """Frequencies: one after the other in special information tones, else together."""
    then = " → " if tone.kind is ToneKind.SIT else " + "
    return then.join(f"{freq_hz:.0f}" for freq_hz in tone.freqs_hz) + " Hz"


def marks_of(events: Sequence[Event], verdict: Verdict | None) -> list[Mark]:
    """What is marked through all panels."""
    marks = []
    for event in events:
        if isinstance(event, Verdict) and not event.final and (verdict is None or verdict.final):
            marks.append(_verdict_mark(event))
        elif isinstance(event, GreetingEnded):
            text = f"greeting ended ({event.by})"
            marks.append(Mark(at_s=event.at_s, text=text, color=_GREETING_END, style="--"))
        elif isinstance(event, Deadline):
            text = f"deadline: {words(event.what)} {event.limit_s:g} s"
            marks.append(Mark(at_s=event.known_s, text=text, color=_DEADLINE, style="-."))
        elif isinstance(event, Contradiction):
            text = f"contradiction: {event.suggested} {event.probability:.2f}"
            marks.append(Mark(at_s=event.known_s, text=text, color=MACHINE, style=(0, (6, 1, 1, 1, 1, 1))))
    return marks if verdict is None else [*marks, _verdict_mark(verdict)]


def _verdict_mark(verdict: Verdict) -> Mark:
    text = f"{'verdict' if verdict.final else 'provisional'}: {verdict.party} {verdict.probability:.2f}"
    return Mark(at_s=verdict.known_s, text=text, color=BLACK, style="-" if verdict.final else ":")


def tone_labels(tones: Sequence[ToneHeard], n_max: int) -> list[Mark]:
    """One label for tones of one kind in a row."""
    groups = [list(group) for _, group in itertools.groupby(tones, key=lambda tone: tone.kind)]
    labels = [
        Mark(
            at_s=group[0].on_s,
            text=f"{words(group[0].kind)} {_hz(group[0])}" + (f", {len(group)} times" if len(group) > 1 else ""),
            color=TONE,
        )
        for group in groups
    ]
    n_max = max(1, n_max)
    if len(labels) > n_max:
        last = labels[n_max - 1]
        n_more = len(labels) - n_max
        labels[n_max - 1 :] = [Mark(at_s=last.at_s, text=f"{last.text}, then {n_more} more", color=TONE)]
    return labels


def label_rows(figure: Figure, labels: Sequence[Mark], s_per_in: float) -> list[int]:
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


def _label_text(mark: Mark) -> str:
    return f"{mark.at_s:.2f} s  {mark.text}"


def draw_labels(panel: Axes, labels: Sequence[Mark], rows: Sequence[int]) -> None:
    """Write labels over the panel, each with a leader down to it."""
    for mark, row in zip(labels, rows, strict=True):
        lift_points = 72 * ROW_IN * (row + 0.3)
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
