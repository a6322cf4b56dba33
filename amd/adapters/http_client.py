"""The HTTP client of what calls out: httpx2 (extra ``adapters``), with time limits, TLS and kept connections."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

from amd.adapters.addresses import is_loopback


def make_client(
    url: str,
    *,
    at_once: int,
    answer_max_s: float,
    auth: httpx2.BasicAuth | None = None,
    ca_file: Path | None = None,
) -> httpx2.AsyncClient:
    """Return a client for one server; redirections are not followed.

    ``ca_file``: certificates of an authority of one's own (PEM), in place of the public ones.

    httpx2 logs the address of every request at level INFO, and an address can hold a token: its logger is set to
    WARNING.
    """
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    return httpx2.AsyncClient(
        auth=auth,
        timeout=answer_max_s,
        verify=True if ca_file is None else ssl.create_default_context(cafile=str(ca_file)),
        limits=httpx2.Limits(max_connections=at_once, max_keepalive_connections=at_once),
        trust_env=not is_loopback(urlsplit(url).hostname or ""),  # proxies are for other machines
    )
