"""Recipes: where a source of clips comes from, under which licence, and what its files are.

A recipe is `datasets/SOURCE/recipe.toml`. An unknown field is an error: a misspelt one would be lost in silence.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

LABELS: Final = ("human", "machine", "fax", "network", "silence", "noise", "tone")
CHANNELS: Final = ("phone", "studio", "room", "")
FAMILIES: Final = {
    "prepared": "Sources of the prepared clips",
    "public": "Public sets, to download or to give with --from",
    "own": "Your own recordings",
}
HERE: Final = Path(__file__).parent


class DatasetError(Exception):
    """Something that cannot be built or is not as it should be; the message names the value and the need."""


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One thing to get: an address to download, or a package that the user unpacks."""

    address: str = ""
    package: str = ""
    sha256: str = ""
    md5: str = ""
    size: int = 0
    unpinned: str = ""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How the published files are named, and what that says of each.

    `files` and `skip` are globs below the folder. `path` is a regular expression that finds its named groups in
    the path; they, `stem` (the file's name), `sha` (of the clip's name) and `source` fill `name`, `group`, `text`.
    Of each file, at most `most_s` from `start_s` on is taken, in pieces of `cut_s`; 0 is all of it, in one.
    """

    files: tuple[str, ...]
    skip: tuple[str, ...] = ()
    path: str = ""
    name: str = "{stem}"
    group: str = "{source}"
    text: str = ""
    encoding: str = ""
    start_s: float = 0.0
    most_s: float = 0.0
    cut_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Columns of the clips whose name matches; the first rule that matches holds."""

    match: str
    columns: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One source."""

    name: str
    title: str
    family: str
    homepage: str
    licence: str
    spdx: str
    obligations: str
    citation: str
    grouping: str
    label: str
    kind: str
    language: str
    channel: str
    limits: str = ""
    seen: str = ""
    clips: int = 0
    loader: str = ""
    rules_of: str = ""
    files: tuple[SourceFile, ...] = ()
    layout: Layout | None = None
    labels: dict[str, str] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    folder: Path = HERE


def names(folder: Path = HERE) -> list[str]:
    """Return the names of all recipes."""
    return sorted(path.parent.name for path in folder.glob("*/recipe.toml"))


def read_recipe(name: str, folder: Path = HERE) -> Recipe:
    """Read a recipe by its name.

    Raises
    ------
    DatasetError
        If there is none, or a field is missing, unknown or wrong; the message names it.
    """
    path = folder / name / "recipe.toml"
    if name not in names(folder):
        near = [known for known in names(folder) if name and (name in known or known in name)]
        slip = f"; near to it: {', '.join(near)}" if near else ""
        raise DatasetError(f"there is no source {name!r}{slip}: --list shows all")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise DatasetError(f"{path} is not TOML: {error}") from error
    files = tuple(_fill(SourceFile, entry, f"{path} [[files]]") for entry in table.pop("files", []))
    layout = table.pop("layout", None)
    rules = tuple(_rule(entry, path) for entry in table.pop("rules", []))
    if table.get("rules_of"):
        rules += read_recipe(table["rules_of"], folder).rules
    recipe: Recipe = _fill(
        Recipe,
        table
        | {
            "files": files,
            "layout": None if layout is None else _fill(Layout, layout, f"{path} [layout]"),
            "rules": rules,
            "folder": path.parent,
        },
        str(path),
    )
    _check(recipe, path)
    return recipe


def _rule(entry: dict[str, str], path: Path) -> Rule:
    columns = {key: value for key, value in entry.items() if key != "match"}
    unknown = set(columns) - {"label", "kind", "language", "channel", "group", "text"}
    if "match" not in entry or unknown:
        raise DatasetError(f"{path} [[rules]] {entry}: needs match, and may set label, kind, language, channel, "
                           f"group, text; unknown: {', '.join(sorted(unknown)) or 'nothing'}")  # fmt: skip
    return Rule(match=entry["match"], columns=columns)


def _fill(kind: Any, table: dict[str, Any], where: str) -> Any:
    """Make a dataclass of a table; lists become tuples."""
    known = {item.name: item for item in fields(kind)}
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise DatasetError(f"{where}: unknown field {', '.join(unknown)}; there are: {', '.join(known)}")
    try:
        return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in table.items()})
    except TypeError as error:
        raise DatasetError(f"{where}: {str(error).split('__init__() ')[-1]}") from error


def _check(recipe: Recipe, path: Path) -> None:
    """Raise if a value of a recipe cannot be."""
    labels = [recipe.label, *recipe.labels.values(), *(rule.columns.get("label", "") for rule in recipe.rules)]
    for label in labels:
        if label and label not in LABELS:
            raise DatasetError(f"{path}: label {label!r} is unknown; there are: {', '.join(LABELS)}")
    if recipe.name != path.parent.name:
        raise DatasetError(f"{path}: name = {recipe.name!r} is not its folder's name {path.parent.name!r}")
    if recipe.channel not in CHANNELS:
        raise DatasetError(f"{path}: channel {recipe.channel!r} must be phone, studio, room or empty")
    if recipe.family not in FAMILIES:
        raise DatasetError(f"{path}: family {recipe.family!r} must be one of {', '.join(FAMILIES)}")
    for file in recipe.files:
        if bool(file.address) == bool(file.package):
            raise DatasetError(f"{path} [[files]]: give an address or a package, and not both")
        if not (file.sha256 or file.md5 or file.unpinned):
            what = file.address or file.package
            raise DatasetError(f"{path} [[files]] {what}: no checksum: say in `unpinned` why, and how to pin")
    expressions = [rule.match for rule in recipe.rules] + ([recipe.layout.path] if recipe.layout else [])
    for expression in expressions:
        try:
            re.compile(expression)
        except re.error as error:
            raise DatasetError(f"{path}: {expression!r} is not a regular expression: {error}") from error


def describe(recipe: Recipe) -> str:
    """Return all that a user has to know of a source, as text."""
    lines = [f"{recipe.name}: {recipe.title}", ""]
    facts = (
        ("home", recipe.homepage),
        ("licence", recipe.licence + (f" (SPDX {recipe.spdx})" if recipe.spdx else "")),
        ("you must", recipe.obligations),
        ("cite", recipe.citation),
        ("groups", recipe.grouping),
        ("limits", recipe.limits),
        ("seen", recipe.seen),
    )
    lines += [f"{key + ':':10}{' '.join(value.split())}" for key, value in facts if value]
    for file in recipe.files:
        lines.append(f"{'from:':10}{file.address or 'Debian package ' + file.package}")
        lines += [f"{'':10}{key} {value}" for key, value in (("sha256", file.sha256), ("md5", file.md5)) if value]
        lines += [f"{'':10}{' '.join(file.unpinned.split())}"] if file.unpinned else []
    if recipe.layout is None and not recipe.loader:
        lines.append(f"{'from:':10}the prepared copy only")
    return "\n".join(lines)


def table(folder: Path = HERE) -> str:
    """Return the table of all recipes."""
    recipes = [read_recipe(name, folder) for name in names(folder)]
    width = max(len(recipe.name) for recipe in recipes)
    lines = []
    for family, heading in FAMILIES.items():
        rows = [recipe for recipe in recipes if recipe.family == family]
        if not rows:
            continue
        lines += ["", heading, f"  {'source':{width}}  {'clips':>6}  {'licence':22}  what"]
        for recipe in rows:
            clips = str(recipe.clips) if recipe.clips else "-"
            lines.append(f"  {recipe.name:{width}}  {clips:>6}  {recipe.spdx or 'see --show':22}  {recipe.title}")
    return "\n".join(lines[1:])
