"""``callback serve`` and ``callback key``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from callback.errors import CallbackError, MissingExtraError

if TYPE_CHECKING:
    from callback.web.keys import Keys

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
KEYS: Final = "CALLBACK_KEYS"


class ServeError(CallbackError):
    """A service that must not be started like this."""


def add_parsers(commands: Any, database: Callable[[argparse.ArgumentParser], None], opened: Any) -> None:
    """Add both commands.

    Parameters
    ----------
    commands : subparsers
    database : callable
        Adds the option that names the store.
    opened : callable
        Returns a context manager of the store that the options name.
    """
    serve = commands.add_parser(
        "serve",
        help="the HTTP service and the supervisor's page",
        description="Serve the queue over HTTP: book, cancel, reschedule, status; webhooks; a page for "
        "supervisors; metrics. Without keys only this machine may ask.",
    )
    serve.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="default: 127.0.0.1")
    serve.add_argument("--port", type=int, default=8080, metavar="N", help="default: 8080; 0: any that is free")
    serve.add_argument("--settings", type=Path, metavar="FILE", help="TOML: queues, rules, webhooks, limits")
    serve.add_argument("--keys", type=Path, metavar="FILE", help=f"lines of `callback key` (default: ${KEYS})")
    serve.add_argument("--without-keys", action="store_true", help="whoever reaches it may do everything")
    serve.add_argument("--runner", choices=("none", "simulated"), default="none", help="who dials: default none")
    database(serve)
    serve.set_defaults(run=_serve, opened=opened)

    key = commands.add_parser(
        "key",
        help="make a key of the HTTP service",
        description="Print a new key once, on stdout, and on stderr the line that lets a service know it.",
    )
    key.add_argument("name", metavar="NAME", help="whose it is")
    key.add_argument(
        "--scopes", default="book", metavar="LIST", help="book, supervise, admin; with commas. Default: book"
    )
    key.set_defaults(run=_key)


def _key(options: argparse.Namespace) -> int:
    from callback.web.keys import new_key  # noqa: PLC0415 -- only this command needs it

    key, line = new_key(options.name, options.scopes.split(","))
    print(key)  # noqa: T201 -- the result
    print(f"Add this line to the keys of the service:\n{line}", file=sys.stderr)  # noqa: T201 -- for people
    return 0


def _keys(options: argparse.Namespace) -> Keys | None:
    from callback.web.keys import KeysError, parse_keys  # noqa: PLC0415

    if options.keys is None and not os.environ.get(KEYS):
        return None
    try:
        text = os.environ[KEYS] if options.keys is None else options.keys.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise KeysError(f"the keys {options.keys} cannot be read: another path?") from None
    found = parse_keys(text)
    if not len(found):
        raise KeysError("the keys are an empty list: nobody could ask anything; `callback key NAME` makes one")
    return found


def check_address(host: str, *, has_keys: bool, without_keys: bool) -> None:
    """Raise ServeError for an address that others reach where nobody is asked for a key."""
    if without_keys and has_keys:
        raise ServeError("--without-keys, and keys were given: which of the two?")
    if host not in LOOPBACK and not has_keys and not without_keys:
        raise ServeError(
            f"--host {host} can be reached by others and no keys are given, need --keys FILE (`callback key NAME` "
            "makes one); if everybody there may book, cancel and see numbers, say --without-keys too"
        )


def _serve(options: argparse.Namespace) -> int:
    keys = _keys(options)
    check_address(options.host, has_keys=keys is not None, without_keys=options.without_keys)
    try:
        from callback.web.serving import serve  # noqa: PLC0415 -- the rest of the command line needs none of it
    except ImportError as error:
        raise MissingExtraError(
            f"`callback serve` needs {error.name}: pip install 'amd-callback[callback,service]'"
        ) from None
    with options.opened(options) as store:
        return serve(options, store, keys)
