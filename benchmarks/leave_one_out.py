"""``python -m benchmarks leave-one-out CLIPS``: clips files without one source to train on, and with it to test.

Lists what can be left out; with ``--source`` and ``--out`` it writes both files, for ``datasets/compose.py``. A
source is left out with all its speakers, wherever else they speak. In the test file its speakers are all there is
of the kinds that they have, whatever their split was, since nothing was fitted to them; kinds that they lack,
noise and tones come from others of the test split. The manifest's ``voice`` names the sources of a call.
"""

from __future__ import annotations

import csv
import importlib
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

DATASETS: Final = Path(__file__).parents[1] / "datasets"
SPOKEN: Final = ("human", "machine")
TRAIN_FILE: Final = "without-{}.csv"
TEST_FILE: Final = "only-{}.csv"

Row = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """What is left when a source goes, and what tests it.

    Parameters
    ----------
    source : str
    train, test : list of dict
        Rows of the two clips files.
    emptied : tuple of str
        Kinds that calls need and that nobody of the train split has any more: then it cannot be left out.
    own : tuple of str
        Kinds that calls need and that the test file has from the source's speakers alone.
    borrowed : tuple of str
        Kinds that it has from others.
    """

    source: str
    train: list[Row]
    test: list[Row]
    emptied: tuple[str, ...]
    own: tuple[str, ...]
    borrowed: tuple[str, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Kinds that the test file lacks."""
        has = {kind(row) for row in self.test}
        return tuple(need for need in (*self.own, *self.borrowed) if need not in has)

    @property
    def possible(self) -> bool:
        """Whether calls can be composed of both files, and the source has a part in those for testing."""
        return not self.emptied and not self.missing and bool(self.own)


def kind(row: Row) -> str:
    """Return what `datasets/compose.py` draws by: label and kind."""
    return f"{row['label']} {row['kind']}"


def needs() -> tuple[str, ...]:
    """Return the kinds without which no calls can be composed."""
    if str(DATASETS) not in sys.path:
        sys.path.append(str(DATASETS))  # scripts that import one another by plain name
    return tuple(importlib.import_module("compose").NEEDS)


def leave_out(rows: Sequence[Row], source: str, needed: Sequence[str]) -> Split:
    """Part the clips.

    Raises
    ------
    ValueError
        If there is no such source.
    """
    sources = sorted({row["source"] for row in rows})
    if source not in sources:
        raise ValueError(f"source {source!r} is not among the clips; there are: {', '.join(sources)}")
    speakers = {row["group"] for row in rows if row["source"] == source and row["label"] in SPOKEN}
    gone = [row for row in rows if row["group"] in speakers or row["source"] == source]
    kept = [row for row in rows if row["group"] not in speakers and row["source"] != source]
    own = {kind(row) for row in gone if row["label"] in SPOKEN}
    train = [row for row in kept if row["split"] == "train"]
    others = [row for row in kept if row["split"] == "test" and kind(row) not in own]
    test = [row | {"split": "test"} for row in gone if row["label"] in SPOKEN] + others
    left = {kind(row) for row in train}
    return Split(
        source=source,
        train=train,
        test=test,
        emptied=tuple(need for need in needed if need not in left),
        own=tuple(need for need in needed if need in own),
        borrowed=tuple(need for need in needed if need not in own),
    )


def run(clips: Path, source: str | None, out: Path | None) -> None:
    """List what can be left out, or write the two files for one source."""
    rows, needed = read(clips), needs()
    if source is None:
        splits = [leave_out(rows, name, needed) for name in sorted({row["source"] for row in rows})]
        Console(width=10_000).print(table(splits))
        return
    if out is None:
        raise SystemExit("--source needs --out: a folder for the two clips files")
    try:
        split = leave_out(rows, source, needed)
    except ValueError as error:
        raise SystemExit(str(error)) from error
    if not split.possible:
        lacking = split.emptied or split.missing
        why = f"kinds left empty: {', '.join(lacking)}" if lacking else "no call needs a kind that it has"
        raise SystemExit(f"{source} cannot be left out: {why}")
    out.mkdir(parents=True, exist_ok=True)
    for name, part in ((TRAIN_FILE, split.train), (TEST_FILE, split.test)):
        write(out / name.format(source), part, clips.parent)
        print(f"{out / name.format(source)}: {len(part)} clips")


def read(clips: Path) -> list[Row]:
    """Read a clips file."""
    if not clips.is_file():
        raise SystemExit(f"there is no clips file {clips}")
    with clips.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: Sequence[Row], folder: Path) -> None:
    """Write a clips file; the paths in it are relative to it, as `datasets/compose.py` reads them."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow(row | {"path": os.path.relpath(folder / row["path"], path.parent)})


def table(splits: Sequence[Split]) -> Table:
    """One row a source."""
    made = Table(
        *("source", "can be left out", "train clips left", "kinds it tests alone", "kinds left empty"),
        box=None,
        pad_edge=False,
        header_style="bold",
        title="sources, each left out with all its speakers",
        title_justify="left",
    )
    for one in splits:
        clips = Counter(kind(row) for row in one.test)
        own = ", ".join(f"{name} ({clips[name]})" for name in one.own) or "none"
        lacking = ", ".join(one.emptied or one.missing) or "none"
        made.add_row(one.source, "yes" if one.possible else "no", str(len(one.train)), own, lacking)
    return made
