"""Build 8 kHz clips of one source or more, with one manifest that `compose.py` reads.

    python datasets/build.py --list
    python datasets/build.py SOURCE --out FOLDER                 from its address
    python datasets/build.py SOURCE --from FOLDER --out FOLDER   from a copy
    python datasets/build.py --check --out FOLDER

A source is a folder beside this file with a `recipe.toml`. Building a second one into the same folder adds it, and
building one again replaces it; an interrupted build changes nothing.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pcm
import soundfile
from clipfolder import COLUMNS, Row, begin, check, install, read_checksums, read_rows, settle, split_of
from fetch import digest, fetch, is_archive, unpack
from loaders import Item, Options, hashed, items
from recipes import DatasetError, Recipe, describe, names, read_recipe, table

LEAST_S = 0.1  # of a clip: less says nothing
SPEAKING = ("human", "machine")
PROGRESS_CLIPS = 2000


@dataclass
class Built:
    """What became of the clips of a source."""

    rows: list[Row] = field(default_factory=list)
    checksums: dict[str, str] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)


def build(
    recipe: Recipe, folder: Path, out: Path, options: Options, per_group: int, *, skip_broken: bool
) -> Built:
    """Build a source from a folder into the folder of clips, replacing what it had there.

    Raises
    ------
    DatasetError
        If a file is missing, cannot be read, or two clips would have one name.
    """
    source = options.name or recipe.name
    found = items(recipe, folder, options)
    if per_group:
        found = _few(found, per_group)
    _check_names(found)
    building = begin(out)
    try:
        (building / "clips" / source).mkdir(parents=True)
        own = f"clips/{source}/"
        others = {value: name for name, value in read_checksums(out).items() if not name.startswith(own)}
        built = Built()
        for item in found:
            try:
                _add(item, recipe, source, building, built, others)
            except (soundfile.LibsndfileError, OSError) as error:
                if not skip_broken:
                    raise DatasetError(
                        f"{item.file}: missing or no sound file: {error}; --skip-broken leaves such files out"
                    ) from error
                built.left_out["missing or broken"] += 1
        if not built.rows:
            raise DatasetError(f"{source}: no clip is left of {len(found)} ({dict(built.left_out)})")
        sources = {row["source"]: row["licence"] for row in read_rows(out)}
        sources |= {row["source"]: row["licence"] for row in built.rows}
        install(out, source, built.rows, built.checksums, _licences(sources))
    finally:
        shutil.rmtree(building, ignore_errors=True)  # gone by now, unless something failed
    return built


def _add(item: Item, recipe: Recipe, source: str, building: Path, built: Built, others: dict[str, str]) -> None:
    """Write the clips of an item and their rows."""
    for name, samples in _pieces(item):
        if len(samples) < LEAST_S * pcm.RATE_HZ:
            built.left_out[f"shorter than {LEAST_S} s"] += 1
            continue
        path = f"clips/{source}/{name}.flac"
        pcm.write(building / path, samples)
        checksum = digest(building / path)
        if not item.prepared and checksum in others:
            (building / path).unlink()
            built.left_out["same audio as another clip"] += 1
            continue
        others[checksum] = path
        row = _row(item, recipe, samples) | {"path": path, "source": source}
        _check_duration(item, row)
        built.rows.append(row)
        built.checksums[path] = checksum
        if len(built.rows) % PROGRESS_CLIPS == 0:
            print(f"  {len(built.rows)} clips", flush=True)


def _pieces(item: Item) -> Iterator[tuple[str, pcm.Pcm]]:
    """Yield name and samples: the whole file, a part of it, or pieces of one length."""
    samples = pcm.read(item.file, item.encoding)
    start = round(item.start_s * pcm.RATE_HZ)
    stop = start + round(item.length_s * pcm.RATE_HZ) if item.length_s else len(samples)
    samples = samples[start:stop]
    if not item.cut_s:
        yield item.name, samples
        return
    step = round(item.cut_s * pcm.RATE_HZ)
    for index in range(max(1, -(-len(samples) // step))):
        yield f"{item.name}_{index}", samples[index * step : (index + 1) * step]


def _row(item: Item, recipe: Recipe, samples: pcm.Pcm) -> Row:
    """Return the row of a clip; speech times that nobody gave are measured."""
    defaults = {name: getattr(recipe, name) for name in ("licence", "label", "kind", "language", "channel")}
    row = dict.fromkeys(COLUMNS, "") | defaults | item.columns
    if row["label"] in ("noise", "tone", "silence", "fax", "network") and "language" not in item.columns:
        row["language"] = ""
    if not item.prepared:
        row["duration_s"] = str(round(len(samples) / pcm.RATE_HZ, 3))
        row["split"] = split_of(row["group"])
        if row["label"] in SPEAKING and not (row["speech_start_s"] or row["speech_end_s"]):
            bounds_s = pcm.speech_bounds_s(samples)
            if bounds_s:
                row["speech_start_s"], row["speech_end_s"] = (str(round(value, 3)) for value in bounds_s)
    return row


def _check_duration(item: Item, row: Row) -> None:
    """Raise if a prepared clip is not as long as its row says."""
    if item.prepared:
        length_s = soundfile.info(item.file).duration
        if abs(length_s - float(row["duration_s"])) > 0.001:
            raise DatasetError(f"{item.file}: {length_s:.3f} s long, its row says {row['duration_s']}")


def _check_names(found: list[Item]) -> None:
    """Raise if two clips would be one file, on a file system that ignores case too."""
    files: dict[str, Path] = {}
    for item in found:
        key = item.name.casefold()
        if key in files:
            raise DatasetError(f"{files[key]} and {item.file} would both be {item.name}.flac: rename one")
        files[key] = item.file


def _few(found: list[Item], per_group: int) -> list[Item]:
    """Keep some clips of each group, drawn by the hash of their names."""
    groups: dict[str, list[Item]] = defaultdict(list)
    for item in sorted(found, key=lambda item: hashed(item.name)):
        groups[item.columns["group"]].append(item)
    return [item for group in groups.values() for item in group[:per_group]]


def _licences(sources: dict[str, str]) -> str:
    """Return what may be done with the clips, by source."""
    known = set(names())
    texts = [
        describe(read_recipe(source))
        if source in known
        else f"{source}: recordings of your own\n\nlicence:  {licence}"
        for source, licence in sorted(sources.items())
    ]
    return "\n\n\n".join(texts) + "\n"


def _options(arguments: argparse.Namespace, recipe: Recipe) -> Options:
    """Return the options, checked."""
    given = ("language", "channel", "licence", "kind")
    columns = {name: getattr(arguments, name) for name in given if getattr(arguments, name)}
    own = recipe.family == "own"
    if (arguments.name or arguments.group) and not own:
        raise DatasetError(f"--name and --group are for your own recordings; {recipe.name} brings its own")
    if columns and not (own or recipe.loader):
        raise DatasetError(f"--{next(iter(columns))}: {recipe.name} brings its own")
    if own and "licence" not in columns:
        columns["licence"] = recipe.licence
    if arguments.name and (not re.fullmatch(r"[a-z0-9][a-z0-9-]*", arguments.name) or arguments.name in names()):
        raise DatasetError(
            f"--name {arguments.name!r} must be small letters, digits and dashes, and no known source"
        )
    try:
        re.compile(arguments.group)
    except re.error as error:
        raise DatasetError(f"--group {arguments.group!r} is not a regular expression: {error}") from error
    return Options(name=arguments.name, group=arguments.group, columns=columns)


def _source(recipe: Recipe, arguments: argparse.Namespace) -> None:
    """Build one source and say what came of it."""
    out: Path = arguments.out
    options = _options(arguments, recipe)
    with tempfile.TemporaryDirectory(prefix="clips-") as temporary:
        folder: Path | None = arguments.copy
        if folder is None:
            folder = fetch(recipe, arguments.keep or out / "downloads")
        elif folder.is_file() and is_archive(folder):
            unpack(folder, Path(temporary))
            folder = Path(temporary)
        built = build(recipe, folder, out, options, arguments.per_group, skip_broken=arguments.skip_broken)
    seconds = sum(float(row["duration_s"]) for row in built.rows)
    groups = {row["group"] for row in built.rows}
    print(
        f"{options.name or recipe.name}: {len(built.rows)} clips, {seconds / 60:.1f} minutes, {len(groups)} groups"
    )
    if recipe.family == "own" and len(groups) == len(built.rows) > 1:
        print("  every clip is a group: a voice may be in several splits, unless you tell groups; see --show")
    for reason, count in sorted(built.left_out.items()):
        print(f"  left out: {count} {reason}")
    print(f"  licence: {options.columns.get('licence') or recipe.licence}; see {out / 'LICENCES.txt'}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="build.py",
        description=(__doc__ or "").split("\n\n")[0],
        epilog="--list shows all sources, --show SOURCE the licence, limits and files of one.",
    )
    parser.add_argument("sources", nargs="*", metavar="SOURCE", help="a name of --list; several are built in turn")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="the folder of clips")
    parser.add_argument("--from", dest="copy", type=Path, metavar="FOLDER", help="a copy: folder, archive or CSV")
    parser.add_argument("--list", action="store_true", help="list the sources")
    parser.add_argument("--show", metavar="SOURCE", help="show all that is known of a source")
    parser.add_argument(
        "--check", action="store_true", help="check the folder of clips; exit status 1 if not sound"
    )
    parser.add_argument("--per-group", type=int, default=0, metavar="N", help="at most N clips of a speaker")
    parser.add_argument("--skip-broken", action="store_true", help="leave out files that cannot be read")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where downloads are kept (OUT/downloads)")
    own = parser.add_argument_group("your own recordings (labeled-folder, labeled-csv)")
    own.add_argument("--name", default="", help="the source's name in the manifest")
    own.add_argument("--group", default="", metavar="REGEX", help="finds speaker or voice in LABEL/file.wav")
    own.add_argument("--kind", default="", help="such as greeting, word, sentence")
    own.add_argument("--language", default="", help="such as en-US")
    own.add_argument("--channel", default="", choices=("phone", "studio", "room"))
    own.add_argument("--licence", default="", help="such as CC0-1.0")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        if arguments.list:
            print(table())
            return 0
        if arguments.show:
            print(describe(read_recipe(arguments.show)))
            return 0
        if arguments.out is None or not (arguments.sources or arguments.check):
            parser.error("needs SOURCE and --out FOLDER, or --check --out FOLDER, or --list")
        for source in arguments.sources:
            _source(read_recipe(source), arguments)
        if arguments.check:
            if settle(arguments.out):
                print("an interrupted build was ready: it is installed now")
            faults = check(arguments.out)
            for fault in faults:
                print(fault, file=sys.stderr)
            rows = len(read_rows(arguments.out)) if not faults else 0
            print(
                f"{arguments.out}: {len(faults)} faults" if faults else f"{arguments.out}: {rows} clips, all sound"
            )
            return 1 if faults else 0
    except DatasetError as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
