"""``python -m benchmarks callback docs``: the page of states, made from the table of transitions."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from callback.diagrams import markdown, mermaid

PAGE: Final = Path(__file__).parents[2] / "docs" / "callback-states.md"
TEXT: Final = """# States of a callback

Made by `python -m benchmarks callback docs` from the table in `callback/transitions.py`; a test fails when they
differ. The words are explained in [callback](callback.md).

```mermaid
{diagram}```

Events that leave a callback in its state (a lease that is renewed, say) are in the table only. A pair of state and
event that is not in the table is refused, by an error that names what is legal; the schema refuses it too.

{table}"""


def text() -> str:
    """Return what the page should be."""
    return TEXT.format(diagram=mermaid(), table=markdown())


def run() -> None:
    """Write the page."""
    PAGE.write_text(text(), encoding="utf-8")
    print(f"wrote {PAGE.name}")
