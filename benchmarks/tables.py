"""The tables of docs/benchmarks.md and docs/speed.md, from the figures in ``benchmarks/results``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks.channel_features import FAMILIES
from benchmarks.scoring import NO_CELL

PAGE: Final = Path(__file__).parents[1] / "docs" / "benchmarks.md"
SPEED_PAGE: Final = PAGE.with_name("speed.md")
RESULTS: Final = Path(__file__).parent / "results"
MOST_CARRIED: Final = 3
BEGIN: Final = "<!-- {name}: begin; made by `python -m benchmarks readme` -->"
END: Final = "<!-- {name}: end -->"
Tables = dict[str, tuple[str, Callable[[dict[str, Any]], str]]]
SHARES: Final = {
    "right": "right",
    "human_called_machine": "human called machine",
    "machine_called_human": "machine called human",
    "unsure": "unsure",
}
TIMES: Final = {
    "human_after_greeting_end_s": "human after greeting p50, p90",
    "machine_after_first_speech_s": "machine after speech p50, p90",
}


def page(text: str, tables: Tables | None = None) -> str:
    """Return a page with its generated tables, those of docs/benchmarks.md unless given, put in place."""
    for name, (file, made) in (TABLES if tables is None else tables).items():
        begin, end = BEGIN.format(name=name), END.format(name=name)
        table = made(json.loads((RESULTS / file).read_text(encoding="utf-8")))
        before, found, rest = text.partition(begin)
        _, ended, after = rest.partition(end)
        if not (found and ended):
            raise ValueError(f"the page has no place for the table {name!r}: {begin}")
        text = f"{before}{begin}\n\n{table}\n\n{end}{after}"
    return text


def accuracy(data: dict[str, Any]) -> str:
    """One row a system; one whose figures are those of an earlier one, as of `leave_message`, is left out."""
    rows = []
    seen: list[Any] = []
    for name, figures in data["systems"].items():
        if figures not in seen:
            seen.append(figures)
            shares = [_share(figures[key]) for key in SHARES]
            rows.append([name, *shares, *(_times(figures[key]) for key in TIMES)])
    return _table(["", *SHARES.values(), *TIMES.values()], rows, align="---")


def _share(figure: dict[str, Any]) -> str:
    if not figure["of"]:
        return NO_CELL
    return f"{100 * figure['share']:.1f} % ({100 * figure['low']:.1f}-{100 * figure['high']:.1f})"


def _times(figure: dict[str, Any]) -> str:
    return f"{figure['p50']:.2f}, {figure['p90']:.2f} s" if figure["n"] else NO_CELL


def speed(data: dict[str, Any]) -> str:
    """One row a system."""
    rows = [[name, f"{ratio:g}", f"{data['calls_a_core'][name]:,}"] for name, ratio in data["ratios"].items()]
    return _table(["", f"CPU over {data['yardstick']}", "calls a core there"], rows, align="--:")


def stages(data: dict[str, Any]) -> str:
    """One row a stage of a bank, and a peer; over a bare batched FFT, and over webrtcvad where it was timed."""
    yardsticks = {"over the FFT": data["batched_fft"], "over webrtcvad": data["peers"].get("webrtcvad, mode 3")}
    times_us = {
        "bare batched real FFT of its frames": data["batched_fft"],
        **data["stages"],
        "**before the model**": data["before_the_model"],
        f"**all, {data['bank']['calls']:,} calls**": data["bank"]["all"],
        **{f"one `Detector`, {name}": us for name, us in data["detector"].items()},
        **{f"{name}, bare": us for name, us in data["peers"].items()},
    }
    rows = [
        [name, f"{us:,.0f}", *(_ratio(us / by_us) if by_us else NO_CELL for by_us in yardsticks.values())]
        for name, us in times_us.items()
    ]
    return _table(["", "µs", *yardsticks], rows, align="--:")


def _ratio(ratio: float) -> str:
    digits = 2 if ratio < 1 else int(ratio < 10)
    return f"{ratio:,.{digits}f}"


def crowds(data: dict[str, Any]) -> str:
    """One row a number of calls."""
    rows = [
        [
            f"{row['calls']:,}",
            f"{row['us']:,.0f}",
            *(f"{row[f'turn_ms_{part}']:.2f}" for part in ("p50", "p99", "max")),
        ]
        for row in data["calls"]
    ]
    return _table(["calls", "µs a second of a call", "turn p50, ms", "p99", "longest"], rows, align="--:")


def rings(data: dict[str, Any]) -> str:
    """One row a change of the calls: rings, and what is none."""
    rows = [
        [
            name,
            _share(one["same"]) if number else "",
            *(_share(one[key]) for key in ("right", "human_called_machine", "unsure")),
            _times(one["human_after_greeting_end_s"]),
        ]
        for number, (name, one) in enumerate(data["systems"].items())
    ]
    headers = ["before it", "same verdict", *(SHARES[key] for key in ("right", "human_called_machine", "unsure"))]
    return _table([*headers, TIMES["human_after_greeting_end_s"]], rows, align="--:")


def baselines(data: dict[str, Any]) -> str:
    """One row a system."""
    rows = [
        [
            name,
            NO_CELL if one["cross_entropy"] is None else f"{one['cross_entropy']:.3f}",
            *(_share(one[key]) for key in SHARES),
            *(_times(one[key]) for key in TIMES),
        ]
        for name, one in data["systems"].items()
    ]
    return _table(["", "cross-entropy a tick", *SHARES.values(), *TIMES.values()], rows, align="---")


def calibration(data: dict[str, Any]) -> str:
    """One row a part of the set."""
    rows = [
        [
            f"{part} {name}".strip(),
            f"{one['n']:,}",
            *(f"{100 * one[key]:.1f} %" for key in ("said", "right", "error")),
            f"{100 * one['by_chance']:.1f}, {100 * one['by_chance_p95']:.1f} %",
        ]
        for part, by_name in data["parts"].items()
        for name, one in by_name.items()
    ]
    headers = ["verdicts", "how many", "said", "right", "calibration error", "by chance: mean, 95 %"]
    return _table(headers, rows, align="--:")


def probe(data: dict[str, Any]) -> str:
    """One row a classifier and a length of speech; what it loses without the families that carry most."""
    rows = []
    for one in data["found"]:
        lost = sorted(
            ((points, name) for name, points in one["points_lost"].items() if name in FAMILIES), reverse=True
        )
        carried = ", ".join(f"{name} {points:+.1f}" for points, name in lost[:MOST_CARRIED])
        rows.append([f"{one['speech_s']:g} s", one["classifier"], _share(one), f"{one['of']:,}", carried])
    return _table(
        ["speech", "", "right (chance is 50 %)", "calls", "points lost when shuffled"], rows, align="---"
    )


def speech(data: dict[str, Any]) -> str:
    """One row a system, one column a level of noise: F1 of frames."""
    systems = next(iter(data["sets"].values()))
    rows = [[name, *(f"{one[name]['f1']['all']:.3f}" for one in data["sets"].values())] for name in systems]
    return _table(["F1 of frames", *data["sets"]], rows, align="--:")


def _table(headers: list[str], rows: list[list[str]], *, align: str) -> str:
    lines = [headers, ["---", *[align] * (len(headers) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines).replace("|  |", "| |")


TABLES: Final[Tables] = {
    "accuracy on the test split": ("accuracy-test.json", accuracy),
    "rings": ("rings-dev21.json", rings),
    "baselines": ("baselines-test71.json", baselines),
    "calibration": ("calibration-test.json", calibration),
    "probe": ("probe-t501-dev23.json", probe),
    "speed": ("speed.json", speed),
    "speech activity": ("speech-levels.json", speech),
}
SPEED_TABLES: Final[Tables] = {"stages": ("scale.json", stages), "calls": ("scale.json", crowds)}
