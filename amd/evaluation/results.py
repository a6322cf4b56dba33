"""A table that grows a row at a time, keeps every whole row in a crash, and takes its name when it is whole."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from amd.errors import AmdError


class ResultsFile:
    """An append-only CSV file beside the one that it becomes.

    It is ``<name>.<key>.partial`` until `finish` gives it its name. A file of that name is taken up: its whole
    rows are kept, a torn last one is dropped. One with another key is left alone.

    Parameters
    ----------
    out : Path
        What it becomes.
    columns : sequence of str
        One of them is ``row``: a whole number that tells rows apart.
    key : str
        Digest of what the rows are made of.

    Raises
    ------
    AmdError
        If what is there under that name has other columns.
    """

    def __init__(self, out: Path, *, columns: Sequence[str], key: str) -> None:
        self._out = out
        self._columns = list(columns)
        self.partial = out.with_name(f"{out.name}.{key}.partial")
        self._seen = bytearray()
        self.n_rows = 0
        if self.partial.exists():
            self._take_up()
        self._stream = self.partial.open("a", newline="", encoding="utf-8")
        self._writer = csv.DictWriter(self._stream, self._columns, extrasaction="ignore", lineterminator="\n")
        if self._stream.tell() == 0:
            self._writer.writeheader()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        if self.n_rows == 0:
            self.partial.unlink(missing_ok=True)

    def has(self, row: int) -> bool:
        """Whether a row is there."""
        return row < 8 * len(self._seen) and bool(self._seen[row // 8] >> row % 8 & 1)

    def append(self, cells: Mapping[str, str]) -> None:
        """Add a row; it is with the operating system when this returns."""
        self._writer.writerow(cells)
        self._stream.flush()
        self._note(int(cells["row"]))

    def finish(self) -> None:
        """Give the table its name, unless it has no rows."""
        if self.n_rows:
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self.partial.replace(self._out)

    def _note(self, row: int) -> None:
        if row >= 8 * len(self._seen):
            self._seen.extend(bytes(row // 8 + 1 - len(self._seen) + len(self._seen) // 2))
        self._seen[row // 8] |= 1 << row % 8
        self.n_rows += 1

    def _take_up(self) -> None:
        """Keep the whole rows of a file that a crash left."""
        mended = self.partial.with_name(f"{self.partial.name}.mended")
        with mended.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, self._columns, lineterminator="\n")
            writer.writeheader()
            for cells in self._whole_rows():
                writer.writerow(cells)
                self._note(int(cells["row"]))
            stream.flush()
            os.fsync(stream.fileno())
        mended.replace(self.partial)

    def _whole_rows(self) -> Iterator[dict[str, str]]:
        with self.partial.open(newline="", encoding="utf-8", errors="replace") as stream:
            reader = csv.reader(_whole_lines(stream), strict=True)
            header = next(reader, self._columns)
            if header != self._columns:
                raise AmdError(f"{self.partial} has other columns than this run writes: move it away")
            try:
                for row in reader:
                    if len(row) != len(header):
                        return
                    yield dict(zip(header, row, strict=True))
            except csv.Error:  # torn within quotes: that row was never whole
                return


def _whole_lines(lines: Iterator[str]) -> Iterator[str]:
    return (line for line in lines if line.endswith("\n"))
