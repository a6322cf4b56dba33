"""A figure as SVG for the page: text stays text, colours are the page's own, what it shows is told in words."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, GREY, LINE, HUMAN, MACHINE, TONE = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
_VARIABLES: Final = {
    INK: "--ink",
    GREY: "--muted",
    LINE: "--line",
    HUMAN: "--human",
    MACHINE: "--machine",
    TONE: "--tone",
}
"""Stand-ins that the page's style sheet gives their colours, light or dark."""
SIZE_IN: Final = (4.6, 3.4)

_SETTINGS: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "amd",
    "text.parse_math": False,
    "font.size": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "text.color": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.grid": True,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A figure of the page.

    Parameters
    ----------
    name : str
        Unique on the page.
    svg : str
        To be put into HTML as it stands.
    caption : str
        Below it: what it shows.
    """

    name: str
    svg: str
    caption: str


def drawing(
    name: str, alt: str, caption: str, draw: Callable[[Axes], None], *, size_in: tuple[float, float] = SIZE_IN
) -> Drawing:
    """Draw one panel.

    Parameters
    ----------
    name : str
    alt : str
        What one who cannot see it should know.
    caption : str
    draw : callable
        Given the axes.
    """
    import matplotlib as mpl  # noqa: PLC0415 - scoring must not need it
    from matplotlib.figure import Figure  # noqa: PLC0415

    with mpl.rc_context():
        mpl.rcdefaults()
        for setting, value in _SETTINGS.items():
            mpl.rcParams[setting] = value
        figure = Figure(figsize=size_in, layout="constrained")
        axes = figure.add_subplot()
        draw(axes)
        handles, labels = axes.get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="outside lower left", ncols=2)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return Drawing(name=name, svg=_for_page(out.getvalue(), name, alt), caption=caption)


def _for_page(svg: str, name: str, alt: str) -> str:
    """Take an SVG document's drawing: its own names, the page's colours, and words for those who cannot see it."""
    svg = svg[svg.index("<svg") :]
    box = re.search(r'viewBox="([^"]*)"', svg)
    body = svg[svg.index(">") + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r' id="([^"]+)"', rf' id="{name}-\1"', body)
    body = re.sub(r'(url\(|href=")#', rf"\1#{name}-", body)
    body = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", body)
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, f"var({variable})")
    words = alt.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    size = box[1] if box else "0 0 400 300"
    return (
        f'<svg role="img" aria-label="{words}" viewBox="{size}" xmlns:xlink="http://www.w3.org/1999/xlink">{body}'
    )
