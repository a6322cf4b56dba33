"""The page: what was measured, on what, how sure that is, and every error; one file that loads nothing."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np

from amd.drawing.labels import words
from amd.errors import MissingExtraError
from amd.evaluation.compliance import ABANDONED_MAX, ALLOWED_S, compliance
from amd.evaluation.manifest import TIME_COLUMNS
from amd.evaluation.measured import Measured
from amd.evaluation.rivals import NOT_JUDGED, Rival
from amd.evaluation.scores import Quantiles, Share, wilson
from amd.evaluation.significance import mcnemar
from amd.evaluation.slices import MEASURES, slices_of
from amd.evaluation.summary import BEEP_WITHIN_S, PARTIES, Summary, Tally
from amd.evaluation.text import scores
from amd.events import Party
from amd.model import Model, shipped
from amd.policy import Policy
from amd.report import operating, sections
from amd.report.pictures import Picture, Wanted, take_picture
from amd.report.wording import bounds, kind_of, percent, seconds, share
from amd.workers import spread

NEEDS: Final = {"jinja2": "Jinja2", "matplotlib": "matplotlib"}
SHOWN_COLUMNS_MAX: Final = 8
OVERALL: Final = {"right": "accuracy"}
"""What `Summary` calls a measure of parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a report is about.

    Parameters
    ----------
    title : str
        Of the set.
    folder : Path
        The set, for its recordings.
    made : datetime
    facts : mapping of str to object
        Names and checksums: ``set``, ``manifest_sha256``, ``left_out``, ``policy``, ``model``, ``amd``.
    policy : Policy
    model : Model or None
        The shipped one unless given.
    pictures : int
        So many errors are drawn.
    embed_audio : bool
    jobs : int or None
    """

    title: str
    folder: Path
    made: datetime
    facts: Mapping[str, Any]
    policy: Policy
    model: Model | None = None
    pictures: int = 500
    embed_audio: bool = False
    jobs: int | None = None


def check_installed() -> None:
    """Raise `MissingExtraError` unless what the report needs is installed."""
    missing = [name for module, name in NEEDS.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise MissingExtraError(f"the report needs {' and '.join(missing)}: pip install 'amd-callback[report]'")


def write_report(
    tally: Tally, rivals: Sequence[Rival], calls: Callable[[], Iterable[Measured]], about: About, out: Path
) -> None:
    """Write the report of a set.

    Parameters
    ----------
    tally : Tally
        Of all its calls; one at least.
    rivals : sequence of Rival
        What other systems said of them.
    calls : callable
        Gives the calls once more.
    about : About
    out : Path
        The HTML file to write.

    Raises
    ------
    MissingExtraError
        If Jinja2 or matplotlib is not installed.
    """
    check_installed()
    text = render(context(tally, rivals, calls, about))
    out.write_text(text, encoding="utf-8")


def render(told: Mapping[str, Any]) -> str:
    """Put what there is to tell into the template."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - scoring must not need it

    environment = Environment(
        loader=PackageLoader("amd.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "share": share,
        "bounds": bounds,
        "words": words,
        "seconds": seconds,
    }
    style = resources.files("amd.report").joinpath("report.css").read_text(encoding="utf-8")
    return environment.get_template("report.html.j2").render(style=style, **told)


def context(
    tally: Tally, rivals: Sequence[Rival], calls: Callable[[], Iterable[Measured]], about: About
) -> dict[str, Any]:
    """Gather all that the page tells."""
    summary = tally.summary()
    kind = kind_of(summary.origins)
    rules = compliance(tally)
    curve = operating.operating_curve(
        about.folder,
        operating.draw_calls(calls(), tally.n_calls),
        about.policy,
        model=about.model,
        jobs=about.jobs,
    )
    model = about.model or shipped()
    errors = sorted(tally.errors, key=_gravity)
    unchecked = tally.columns.get("checked")
    n_unchecked = 0
    if unchecked is not None and unchecked.codes is not None:
        n_unchecked = sum(unchecked.codes.count(code) for text, code in unchecked.values.items() if text != "yes")
    slices = slices_of(tally)
    overall = {measure: getattr(summary, OVERALL.get(measure, measure)).value for measure in MEASURES}
    return {
        "title": about.title,
        "kind": kind,
        "made_up": any(origin in ("composed", "synthetic") for origin in summary.origins),
        "made": about.made,
        "facts": about.facts,
        "card": model.card,
        "policy": dataclasses.asdict(about.policy),
        "summary": summary,
        "n_unchecked": n_unchecked,
        "labels": [(party, n) for party in PARTIES if (n := int(tally.labelled(party).sum()))],
        "tiles": _tiles(summary, rules.in_time),
        "rules": rules,
        "allowed_s": ALLOWED_S,
        "abandoned_max": ABANDONED_MAX,
        "confusion": _confusion(summary),
        "systems": _systems(tally, rivals),
        "curves": sections.curve_drawings(tally, rivals, curve, about.facts["policy"], kind),
        "curve": curve,
        "weights": operating.WEIGHTS,
        "times": sections.time_drawings(tally, kind),
        "quantiles": [(name, value) for name, value in scores(summary) if isinstance(value, Quantiles)],
        "reliability": sections.reliability(tally),
        "measures": MEASURES,
        "overall": overall,
        "slices": slices,
        "flagged": [
            (column, part, measure, (part.shares[measure].value > overall[measure]) is (measure == "right"))
            for column, parts in slices.items()
            for part in parts
            for measure in part.differs
        ],
        "ends": sections.end_drawings(tally),
        "beep_within_ms": round(1000 * BEEP_WITHIN_S),
        "errors": _errors(errors, about),
        "n_errors": tally.n_errors,
        "n_drawn": min(about.pictures, len(errors)),
        "embed_audio": about.embed_audio,
    }


def _tiles(summary: Summary, in_time: Share) -> list[tuple[str, str, str]]:
    """Headline figures: name, value, and how sure."""
    median = summary.human_from_greeting_end
    found = [
        ("right", summary.accuracy),
        ("people called machines", summary.human_called_machine),
        ("machines called people", summary.machine_called_human),
        ("unsure", summary.unsure),
        (f"people told within {ALLOWED_S:g} s of their greeting", in_time),
    ]
    tiles = [
        (name, percent(value.value), f"{value.count} of {value.total}; {bounds(value)}" if value.total else "none")
        for name, value in found
    ]
    spread_s = f"90 % within {median.p90:.2f} s; {median.n} people" if median.n else "none to measure"
    tiles.append(("median person, after the greeting", seconds(median.p50), spread_s))
    return tiles


def _confusion(summary: Summary) -> dict[str, Any]:
    parties = [party for party in PARTIES if any(found is party for _, found in summary.confusion)]
    rows = []
    for label in PARTIES:
        total = sum(n for (found, _), n in summary.confusion.items() if found is label)
        if total:
            cells = [(party, wilson(summary.confusion[label, party], total)) for party in parties]
            rows.append((label, total, cells))
    return {"parties": parties, "rows": rows}


def _systems(tally: Tally, rivals: Sequence[Rival]) -> list[dict[str, Any]]:
    """One row a system, on the calls that it judged, with McNemar's test against ours there."""
    human, machine, ours = tally.labelled(Party.HUMAN), tally.labelled(Party.MACHINE), tally.right
    label = sum(tally.labelled(party) * PARTIES.index(party) for party in PARTIES)
    rows = []
    for rival in rivals:
        judged = rival.party != NOT_JUDGED
        theirs = judged & (rival.party == label)
        late_s = (rival.known_s - tally.times("known_s") + tally.times("from_greeting_end_s"))[
            human & theirs & ~np.isnan(rival.known_s)
        ]
        only_ours, only_theirs = int((judged & ours & ~theirs).sum()), int((theirs & ~ours).sum())

        def said(party: Party, of: Any, rival: Rival = rival, judged: Any = judged) -> Share:
            return wilson(int((of & (rival.party == PARTIES.index(party))).sum()), int((of & judged).sum()))

        rows.append(
            {
                "name": rival.name,
                "right": wilson(int(theirs.sum()), int(judged.sum())),
                "human_called_machine": said(Party.MACHINE, human),
                "machine_called_human": said(Party.HUMAN, machine),
                "unsure": said(Party.UNSURE, judged),
                "delay_s": float(np.nanmedian(late_s)) if (~np.isnan(late_s)).any() else math.nan,
                "only_ours": only_ours,
                "only_theirs": only_theirs,
                "p": mcnemar(only_ours, only_theirs),
            }
        )
    return rows


def _gravity(call: Measured) -> tuple[int, float, str]:
    """Order of errors: people lost first, the surest first."""
    lost = call.label is Party.HUMAN and call.party is not Party.UNSURE
    return (0 if lost else 1 if call.label is Party.MACHINE else 2, -call.probability, call.file)


def _errors(errors: Sequence[Measured], about: About) -> list[dict[str, Any]]:
    wanted = [
        Wanted(
            path=about.folder / call.file,
            known_s=call.known_s,
            times_s={name: float(text) for name in TIME_COLUMNS if (text := call.columns.get(name, "").strip())},
            audio=about.embed_audio,
        )
        for call in errors[: about.pictures]
    ]
    pictures = [*spread(take_picture, wanted, jobs=about.jobs)]
    pictures += [Picture(image="", audio="")] * (len(errors) - len(pictures))
    skipped = {"file", "label", "origin", *TIME_COLUMNS}
    return [
        {
            "call": call,
            "picture": picture,
            "more": [(name, text) for name, text in call.columns.items() if text and name not in skipped][
                :SHOWN_COLUMNS_MAX
            ],
        }
        for call, picture in zip(errors, pictures, strict=True)
    ]
