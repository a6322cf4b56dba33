"""The page on which a person decides: it listens on this machine alone, and answers who knows its key."""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import soundfile

from amd.audio import RATE_HZ
from amd.errors import AmdError
from amd.evaluation.manifest import LABELS
from amd.labeling.labels import Labels
from amd.sources import samples_of

LOOPBACK: Final = "127.0.0.1"
BODY_MAX_BYTES: Final = 10_000
SHOWN: Final = ("file", "label", "checked", "proposed", "probability", "cause", "duration_s")
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "connect-src 'self'; media-src blob:; img-src data:; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class LabelServer(ThreadingHTTPServer):
    """Serves one manifest to a browser on this machine.

    Parameters
    ----------
    labels : Labels
    port : int
        0 takes any that is free.
    key : str, optional
        What every request must bring; drawn by chance unless given.
    """

    daemon_threads = True

    def __init__(self, labels: Labels, *, port: int = 0, key: str | None = None) -> None:
        self.labels = labels
        self.key = key or secrets.token_urlsafe(16)
        super().__init__((LOOPBACK, port), _Handler)

    @property
    def url(self) -> str:
        """Where a browser finds the page."""
        return f"http://{LOOPBACK}:{self.server_address[1]}/?key={self.key}"


class _Handler(BaseHTTPRequestHandler):
    server: LabelServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Give the page, the rows, or a recording as WAV."""
        where, asked = self._asked()
        if where is None:
            return
        if where == "/":
            page = resources.files("amd.labeling").joinpath("page.html").read_bytes()
            self._answer(HTTPStatus.OK, "text/html; charset=utf-8", page)
        elif where == "/rows":
            rows = [{name: row[name] for name in SHOWN} for row in self.server.labels.rows()]
            self._tell(HTTPStatus.OK, {"labels": list(LABELS), "rows": rows})
        elif where == "/audio":
            self._audio(asked.get("file", ""))
        else:
            self._tell(HTTPStatus.NOT_FOUND, {"error": "there is no such page"})

    def do_POST(self) -> None:
        """Note a decision: ``{"file": ..., "label": ...}``."""
        where, _ = self._asked()
        if where is None:
            return
        length = self.headers.get("Content-Length", "")
        if where != "/label" or not length.isdecimal() or int(length) > BODY_MAX_BYTES:
            self.close_connection = True
            self._tell(HTTPStatus.BAD_REQUEST, {"error": "a decision is a short JSON text"})
            return
        try:
            decision = json.loads(self.rfile.read(int(length)))
            self.server.labels.decide(str(decision["file"]), str(decision["label"]))
        except (KeyError, TypeError, ValueError, AmdError, OSError) as error:
            self._tell(HTTPStatus.BAD_REQUEST, {"error": str(error)})
            return
        self._tell(HTTPStatus.OK, {"saved": True})

    def _asked(self) -> tuple[str | None, Mapping[str, str]]:
        """Return path and query of a request that may be answered; else answer that it may not."""
        address = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(address.query).items()}
        port = self.server.server_address[1]
        ours = self.headers.get("Host") in {f"{LOOPBACK}:{port}", f"localhost:{port}"}  # no other site's name
        if ours and secrets.compare_digest(asked.get("key", "").encode(), self.server.key.encode()):
            return address.path, asked
        self.close_connection = True
        self._tell(HTTPStatus.FORBIDDEN, {"error": "open the address that `amd label` printed, its key included"})
        return None, asked

    def _audio(self, file: str) -> None:
        labels = self.server.labels
        if all(row["file"] != file for row in labels.rows()):
            self._tell(HTTPStatus.NOT_FOUND, {"error": "the manifest has no such recording"})
            return
        try:
            samples = samples_of(labels.path.parent / file)
        except AmdError as error:
            self._tell(HTTPStatus.NOT_FOUND, {"error": str(error)})
            return
        out = io.BytesIO()
        soundfile.write(out, samples.clip(-1, 1), RATE_HZ, format="WAV", subtype="PCM_16")
        self._answer(HTTPStatus.OK, "audio/wav", out.getvalue())

    def _tell(self, status: HTTPStatus, what: Mapping[str, Any]) -> None:
        self._answer(status, "application/json", json.dumps(what).encode())

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base's
        """Keep no log: names of files may be telephone numbers."""
