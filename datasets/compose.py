"""Compose answered calls from speech clips of people and machines, for training and testing.

    python datasets/compose.py --clips clips.csv --split train --calls 600 --seed 1 --out FOLDER

The clips file names the clips, who speaks, and where the speech begins and ends. A call takes all its speech
from one speaker of the split. What comes before the first word, noise, levels and codecs follow one law for all
labels; the spectrum of the clips is changed at random, so that a corpus' sound does not tell the label. All
quantities are in `timing.toml`.

Same clips, seed and versions of the libraries, same bytes, whatever the number of jobs: each call has random
numbers of its own, from the seed, the split and its place.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import lines
import machines
import numpy as np
import people
import tones
import truth
from clips import Clips, ClipsError
from levels import FloatArray
from scene import Scene
from timeline import COLUMNS, write_manifest, write_wav
from timing import FILE, LABELS, SPLITS, Timing

LONGEST_S: Final = 24.0
SCENES: Final = {**people.SCENES, **machines.SCENES, **tones.SCENES}
NEEDS: Final = dict.fromkeys((*people.NEEDS, *machines.NEEDS, *tones.NEEDS))
MORE_COLUMNS: Final = ("group", "language", "loss", "lead")
MADE_AS: Final = "composition.json"
LATE: Final = {"human": "late_speaker", "machine": "late_greeting"}
CHUNK: Final = 8


class FolderError(Exception):
    """The folder to write to holds something else."""


@dataclass(frozen=True)
class Composed:
    """One call: its audio, its row of the manifest, its truth."""

    samples: FloatArray
    row: dict[str, str]
    truth: dict[str, Any]


class Composer:
    """Composes any call of a set.

    Parameters
    ----------
    clips
        Of the split.
    seed
        Of the set.
    calls
        How many calls the set has; the scenarios are spread over them by their shares.
    ffmpeg
        Whether codecs that need ffmpeg are among those drawn.
    asked
        What is behind every call, where it is not drawn.

    Raises
    ------
    ClipsError
        If the clips do not do.
    """

    def __init__(
        self,
        clips: Clips,
        *,
        seed: int,
        calls: int,
        ffmpeg: bool = False,
        asked: lines.Background = lines.AS_DRAWN,
    ) -> None:
        clips.require(NEEDS)
        self.timing = Timing()
        self._asked = asked
        lines.backgrounds(self.timing.noises, clips.split, clips.kinds(), asked)
        self._clips = clips
        self._key = (seed, SPLITS.index(clips.split))
        self._codecs = lines.codecs(self.timing.codecs, ffmpeg=ffmpeg)
        places = np.random.default_rng(self._key).permutation(calls)
        self._places = (places + 0.5) / max(1, calls)

    def call(self, index: int) -> Composed:
        """Compose call `index` of the set."""
        rng = np.random.default_rng((*self._key, index))
        return self.compose(self.timing.scenario_at(float(self._places[index])).name, index, rng)

    def compose(self, name: str, index: int, rng: np.random.Generator) -> Composed:
        """Compose a call of one scenario."""
        label = next(scenario.label for scenario in self.timing.scenarios if scenario.name == name)
        scene = Scene(self._clips, self.timing, rng)
        scene.lead()
        SCENES[name](scene)
        scene.call.fill()
        scene.call.cut(LONGEST_S)
        sent = lines.over_a_line(scene, self._codecs, self._asked)
        sources = ";".join(sorted({clip.source for clip in scene.used}))
        shown = LATE.get(label, name) if scene.late else name
        row = scene.call.row(f"call-{index:05d}.wav", label, shown, sources, sent.line, "composed")
        row |= {
            "group": ";".join(sorted({clip.group for clip in scene.used})),
            "language": ";".join(sorted({clip.language for clip in scene.used if clip.language})),
            "loss": f"{sent.line.loss:.3f}",
            "lead": "+".join(scene.leads),
        }
        return Composed(sent.samples, row, truth.record(scene.call, row, sent))


_composer: Composer | None = None  # of this process


def _start(
    clips: Path,
    split: str,
    seed: int,
    calls: int,
    ffmpeg: bool,  # noqa: FBT001 - Pool's initargs
    asked: lines.Background,
) -> None:
    global _composer  # noqa: PLW0603 - a worker reads the clips file once
    _composer = Composer(Clips(clips, split), seed=seed, calls=calls, ffmpeg=ffmpeg, asked=asked)


def _write(out: Path, index: int) -> tuple[dict[str, str], dict[str, Any]]:
    assert _composer is not None  # noqa: S101 - set by `_start`
    composed = _composer.call(index)
    write_wav(out / composed.row["file"], composed.samples)
    return composed.row, composed.truth


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _claim(out: Path, settings: dict[str, Any]) -> None:
    """Note in the folder what it is made of; refuse one that holds anything else."""
    noted = out / MADE_AS
    if noted.is_file():
        found = json.loads(noted.read_text(encoding="utf-8"))
        other = {name: found.get(name) for name, value in settings.items() if found.get(name) != value}
        if other:
            wanted = {name: settings[name] for name in other}
            raise FolderError(f"{out} holds calls made with {other}, not {wanted}: give another folder")
    elif out.exists() and any(out.iterdir()):
        raise FolderError(f"{out} is not empty, and has no {MADE_AS}: give a new folder")
    out.mkdir(parents=True, exist_ok=True)
    noted.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def compose_set(
    clips: Path,
    split: str,
    *,
    calls: int,
    seed: int,
    out: Path,
    jobs: int = 1,
    ffmpeg: bool = False,
    asked: lines.Background = lines.AS_DRAWN,
) -> list[dict[str, str]]:
    """Write a set: the calls, `manifest.csv`, `truth.jsonl`, and `composition.json`, which says how it was made.

    Returns
    -------
    list of dict
        The rows of the manifest.

    Raises
    ------
    ClipsError
        If the clips do not do.
    FolderError
        If `out` holds something else.
    """
    if calls < 1 or jobs < 1 or seed < 0:
        raise FolderError(f"calls={calls} and jobs={jobs} must be 1 or more, seed={seed} 0 or more")
    start = (clips, split, seed, calls, ffmpeg, asked)
    _start(*start)  # before the folder is touched: whatever is wrong with the clips is said here
    _claim(
        out,
        {
            "split": split,
            "seed": seed,
            "calls": calls,
            "ffmpeg": ffmpeg,
            "noises": list(asked.noises),
            "snr_db": asked.snr_db,
            "clips_sha256": _sha256(clips),
            "timing_sha256": _sha256(FILE),
        },
    )
    work = partial(_write, out)
    if jobs == 1:
        made = [work(index) for index in range(calls)]
    else:
        context = multiprocessing.get_context("spawn")
        with context.Pool(min(jobs, calls), initializer=_start, initargs=start) as pool:
            made = list(pool.imap(work, range(calls), chunksize=CHUNK))
    rows = [row for row, _ in made]
    write_manifest(out / "manifest.csv", rows, (*COLUMNS, *MORE_COLUMNS))
    truth.write(out / "truth.jsonl", (one for _, one in made))
    return rows


def main() -> int:
    """Compose the calls that the command line asks for."""
    parser = argparse.ArgumentParser(description="Compose answered calls from speech clips.")
    parser.add_argument("--clips", type=Path, required=True, help="CSV; paths are relative to it")
    parser.add_argument("--split", choices=SPLITS, required=True)
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder for calls, manifest.csv and truth.jsonl")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes; the bytes are the same")
    parser.add_argument(
        "--ffmpeg", action="store_true", help="draw Speex too, through ffmpeg; other bytes than without"
    )
    parser.add_argument(
        "--noise", action="append", default=[], metavar="KIND", help="only this behind the calls; repeatable"
    )
    parser.add_argument("--snr-db", type=float, metavar="DB", help="the same for all calls; drawn unless given")
    args = parser.parse_args()
    try:
        rows = compose_set(
            args.clips,
            args.split,
            calls=args.calls,
            seed=args.seed,
            out=args.out,
            jobs=args.jobs,
            ffmpeg=args.ffmpeg,
            asked=lines.Background(tuple(args.noise), args.snr_db),
        )
    except (ClipsError, FolderError) as error:
        print(f"compose: {error}", file=sys.stderr)
        return 2
    counts = ", ".join(f"{label} {sum(row['label'] == label for row in rows)}" for label in LABELS)
    print(f"{len(rows)} calls in {args.out}: {counts}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
