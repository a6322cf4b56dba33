"""Counts, intervals and quantiles of the outcomes, as figures for a file and as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from amd.evaluation.scores import quantiles, wilson
from benchmarks.tones import line, signals
from benchmarks.tones.judge import SYSTEMS, Outcome, Quiet, poisson_upper_per_h
from benchmarks.tones.suite import FAMILIES

TITLE: Final = "generated tones"
LENGTHS_S: Final = (0.1, 0.15, 0.3, 0.7)
LOW_HZ: Final = 640.0
IN_SPECIFICATION_DB: Final = 10.0
GOOD_DB: Final = 15.0


def figures(outcomes: Sequence[Outcome], quiet: Sequence[Quiet]) -> dict[str, Any]:
    """All that is reported, by section; the same outcomes give the same figures."""
    beeps = [one for one in outcomes if one.family == "beep"]
    rest = [one for one in outcomes if one.family != "beep"]
    return {
        "n_beeps": len(beeps) // len(SYSTEMS),
        "n_other_signals": len(rest),
        "recall": {system: _recall([one for one in beeps if one.system == system]) for system in SYSTEMS},
        "timing": {system: _timing([one for one in beeps if one.system == system]) for system in SYSTEMS},
        "signals": _signals(rest),
        "false_beeps": {system: _false_beeps(system, beeps, rest, quiet) for system in SYSTEMS},
        "false_beeps_of_amd_on_clips": [
            {
                "clip": one.clip,
                "codec": one.codec,
                "on_s": round(beep.on_s, 3),
                "off_s": round(beep.off_s, 3),
                "freqs_hz": [round(hz, 1) for hz in beep.freqs_hz],
            }
            for one in quiet
            if one.system == "amd"
            for beep in one.beeps
        ],
        "other_tones_of_amd_on_clips": dict(
            sorted(Counter(tone.kind for one in quiet if one.system == "amd" for tone in one.others).items())
        ),
    }


def at_least(one: Outcome, snr_db: float) -> bool:
    """Whether a trial is no noisier than that."""
    return one.snr_db is None or one.snr_db >= snr_db


def snr_name(one: Outcome) -> str:
    """Name a signal-to-noise ratio."""
    return "clean" if one.snr_db is None else f"{one.snr_db:.0f} dB"


def length_name(one: Outcome) -> str:
    """Name the bucket of a tone's length."""
    edges_ms = [70, *(round(1000 * edge_s) for edge_s in LENGTHS_S), 1500]
    index = sum(one.length_s >= edge_s for edge_s in LENGTHS_S)
    return f"{edges_ms[index]}-{edges_ms[index + 1]} ms"


def _place(one: Outcome) -> str:
    low = "below" if min(one.freqs_hz) < LOW_HZ else "above"
    return f"after {one.background}, {low} {LOW_HZ:.0f} Hz"


_KEYS: Final[dict[str, Callable[[Outcome], str]]] = {
    "kind": lambda one: one.kind,
    "length": length_name,
    "codec": lambda one: one.codec,
    "loss": lambda one: f"{100 * one.loss:.0f} %",
    "level": lambda one: f"{10 * (one.level_db // 10):.0f} dBFS and up",
    "place": _place,
    "what follows": lambda one: one.after,
}


def share(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """Hits among outcomes, with Wilson's interval."""
    hits = [one.hit for one in outcomes]
    found = wilson(sum(hits), len(hits))
    return {"hits": found.count, "n": found.total, "low": round(found.low, 5), "high": round(found.high, 5)}


def _groups(outcomes: Sequence[Outcome], key: Callable[[Outcome], str]) -> dict[str, dict[str, Any]]:
    """Shares by a key, in the order in which its values come in the suite (lengths by their number)."""
    names = dict.fromkeys(key(one) for one in outcomes)
    order = sorted(names, key=lambda name: int(name.split("-")[0])) if key is length_name else list(names)
    return {name: share(one for one in outcomes if key(one) == name) for name in order}


def _recall(outcomes: Sequence[Outcome]) -> dict[str, dict[str, Any]]:
    fair = [one for one in outcomes if at_least(one, IN_SPECIFICATION_DB)]
    after_speech = [one for one in fair if one.background == "speech"]
    targets = {
        f"at least {GOOD_DB:.0f} dB": share(one for one in outcomes if at_least(one, GOOD_DB)),
        f"at least {IN_SPECIFICATION_DB:.0f} dB": share(fair),
        f"at least {GOOD_DB:.0f} dB, after speech": share(one for one in after_speech if at_least(one, GOOD_DB)),
        f"at least {IN_SPECIFICATION_DB:.0f} dB, after speech": share(after_speech),
    }
    found = {"target": targets, "snr": _groups(outcomes, snr_name)}
    return found | {f"{name}, at least 10 dB": _groups(fair, key) for name, key in _KEYS.items()}


def _timing(outcomes: Sequence[Outcome]) -> dict[str, dict[str, float | int]]:
    fair = [one for one in outcomes if at_least(one, IN_SPECIFICATION_DB)]
    errors = {
        "onset error ms": [1000 * abs(one.onset_s) for one in fair if one.onset_s is not None],
        "offset error ms": [1000 * abs(one.offset_s) for one in fair if one.offset_s is not None],
        "known after offset ms": [1000 * one.delay_s for one in fair if one.delay_s is not None],
        "frequency error Hz, single": [abs(one.freq_hz) for one in fair if one.freq_hz is not None],
    }
    found = {name: quantiles(values) for name, values in errors.items()}
    return {
        name: {"n": one.n, "p50": round(one.p50, 2), "p95": round(one.p95, 2)}
        for name, one in found.items()
        if one.n
    }


def _signals(outcomes: Sequence[Outcome]) -> dict[str, dict[str, Any]]:
    """Of each family: shares by condition, how often something else was said too, and what was said instead."""
    found = {}
    for family in FAMILIES:
        own = [one for one in outcomes if one.family == family]
        if not own:
            continue
        missed = Counter(f"{one.kind}: {one.said}" for one in own if not one.hit)
        found[family] = {
            "all": share(own),
            "with_other_tones": sum(one.n_other > 0 for one in own),
            "snr": _groups(own, snr_name),
            "codec": _groups(own, lambda one: one.codec),
            "loss": _groups(own, lambda one: f"{100 * one.loss:.0f} %"),
            "kind": _groups(own, lambda one: one.kind),
            "missed": dict(sorted(missed.items(), key=lambda item: (-item[1], item[0]))),
        }
    return found


def _false_beeps(
    system: str, beeps: Sequence[Outcome], rest: Sequence[Outcome], quiet: Sequence[Quiet]
) -> dict[str, dict[str, Any]]:
    """False beeps an hour by what was heard, with the exact upper 95 % bound."""
    quiet = [one for one in quiet if one.system == system]
    heard = [(one.group, len(one.beeps), one.call_s) for one in quiet]
    heard += [("before and after beeps", one.n_other, one.call_s) for one in beeps if one.system == system]
    progress = ("ringback", "busy", "reorder", "dial tone")
    if system == "amd":
        heard += [(f"generated {one.family}", one.n_beeps, one.call_s) for one in rest if one.family in progress]
        heard += [("generated DTMF", one.n_beeps, one.call_s) for one in rest if one.family == "dtmf"]
        heard += [(f"generated {one.kind}", one.n_beeps, one.call_s) for one in rest if one.family == "no beep"]
    target = {"human", "machine", "noise", "music", "generated ringback"}
    rows = {name: [one for one in heard if one[0] == name] for name in dict.fromkeys(name for name, _, _ in heard)}
    rows["speech, music, noise and ringback"] = [one for one in heard if one[0] in target]
    apart = [(one.group, len(one.beeps), one.call_s) for one in quiet if one.split != "train"]
    rows["speech, music and noise not fitted to"] = apart
    found = {}
    for name, row in rows.items():
        n, hours = sum(count for _, count, _ in row), sum(call_s for _, _, call_s in row) / 3600
        if hours:
            found[name] = {
                "n": n,
                "hours": round(hours, 3),
                "per_hour": round(n / hours, 2),
                "upper_95_per_hour": round(poisson_upper_per_h(n, hours), 2),
            }
    return found


def show(found: dict[str, Any], cpu: dict[str, float]) -> None:
    """Print the figures as tables."""
    console = Console(width=10_000)
    mode = ", quick" if found["quick"] else ""
    console.print(
        f"{TITLE}: {found['n_beeps']} beeps, {found['n_other_signals']} other signals; seed {found['seed']}{mode}"
    )
    console.print(f"{found['tasks_left_out']} tasks left out for want of a codec", "")
    for section in found["recall"]["amd"]:
        rows = found["recall"]["amd"][section]
        table = _table(f"{TITLE}: beeps found, by {section}", "", *SYSTEMS)
        for name in rows:
            table.add_row(name, *(_text(found["recall"][system][section][name]) for system in SYSTEMS))
        console.print(table, "")
    table = _table(f"{TITLE}: timing, p50 / p95", "", *SYSTEMS)
    for name in found["timing"]["amd"]:
        cells = [found["timing"][system].get(name) for system in SYSTEMS]
        table.add_row(name, *("-" if cell is None else f"{cell['p50']:.1f} / {cell['p95']:.1f}" for cell in cells))
    console.print(table, "")
    table = _table(f"{TITLE}: other signals, amd", "", "right", "other tones too", "missed, what was said")
    for family, one in found["signals"].items():
        missed = ", ".join(f"{name} ({n})" for name, n in list(one["missed"].items())[:8])
        table.add_row(family, _text(one["all"]), str(one["with_other_tones"]), missed)
    console.print(table, "")
    for by in ("snr", "codec", "loss"):
        names = list(dict.fromkeys(name for one in found["signals"].values() for name in one[by]))
        table = _table(f"{TITLE}: other signals, amd, by {by}", "", *names)
        for family, one in found["signals"].items():
            table.add_row(family, *(_text(one[by][name]) if name in one[by] else "-" for name in names))
        console.print(table, "")
    table = _table(f"{TITLE}: false beeps an hour (upper 95 % bound)", "", *SYSTEMS)
    for name, one in found["false_beeps"]["amd"].items():
        cells = [found["false_beeps"][system].get(name) for system in SYSTEMS]
        table.add_row(f"{name}, {one['hours']:.2f} h", *("-" if cell is None else _rate(cell) for cell in cells))
    console.print(table, "")
    console.print(f"other tones that amd reports on tone-free clips: {found['other_tones_of_amd_on_clips']}")
    ratios = ", ".join(f"{system} {ratio:.0f}" for system, ratio in cpu.items())
    console.print(f"CPU, in times that of the spectra of the same frames: {ratios}")


def _table(title: str, *columns: str) -> Table:
    return Table(*columns, title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")


def _text(one: dict[str, Any]) -> str:
    if not one["n"]:
        return "none to count"
    percent = 100 * one["hits"] / one["n"]
    return f"{percent:.1f} % ({one['hits']}/{one['n']}; {100 * one['low']:.1f}-{100 * one['high']:.1f})"


def _rate(one: dict[str, Any]) -> str:
    return f"{one['per_hour']:.2f} ({one['n']}; below {one['upper_95_per_hour']:.2f})"


SHOWN: Final = (
    ("target", ("at least 15 dB", "at least 10 dB"), ""),
    ("codec, at least 10 dB", line.CODECS, ", at least 10 dB"),
    ("length, at least 10 dB", ("70-100 ms", "100-150 ms"), ", at least 10 dB"),
    ("kind, at least 10 dB", signals.BEEP_KINDS, ", at least 10 dB"),
    ("snr", ("6 dB", "clean"), ""),
)
"""Rows of the table in the docs: sections of the recall, which of their rows, what makes their names clear."""


def markdown(found: dict[str, Any]) -> str:
    """Return the figures that the docs show, as Markdown."""
    title = f"{TITLE}: {found['n_beeps']} beeps, {found['n_other_signals']} other signals; seed {found['seed']}"
    lines = [f"**{title}**", "", f"| beeps found | {' | '.join(SYSTEMS)} |", "| --- | --- | --- | --- |"]
    for section, names, more in SHOWN:
        for name in names:
            cells = (_text(found["recall"][system][section][name]) for system in SYSTEMS)
            lines.append(f"| {name}{more} | {' | '.join(cells)} |")
    lines += ["", f"| timing, p50 / p95 | {' | '.join(SYSTEMS)} |", "| --- | --- | --- | --- |"]
    for name in found["timing"]["amd"]:
        timed = [found["timing"][system][name] for system in SYSTEMS]
        lines.append(f"| {name} | " + " | ".join(f"{one['p50']:.1f} / {one['p95']:.1f}" for one in timed) + " |")
    lines += ["", "| other signals, at least 10 dB | amd |", "| --- | --- |"]
    lines += [f"| {family} | {_text(one['all'])} |" for family, one in found["signals"].items()]
    lines += [
        "",
        f"| false beeps an hour (upper 95 % bound), in | {' | '.join(SYSTEMS)} |",
        "| --- | --- | --- | --- |",
    ]
    for name, one in found["false_beeps"]["amd"].items():
        rates = (found["false_beeps"][system].get(name) for system in SYSTEMS)
        cells = ("" if rate is None else _rate(rate) for rate in rates)
        lines.append(f"| {name}, {one['hours']:.2f} h | {' | '.join(cells)} |")
    return "\n".join(lines)
