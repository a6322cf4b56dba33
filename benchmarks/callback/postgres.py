"""A PostgreSQL server of our own, started from its binaries: in a folder that goes away, on a socket in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final

SETTINGS: Final = (
    "listen_addresses=''",  # the socket only: nothing outside can reach it
    "max_connections=60",
    "autovacuum_naptime=5s",
    "log_min_messages=fatal",
)
OWNER: Final = "postgres"


def binaries() -> Path | None:
    """Return the folder of the newest installed server, or None (Debian: ``apt-get install postgresql``)."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


class Server:
    """A running server. ``fsync`` is on, as in production."""

    def __init__(self, settings: Sequence[str] = ()) -> None:
        folder = binaries()
        if folder is None:
            raise RuntimeError("PostgreSQL is not installed: apt-get install postgresql")
        self._binaries = folder
        self._folder = Path(tempfile.mkdtemp(prefix="callback-pg-"))
        self._numbers = count(1)
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:  # initdb refuses to run as root
            shutil.chown(self._folder, OWNER, OWNER)
            self._as = {"user": OWNER, "group": OWNER, "extra_groups": []}
        self._data = self._folder / "data"
        self._run("initdb", "--pgdata", str(self._data), "--auth", "trust", "--username", OWNER, "--no-sync")
        with (self._data / "postgresql.conf").open("a", encoding="utf-8") as file:
            sockets = f"unix_socket_directories='{self._folder}'"
            file.writelines(f"{line}\n" for line in (sockets, *SETTINGS, *settings))
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), *arguments]
        log = self._folder / "log"
        with log.open("a", encoding="utf-8") as out:
            done = subprocess.run(  # noqa: S603 -- the server's own programs
                command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd="/", check=False, **self._as
            )
        if done.returncode:
            raise RuntimeError(f"{program} failed ({done.returncode}): {log.read_text(encoding='utf-8')[-2000:]}")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._run("pg_ctl", "--pgdata", str(self._data), "--wait", "--timeout", "60", "start")

    def kill(self) -> None:
        """End it as a power cut does, as far as a process can: no warning, no checkpoint."""
        self._run("pg_ctl", "--pgdata", str(self._data), "--mode", "immediate", "--wait", "stop")

    def close(self) -> None:
        """End it, and remove all of it."""
        pid = self._data / "postmaster.pid"
        if pid.exists():
            self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, database: str = OWNER) -> str:
        """Return the URL of a database."""
        return f"postgresql://{OWNER}@/{database}?host={self._folder}"

    def database(self) -> str:
        """Make an empty database; return its URL."""
        name = f"callback_{os.getpid()}_{next(self._numbers)}"
        self._run("createdb", "--host", str(self._folder), "--username", OWNER, name)
        return self.url(name)
