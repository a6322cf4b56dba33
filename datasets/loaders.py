"""What a folder of a source holds: one `Item` a clip, from the prepared copy or from the published layout.

Most sources need no code: `layout_items` reads globs and expressions of the recipe. The others have a loader here,
by name. (A `load.py` in each source's folder would be several modules of one name, which mypy refuses.)
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from clipfolder import COLUMNS, MANIFEST, Row, read_rows, split_of
from recipes import LABELS, DatasetError, Layout, Recipe

SOUNDS: Final = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".au", ".gsm", ".ulaw")
GIVEN: Final = ("label", "group", "kind", "language", "channel", "licence", "text")
# columns of the labeled sets that `amd evaluate` reads, and what they are called here
ALIASES: Final = {
    "file": "path",
    "greeting_end_s": "speech_end_s",
    "beep_on_s": "beep_onset_s",
    "beep_off_s": "beep_end_s",
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line says of a source."""

    name: str = ""
    group: str = ""
    columns: Row = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Item:
    """One clip to be: a file, the part of it to take, and what is known of it.

    `columns` that are missing are the recipe's; speech times that are missing are measured.
    """

    file: Path
    name: str
    columns: Row
    encoding: str = ""
    start_s: float = 0.0
    length_s: float = 0.0
    cut_s: float = 0.0
    prepared: bool = False


Loader = Callable[[Recipe, Path, Options], Iterator[Item]]


def items(recipe: Recipe, folder: Path, options: Options) -> list[Item]:
    """Return the clips of a source in a folder.

    Raises
    ------
    DatasetError
        If the folder does not hold them, or a clip is not as it should be.
    """
    if not folder.exists():
        raise DatasetError(f"--from {folder}: there is no such folder")
    name = options.name or recipe.name
    if (folder / MANIFEST).is_file() and not options.columns and recipe.family == "prepared":
        found = list(_prepared(name, folder))
    elif recipe.loader:
        found = list(LOADERS[recipe.loader](recipe, folder, options))
    elif recipe.layout:
        found = list(layout_items(recipe, recipe.layout, folder))
    else:
        raise DatasetError(
            f"{name} is built from the prepared copy only, a folder with {MANIFEST}; there is none in {folder}"
        )
    if not found:
        need = ", ".join(recipe.layout.files) if recipe.layout else "the published layout"
        raise DatasetError(f"{folder} has no clips of {name}: expected {need}: is it one folder up or down?")
    return found


def _prepared(name: str, folder: Path) -> Iterator[Item]:
    """Rows of the prepared copy, each verified."""
    rows = read_rows(folder)
    if not any(row["source"] == name for row in rows):
        there = ", ".join(sorted({row["source"] for row in rows}))
        raise DatasetError(f"{folder / MANIFEST} has no rows of {name}; it has: {there}")
    for row in rows:
        if row["source"] != name:
            continue
        path = Path(row["path"])
        if path.is_absolute() or ".." in path.parts:
            raise DatasetError(f"{folder / MANIFEST}: {path} leads out of the folder")
        if row["split"] != split_of(row["group"]):
            need = split_of(row["group"])
            raise DatasetError(f"{path}: split {row['split']!r}, but its group {row['group']} belongs to {need}")
        yield Item(file=folder / path, name=path.stem, columns=row, prepared=True)


def layout_items(recipe: Recipe, layout: Layout, folder: Path) -> Iterator[Item]:
    """Files that the recipe's globs find, described by its expressions and rules."""
    for path in sorted({path for glob in layout.files for path in folder.glob(glob) if path.is_file()}):
        within = path.relative_to(folder).as_posix()
        if any(fnmatch(within, skip) for skip in layout.skip):
            continue
        found = re.search(layout.path, within)
        if found is None:
            continue
        values = {"stem": path.stem, "source": recipe.name}
        values |= {key: value or "" for key, value in found.groupdict().items()}
        name = safe(layout.name.format_map(values))
        values["sha"] = hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()[:10]
        columns = {"group": layout.group.format_map(values)}
        if layout.text:
            columns["text"] = re.sub(r"[_-]+", " ", layout.text.format_map(values)).strip()
        if "label" in values:
            columns["label"] = label_of(recipe, values["label"], within)
        rule = next((rule for rule in recipe.rules if re.search(rule.match, name)), None)
        columns |= rule.columns if rule else {}
        yield Item(
            file=path,
            name=name,
            columns=columns,
            encoding=layout.encoding,
            start_s=layout.start_s,
            length_s=layout.most_s,
            cut_s=layout.cut_s,
        )


def safe(name: str) -> str:
    """Return a name that every file system takes: subfolders joined by `_`."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name.replace("/", "_")).strip("._") or "clip"


def label_of(recipe: Recipe, word: str, where: str) -> str:
    """Return the label that a word of the source stands for."""
    key = word.strip().lower().replace("_", "-").replace(" ", "-")
    label = recipe.labels.get(key, key)
    if label not in LABELS:
        known = ", ".join([*LABELS, *sorted(recipe.labels)])
        raise DatasetError(f"{where}: label {word!r} is unknown; there are: {known}")
    return label


def hashed(text: str, length: int = 10) -> str:
    """Return a group's name that tells nobody's name."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:length]


def labeled_folder(recipe: Recipe, folder: Path, options: Options) -> Iterator[Item]:
    """`LABEL/file.wav` or `LABEL/GROUP/file.wav`."""
    source = options.name or recipe.name
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in SOUNDS and path.is_file()):
        parts = path.relative_to(folder).parts
        within = "/".join(parts)
        if len(parts) < 2:
            raise DatasetError(f"{within}: lies in no folder that is its label: expected LABEL/{path.name}")
        if options.group:
            found = re.search(options.group, within)
            if found is None:
                raise DatasetError(f"{within}: --group {options.group!r} finds nothing in it")
            group = "".join(found.groups(default="")) if found.groups() else found.group()
        else:
            group = parts[1] if len(parts) > 2 else path.stem
        columns = {"label": label_of(recipe, parts[0], within), "group": f"{source}-{safe(group)}"}
        yield Item(file=path, name=safe("/".join(parts)[: -len(path.suffix)]), columns=columns | options.columns)


def labeled_csv(recipe: Recipe, folder: Path, options: Options) -> Iterator[Item]:
    """A CSV of `file` (or `path`) and `label`; other columns of the manifest are taken where they are."""
    source = options.name or recipe.name
    tables = [folder] if folder.is_file() else sorted(folder.glob("*.csv"))
    if len(tables) != 1:
        names = ", ".join(table.name for table in tables) or "none"
        raise DatasetError(f"{folder}: needs one CSV of file,label; found: {names}; give --from FILE.csv")
    with tables[0].open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        heads = [ALIASES.get(name, name) for name in reader.fieldnames or []]
        if missing := [name for name in ("path", "label") if name not in heads]:
            need = " and ".join("file" if name == "path" else name for name in missing)
            raise DatasetError(
                f"{tables[0]}: column {need} is missing; found: {', '.join(reader.fieldnames or [])}"
            )
        for entry in reader:
            where = f"{tables[0]} row {reader.line_num}"
            row = {ALIASES.get(key, key): (value or "").strip() for key, value in entry.items() if key}
            path = tables[0].parent / row["path"]
            if not row["path"] or not path.is_file():
                raise DatasetError(f"{where}: there is no file {row['path'] or '(empty)'} beside the CSV")
            measured = ("path", "source", "split", "duration_s")
            columns = {key: row[key] for key in COLUMNS if row.get(key) and key not in measured}
            columns["label"] = label_of(recipe, row["label"], where)
            columns["group"] = f"{source}-{safe(row.get('group') or Path(row['path']).stem)}"
            name = safe(Path(row["path"]).with_suffix("").as_posix())
            yield Item(file=path, name=name, columns=columns | options.columns)


def common_voice(_: Recipe, folder: Path, options: Options) -> Iterator[Item]:
    """`LANGUAGE/validated.tsv` beside `LANGUAGE/clips/`; the speaker is `client_id`."""
    for table in sorted(folder.rglob("validated.tsv")):
        with table.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
                columns = {
                    "group": f"cv-{hashed(row['client_id'])}",
                    "text": row["sentence"],
                    "language": row.get("locale") or table.parent.name,
                }
                path = table.parent / "clips" / row["path"]
                yield Item(file=path, name=safe(path.stem), columns=columns | options.columns)


def wuw_corpus(recipe: Recipe, folder: Path, _: Options) -> Iterator[Item]:
    """Calls of WUW Corpus II with their transcriptions; `groups.csv` beside the recipe tells speakers apart."""
    with (recipe.folder / "groups.csv").open(encoding="utf-8", newline="") as stream:
        groups = {row["call"]: row["group"] for row in csv.DictReader(stream)}
    kinds = {"000": "name"} | {f"{word:03}": "word" for word in range(1, 6)}
    for table in sorted(folder.rglob("WUWII_Transcriptions.txt")):
        for line in table.read_text(encoding="latin-1").splitlines():
            fields = line.split("|", 10)
            if line.startswith("#") or len(fields) != 11:
                continue
            call, utterance, start_s, end_s, said = fields[5], fields[6], *fields[8:]
            path = table.parent / "calls" / call / fields[7]
            if call not in groups or not path.is_file():
                continue
            kind = kinds.get(utterance, "sentence")
            text = re.sub(r"\{.*?\}|\[.*?\]|\(\(.*?\)\)|[+*^_]", " ", said)
            columns = {"group": groups[call], "kind": kind, "text": " ".join(text.split())}
            if kind == "name":
                columns["text"] = ""  # nobody's name is written down
            if kind != "sentence" and float(end_s) > 0:
                columns |= {"speech_start_s": str(float(start_s)), "speech_end_s": str(float(end_s))}
            yield Item(file=path, name=f"{call}_{utterance}", columns=columns, encoding="mulaw")


def harper_valley(_: Recipe, folder: Path, options: Options) -> Iterator[Item]:
    """Turns of the calls: cut out of `audio/ROLE/SID.wav` by `transcript/SID.json`, by the speaker's id."""
    for path in sorted(folder.rglob("transcript/*.json")):
        data = path.parents[1]
        people = json.loads((data / "metadata" / path.name).read_text(encoding="utf-8"))
        for turn in json.loads(path.read_text(encoding="utf-8")):
            role, speaker = turn["speaker_role"], people[turn["speaker_role"]]["speaker_id"]
            yield Item(
                file=data / "audio" / role / f"{path.stem}.wav",
                name=f"{path.stem}_{role}_{turn['index']:03}",
                columns={"group": f"harper-{speaker}", "text": turn["human_transcript"]} | options.columns,
                start_s=turn["offset_ms"] / 1000,
                length_s=turn["duration_ms"] / 1000,
            )


LOADERS: Final[dict[str, Loader]] = {
    "labeled-folder": labeled_folder,
    "labeled-csv": labeled_csv,
    "common-voice": common_voice,
    "wuw-corpus": wuw_corpus,
    "harper-valley": harper_valley,
}
