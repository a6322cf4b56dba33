"""docs/model-card.md, from the card in the shipped model's own file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from amd.evidence import DOCS
from amd.model import Model, shipped

PAGE: Final = Path(__file__).parents[1] / "docs" / "model-card.md"
INTENDED: Final = """
The model says how likely a machine answered, from the first seconds of 8 kHz audio after the answer, given
that someone spoke. It was made for outbound calls of contact centres. It identifies nobody, keeps no audio,
and knows no words. It is no judge of who a person is, or of what they want.
"""
LIMITS: Final = """
- Nobody in the clips picked up a ringing telephone: people were prompted, and calls are composed. How it does
  on real calls, only real calls can tell: score yours with `amd evaluate`.
- Machine prompts are of few voices; most greetings are ordinary speakers' sentences strung together.
- Languages: mostly English; prompts in Spanish, French and Italian; some Upper Sorbian.
- It hears behaviour, not wording: call screening and menus are `machine`, and so is a person who talks on as
  a greeting does.
"""


def page() -> str:
    """Return the page."""
    model = shipped()
    card = model.card
    lines = [
        f"# Model card: {model.version}",
        "",
        "Made by `python -m benchmarks readme` from the card in the model's own file.",
        "",
        "## What it is for",
        INTENDED,
        "## What it is",
        "",
        f"- fitted {card['date']} by `amd train` of amd {card['code']}",
        (
            f"- to {card['calls']:,} composed calls: {card['people']:,} people, {card['machines']:,} machines, "
            f"{card['speakers']:,} speakers of the train split"
        ),
        *(
            [f"- and once more, after rings, to {card['calls_after_rings']:,} of them"]
            if card.get("calls_after_rings")
            else []
        ),
        (
            f"- a dense layer, a gated recurrent unit of {model.network.n_units} and a dense layer, asked every "
            f"96 ms; {model.network.n_products:,} multiplications each time"
        ),
        f"- recipe: {', '.join(f'{name} {value:.6g}' for name, value in card['recipe'].items())}",
        *([f"- the whole story of its fits: {model.network.recipe}"] if card.get("from") else []),
        (
            f"- calibration and stopping rule: chosen on {card['calls_not_heard']:,} composed calls of "
            "speakers that it had not heard, of the dev split"
        ),
        "",
        "## How well it does on speakers that it had not heard",
        "",
        (
            "Composed calls, on which its calibration and its stopping rule were chosen: for the test split, see "
            "[benchmarks](benchmarks.md)."
        ),
        "",
        *_table("score", card["on_speakers_not_heard"]),
        "",
        "## The stopping rule",
        "",
        *_table("field", model.policies),
        "",
        *(
            [f"Of `balanced`, set by hand: {card['balanced_by_hand']}.", ""]
            if card.get("balanced_by_hand")
            else []
        ),
        "## What errors cost",
        "",
        *_table("cost", card["costs"]),
        "",
        "## The calibration",
        "",
        *_calibration(model),
        "",
        "## Its evidence",
        "",
        *(f"- `{name}`: {text}" for name, text in DOCS.items()),
        "",
        "## Its limits",
        LIMITS.rstrip(),
    ]
    return "\n".join(lines) + "\n"


def _table(what: str, columns: Any) -> list[str]:
    names = list(columns)
    rows = list(columns[names[0]])
    return [
        f"| {what} | " + " | ".join(names) + " |",
        "| --- |" + " --- |" * len(names),
        *(f"| {row} | " + " | ".join(str(columns[name][row]) for name in names) + " |" for row in rows),
    ]


def _calibration(model: Model) -> list[str]:
    told = [f"Log-odds of a machine: {model.prior_log_odds:g}, and what each curve adds between these places:", ""]
    for curve in model.curves:
        points = ", ".join(f"{at:g}: {value:+.2f}" for at, value in zip(curve.at, curve.log_odds, strict=True))
        told.append(f"- `{curve.name}`: {points}")
    return told
