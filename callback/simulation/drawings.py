"""The figures of the simulation's report: a dot and its 95 % interval for each policy or step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from amd.report.svg import HUMAN, MACHINE, TONE, Drawing, drawing
from callback.simulation.measures import MEASURES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS: Final = (HUMAN, MACHINE, TONE)
MARKERS: Final = ("o", "s", "^")
MADE_UP: Final = "a simulated centre"


def dots(
    arms: Mapping[str, Any], names: Sequence[str], colours: Sequence[str] = COLOURS
) -> Callable[[Axes], None]:
    """Arms one below the other, a dot for each of some measures in one unit."""
    shares = MEASURES[names[0]].unit == "%"

    def draw(axes: Axes) -> None:
        for index, name in enumerate(names):
            shift = 0.16 * (index - (len(names) - 1) / 2)
            for row, arm in enumerate(arms.values()):
                one = arm["figures"][name]
                if one["mean"] is None:
                    continue
                scale = 100.0 if shares else 1.0
                mean, low, high = (scale * one[key] for key in ("mean", "low", "high"))
                axes.errorbar(
                    mean,
                    row + shift,
                    xerr=[[mean - low], [high - mean]],
                    fmt=MARKERS[index],
                    color=colours[index],
                    ms=6,
                    capsize=3,
                    label=short(name) if arm is next(iter(_with(arms, name))) else None,
                )
        axes.set_yticks(range(len(arms)), list(arms))
        axes.set_ylim(len(arms) - 0.5, -0.5)
        axes.set_xlim(left=0)
        axes.set_xlabel(MEASURES[names[0]].unit or "customers")

    return draw


def _with(arms: Mapping[str, Any], name: str) -> list[Any]:
    return [arm for arm in arms.values() if arm["figures"][name]["mean"] is not None]


def short(name: str) -> str:
    """A measure's name as one reads it."""
    return name.removesuffix("_s").replace("_", " ")


def told(arms: Mapping[str, Any], name: str) -> str:
    """A figure in words, for those who cannot see it."""
    scale, unit = (100.0, "%") if MEASURES[name].unit == "%" else (1.0, MEASURES[name].unit)
    parts = [
        f"{arm_name} {scale * arm['figures'][name]['mean']:.1f} {unit}".strip()
        for arm_name, arm in arms.items()
        if arm["figures"][name]["mean"] is not None
    ]
    return f"{MEASURES[name].words}, {MADE_UP}: {', '.join(parts)}"


def drawings(data: Mapping[str, Any]) -> list[Drawing]:
    """Return the figures of the page."""
    wanted = [
        (
            "waits",
            "policies",
            ("first_try_wait_s", "retried_wait_s"),
            "Wait from the call to an agent, of callbacks. A retry that keeps its place waits less.",
        ),
        (
            "wasted",
            "policies",
            ("wasted",),
            "Agents' paid time with nobody there: only agent-first reserves an agent.",
        ),
        (
            "overtaking",
            "policies",
            ("overtaken_first_try",),
            "Later callers who were served before a callback reached at its first try.",
        ),
        ("hold", "policies", ("hold_s", "hold_p90_s"), "Hold after answer: the price of dialling ahead."),
        (
            "accuracy",
            "accuracy",
            ("people_lost", "unreached"),
            "People taken for machines: callbacks with one hung up on, and callbacks never reached.",
        ),
        ("latency", "latency", ("hold_s", "hold_p90_s"), "Verdicts that come later: the hold after answer."),
    ]
    if "detectors" in data["tables"]:
        wanted.append(
            (
                "detectors",
                "detectors",
                ("people_lost", "unreached"),
                "Detectors as measured: callbacks with a person hung up on, and callbacks never reached.",
            )
        )
    return [
        drawing(
            name,
            "; ".join(told(data["tables"][key], measure) for measure in names),
            caption,
            dots(data["tables"][key], names),
            size_in=(4.6, 1.2 + 0.36 * len(data["tables"][key])),
        )
        for name, key, names, caption in wanted
    ]
