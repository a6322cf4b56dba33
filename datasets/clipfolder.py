"""A folder of built clips: `clips/`, `clips.csv`, `checksums.txt` and `LICENCES.txt`, changed as one.

A build writes everything new into `.building` and renames that to `.ready`: from there on it will be installed,
by the same run or by the next one, whatever interrupts it. Before, nothing has changed.
"""

from __future__ import annotations

import csv
import hashlib
import shutil
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Final

import soundfile
from fetch import digest
from pcm import RATE_HZ
from recipes import CHANNELS, LABELS, DatasetError

COLUMNS: Final = (
    "path", "source", "licence", "label", "group", "kind", "language", "channel", "duration_s", "text",
    "speech_start_s", "speech_end_s", "beep_onset_s", "beep_end_s", "beep_hz", "split",
)  # fmt: skip
TIMES: Final = ("speech_start_s", "speech_end_s", "beep_onset_s", "beep_end_s")
MANIFEST: Final = "clips.csv"
CHECKSUMS: Final = "checksums.txt"
LICENCES: Final = "LICENCES.txt"
SWAPPED: Final = (CHECKSUMS, LICENCES, MANIFEST)
SALT: Final = "amd-split-21526"
SHARES: Final = (("train", 0.70), ("dev", 0.85))

Row = dict[str, str]


def split_of(group: str) -> str:
    """Return the split of a group: 70/15/15 by its hash, so that it is the same in every source and every build.

    Examples
    --------
    >>> split_of("voice-menardi"), split_of("wuw-unclear-00005")
    ('train', 'train')
    """
    if group.startswith("wuw-unclear-"):  # callers without a clear name: they may be in other groups too
        return "train"
    drawn = int(hashlib.sha1(f"{SALT}:{group}".encode(), usedforsecurity=False).hexdigest()[:8], 16) / 2**32
    return next((split for split, share in SHARES if drawn < share), "test")


def read_rows(folder: Path) -> list[Row]:
    """Read `clips.csv` of a folder; no rows if there is none.

    Raises
    ------
    DatasetError
        If a column is missing.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return []
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or [])]
        if missing:
            raise DatasetError(f"{path}: column {', '.join(missing)} is missing: not a manifest of clips?")
        return [{name: row[name] or "" for name in COLUMNS} for row in reader]


def write_rows(path: Path, rows: list[Row]) -> None:
    """Write a manifest, by source and path."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: (row["source"], row["path"])))


def read_checksums(folder: Path) -> dict[str, str]:
    """Read path to sha256; the file is one that `sha256sum -c` reads."""
    path = folder / CHECKSUMS
    if not path.is_file():
        return {}
    pairs = [line.split("  ", 1) for line in path.read_text(encoding="utf-8").splitlines() if line]
    return {name: checksum for checksum, name in pairs}


def begin(folder: Path) -> Path:
    """Finish what an interrupted build left ready, and return the empty folder to build in."""
    folder.mkdir(parents=True, exist_ok=True)
    settle(folder)
    building = folder / ".building"
    try:
        building.mkdir()
    except FileExistsError:
        raise DatasetError(
            f"{building} is there: another build runs now, or one was killed; if none runs, delete it"
        ) from None
    return building


def install(folder: Path, source: str, rows: list[Row], checksums: dict[str, str], licences: str) -> None:
    """Replace the rows and clips of a source by those in `.building`; all or nothing."""
    building = folder / ".building"
    write_rows(building / MANIFEST, [row for row in read_rows(folder) if row["source"] != source] + rows)
    own = f"clips/{source}/"
    others = {name: value for name, value in read_checksums(folder).items() if not name.startswith(own)}
    lines = [f"{value}  {name}\n" for name, value in sorted((others | checksums).items())]
    (building / CHECKSUMS).write_text("".join(lines), encoding="utf-8")
    (building / LICENCES).write_text(licences, encoding="utf-8")
    building.rename(folder / ".ready")
    settle(folder)


def settle(folder: Path) -> bool:
    """Install what is ready; each step may be repeated. Return whether there was anything."""
    ready = folder / ".ready"
    if not ready.is_dir():
        return False
    (folder / "clips").mkdir(exist_ok=True)
    for new in sorted((ready / "clips").glob("*")):
        shutil.rmtree(folder / "clips" / new.name, ignore_errors=True)
        new.rename(folder / "clips" / new.name)
    for name in SWAPPED:
        if (ready / name).is_file():
            (ready / name).replace(folder / name)
    shutil.rmtree(ready)
    return True


def check(folder: Path) -> list[str]:
    """Return what is wrong with a folder of clips; each message names the file and the need."""
    if not (folder / MANIFEST).is_file():
        return [f"{folder / MANIFEST} is missing: build a source with --out {folder}"]
    rows, checksums = read_rows(folder), read_checksums(folder)
    wrong: list[str] = []
    splits: dict[str, set[str]] = defaultdict(set)
    audio: dict[str, list[str]] = defaultdict(list)
    named: set[str] = set()
    for row in rows:
        name = row["path"]
        if name in named:
            wrong.append(f"{name}: named by two rows of {MANIFEST}")
        named.add(name)
        splits[row["group"]].add(row["split"])
        wrong += [f"{name}: {text}" for text in _row_faults(row)]
        path = folder / name
        if not path.is_file():
            wrong.append(f"{name}: the file is missing; build {row['source']} again")
            continue
        found = digest(path)
        audio[found].append(name)
        if name not in checksums:
            wrong.append(f"{name}: no checksum in {CHECKSUMS}")
        elif found != checksums[name]:
            wrong.append(f"{name}: sha256 {found}, recorded {checksums[name]}: changed since it was built")
        wrong += [f"{name}: {text}" for text in _sound_faults(path, row)]
    for group, found_in in sorted(splits.items()):
        if len(found_in) > 1:
            wrong.append(f"group {group} is in {' and '.join(sorted(found_in))}: a voice may be in one split only")
    wrong += [f"{', '.join(same)}: the same audio; keep one" for same in audio.values() if len(same) > 1]
    there = {path.relative_to(folder).as_posix() for path in (folder / "clips").rglob("*") if path.is_file()}
    wrong += [f"{name}: no row of {MANIFEST} names it; delete it or build again" for name in sorted(there - named)]
    wrong += [f"{name}: in {CHECKSUMS} without a row" for name in sorted(set(checksums) - named)]
    return wrong


def _row_faults(row: Row) -> list[str]:
    faults = []
    if ".." in PurePosixPath(row["path"]).parts or not row["path"].startswith(f"clips/{row['source']}/"):
        faults.append(f"must lie in clips/{row['source']}/")
    if row["label"] not in LABELS:
        faults.append(f"label {row['label']!r} is unknown; there are: {', '.join(LABELS)}")
    if row["channel"] not in CHANNELS:
        faults.append(f"channel {row['channel']!r} must be phone, studio, room or empty")
    if row["split"] != split_of(row["group"]):
        faults.append(f"split {row['split']!r}, but its group {row['group']} belongs to {split_of(row['group'])}")
    faults += [f"{name} is empty" for name in ("licence", "kind", "group") if not row[name]]
    try:
        duration_s = float(row["duration_s"])
        times = {name: float(row[name]) for name in TIMES if row[name]}
    except ValueError as error:
        return [*faults, f"a time is no number: {error}"]
    for name, value in times.items():
        if not 0 <= value <= duration_s + 0.05:
            slip = ": milliseconds?" if value / 1000 <= duration_s else ""
            faults.append(f"{name} {value} is beyond the clip ({duration_s} s){slip}")
    if times.get("speech_start_s", 0.0) > times.get("speech_end_s", duration_s):
        faults.append("speech ends before it starts")
    return faults


def _sound_faults(path: Path, row: Row) -> list[str]:
    try:
        info = soundfile.info(path)
    except soundfile.LibsndfileError as error:
        return [f"cannot be read: {error}"]
    faults = []
    if (info.samplerate, info.channels, info.subtype) != (RATE_HZ, 1, "PCM_16"):
        faults.append(f"{info.samplerate} Hz, {info.channels} channels, {info.subtype}: needs 8000 Hz, 1, PCM_16")
    try:
        if abs(info.frames / info.samplerate - float(row["duration_s"])) > 0.001:
            faults.append(f"{info.frames / info.samplerate:.3f} s long, the row says {row['duration_s']}")
    except ValueError:
        pass  # told with the row
    return faults
