"""A dataclass from a table of TOML: what is unknown, missing or wrong is named, and secrets stay outside."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

from callback.errors import CallbackError

T = TypeVar("T")
ENV: Final = "_env"
"""``password_env = "NAME"`` takes the password from the environment."""
KINDS: Final = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


class RunSettingsError(CallbackError, ValueError):
    """Settings with which nothing can be run."""


def build(kind: type[T], table: Mapping[str, Any], *, where: str, environ: Mapping[str, str]) -> T:
    """Make one from a table.

    Parameters
    ----------
    kind : type
        A dataclass.
    table : mapping
    where : str
        The table's name, for messages.
    environ : mapping of str to str

    Raises
    ------
    RunSettingsError

    Examples
    --------
    >>> from callback.ordering import Place
    >>> build(Place, {"priority": "high", "seq": 1}, where="place", environ={})
    Traceback (most recent call last):
    callback.running.building.RunSettingsError: place.priority must be a whole number, not a str
    """
    hints = get_type_hints(kind)
    known = {entry.name: entry for entry in fields(kind)}  # type: ignore[arg-type]
    given = _from_environment(_table(table, where), where, environ)
    if unknown := given.keys() - known.keys():
        raise RunSettingsError(f"{where}.{min(unknown)} is unknown; there are: {', '.join(known)}")
    missing = [
        name
        for name, entry in known.items()
        if name not in given and entry.default is MISSING and entry.default_factory is MISSING
    ]
    made = {name: _value(hints[name], value, f"{where}.{name}", environ) for name, value in given.items()}
    if missing:
        raise RunSettingsError(f"{where}.{missing[0]} is missing (or {missing[0]}{ENV}, with its variable's name)")
    try:
        return kind(**made)
    except ValueError as error:
        raise RunSettingsError(f"{where}: {error}") from None


def _from_environment(table: Mapping[str, Any], where: str, environ: Mapping[str, str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, value in table.items():
        if name.endswith(ENV) and isinstance(value, str):
            if not environ.get(value):
                raise RunSettingsError(
                    f"{where}.{name}: the environment has no {value}: not exported where this runs?"
                )
            given[name.removesuffix(ENV)] = environ[value]
        else:
            given[name] = value
    return given


def _value(hint: Any, value: Any, where: str, environ: Mapping[str, str]) -> Any:
    if get_origin(hint) in {Union, type(int | None)}:
        hint = next(one for one in get_args(hint) if one is not type(None))
    if hint is ssl.SSLContext:
        return ssl.create_default_context() if _plain(bool, value, where) else None
    if is_dataclass(hint):
        return build(hint, value, where=where, environ=environ)  # type: ignore[arg-type]
    if get_origin(hint) is tuple:
        parts = get_args(hint)
        if not isinstance(value, list) or len(value) != len(parts):
            raise RunSettingsError(f"{where} must be a list of {len(parts)}")
        return tuple(_value(part, one, where, environ) for part, one in zip(parts, value, strict=True))
    if get_origin(hint) is Mapping:
        key, of = get_args(hint)
        found = _from_environment(_table(value, where), where, environ)
        return {_key(key, name, where): _value(of, one, f"{where}.{name}", environ) for name, one in found.items()}
    return _plain(hint, value, where)


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise RunSettingsError(f"{where} must be a table, not a {type(value).__name__}")
    return value


def _key(kind: Any, name: str, where: str) -> Any:
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(name)
        except ValueError:
            raise RunSettingsError(
                f"{where}.{name} is unknown; there are: {', '.join(one.value for one in kind)}"
            ) from None
    return name


def _plain(kind: Any, value: Any, where: str) -> Any:
    fits = isinstance(value, (int, float)) if kind is float else isinstance(value, kind)
    if not fits or (isinstance(value, bool) and kind is not bool):
        raise RunSettingsError(f"{where} must be {KINDS.get(kind, kind)}, not a {type(value).__name__}")
    return value
