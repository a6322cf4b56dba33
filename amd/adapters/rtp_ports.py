"""A UDP port for every call, so that its id is known: for who sets calls up and says where their audio goes.

An application of ARI asks for a port, and gives it to ``externalMedia`` as ``external_host``.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from amd.adapters.rtp_server import Line, Opener, RtpListener, bind
from amd.adapters.rtp_settings import RtpSettings
from amd.errors import PolicyError, SlotError

PORT_MIN: Final = 1024
PORT_MAX: Final = 65_535


class RtpPorts:
    """Give out ports of a range; each takes one call, and is given back when it ended or did not come.

    Parameters
    ----------
    server : Opener
        Whose calls these are.
    tell : callable
        As for `amd.adapters.rtp_server.RtpListener`, and ``rtp_unused`` for a port whose call did not come.
    host : str
        Address of this machine to listen on.
    ports : range
        Even ports of it are used: RTP's odd neighbour is for RTCP (RFC 3550, 11).
    settings : RtpSettings, optional

    Attributes
    ----------
    n_free : int
    """

    def __init__(
        self,
        server: Opener,
        tell: Callable[[Line], None],
        *,
        host: str = "127.0.0.1",
        ports: range,
        settings: RtpSettings | None = None,
    ) -> None:
        even = [port for port in ports if port % 2 == 0]
        if not even or min(even) < PORT_MIN or max(even) > PORT_MAX:
            raise PolicyError(
                f"ports {ports.start} to {ports.stop - 1} must be of {PORT_MIN} to {PORT_MAX}, some even"
            )
        self._server = server
        self._tell = tell
        self._host = host
        self._settings = settings or RtpSettings()
        self._free = even
        self._listeners: dict[int, RtpListener] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def n_free(self) -> int:
        """Ports that can be given out."""
        return len(self._free)

    def allocate(self, call_id: str | None = None, *, source_host: str | None = None) -> int:
        """Return a port for one call.

        Parameters
        ----------
        call_id : str or None
            What its events are to be named by.
        source_host : str or None
            Address that its audio comes from; other places are ignored, and counted. None: the first allowed one
            to send two packets in a row.

        Raises
        ------
        SlotError
            If no port is free.
        """
        settings = self._settings
        if source_host is not None:
            settings = replace(settings, allowed=(source_host,))
        for _ in range(0 if self._closed else len(self._free)):
            port = self._free.pop(0)  # the one that was free the longest: late packets of its last call are over
            try:
                sock = bind(self._host, port)
            except OSError:  # another program has it
                self._free.append(port)
                continue
            self._listeners[port] = listener = RtpListener(
                self._server,
                self._tell,
                settings=settings,
                call_id=call_id,
                ended=functools.partial(self.free, port),
            )
            listener.start(sock)
            return port
        raise SlotError(f"no port is free: {len(self._listeners)} are in use, the others are another program's")

    def free(self, port: int) -> None:
        """Give a port back; a call on it ends. A second time does nothing."""
        listener = self._listeners.pop(port, None)
        if listener is None:
            return
        if listener.n_calls == 0:
            self._tell({"type": "rtp_unused", "call_id": listener.call_id})
        task = asyncio.create_task(listener.wait_closed())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        self._free.append(port)

    def close(self) -> None:
        """Give out no more; calls in flight go on."""
        self._closed = True
        for listener in self._listeners.values():
            listener.close()

    async def wait_closed(self) -> None:
        """Give all back."""
        self._closed = True
        for port in list(self._listeners):
            self.free(port)
        await asyncio.gather(*self._closing)
