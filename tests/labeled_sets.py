"""Labeled sets for tests: copies of the samples, by links so that many cost nothing."""

import csv
import os
from pathlib import Path

SAMPLES = Path(__file__).parents[1] / "datasets" / "samples"


def sample_rows():
    with (SAMPLES / "manifest.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def many_samples(folder, n_calls, **columns):
    """Write a set of so many samples, in turn; ``columns`` are added, each a function of the call's number."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = sample_rows()
    with (folder / "manifest.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, [*rows[0], *columns], lineterminator="\n")
        writer.writeheader()
        for number in range(n_calls):
            row = rows[number % len(rows)]
            name = f"call-{number:05d}.wav"
            os.link(SAMPLES / row["file"], folder / name)
            writer.writerow({**row, "file": name, **{key: of(number) for key, of in columns.items()}})
    return folder
