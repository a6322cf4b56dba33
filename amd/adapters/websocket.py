"""Media websockets for `amd.adapters.server`: the path names the system. Needs the extra ``adapters``.

The protocol is that of the package websockets, without its connections: bytes come from the server's pump. Nearly
all that comes is messages of one frame; these are cut here, at half of the cost of a packet.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, urlsplit

from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from amd.adapters import l16
from amd.adapters.l16 import MIXES, L16Decoder
from amd.adapters.media import MESSAGE_MAX_BYTES
from amd.adapters.pump import NEVER_S, OPEN_MAX_S, Peer
from amd.adapters.server import CLOSE_MAX_S, Server
from amd.adapters.session import Session
from amd.adapters.systems import SYSTEMS, System, system_of
from amd.adapters.websocket_frames import MASK_BYTES, WHOLE, extent_of
from amd.audio import RATE_HZ, check_rate
from amd.errors import AudioError, WireError

try:
    from websockets.speedups import apply_mask
except ImportError:  # where its compiled part was not built
    from websockets.utils import apply_mask

SUBPROTOCOLS: Final = ("media", "audio.jambonz.org", "audio.drachtio.org")
"""Asked for by Asterisk (websocket_client.conf), jambonz and mod_audio_fork; who asks for none gets none."""
HEAD_END: Final = b"\r\n\r\n"
HEAD_MAX_BYTES: Final = 16_384
"""A request is shorter."""
TEXT: Final = 0x81
BEARER: Final = "Bearer "
QUIET: Final = logging.Logger("amd.adapters.websocket", level=logging.CRITICAL + 1)
"""The library would log what peers send."""


def system_at(path: str) -> System:
    """Return the system of a path: ``/twilio``, or ``/freeswitch?rate=16000&mix=stereo``.

    Raises
    ------
    WireError
        If it names no system with websockets, or a rate or mix that there is not.

    Examples
    --------
    >>> system_at("/twilio").name
    'twilio'
    """
    url = urlsplit(path)
    system = system_of(url.path.strip("/"))
    if not system.websocket:
        raise WireError(f"system {system.name!r} has no websocket")
    if system is not SYSTEMS["freeswitch"]:
        return system
    query = parse_qs(url.query)
    rate, mix = query.get("rate", [str(RATE_HZ)])[0], query.get("mix", ["mono"])[0]
    if mix not in MIXES or not rate.isdecimal():
        raise WireError(f"rate must be a number, and mix one of {', '.join(MIXES)}")
    try:
        rate_hz = check_rate(int(rate[:9]))
    except AudioError as error:
        raise WireError(str(error)) from None
    return System(
        name=system.name,
        make=lambda: L16Decoder(l16.FREESWITCH, rate_hz=rate_hz, mix=mix),
        timing=system.timing,
    )


async def listen_websocket(server: Server, host: str, port: int) -> int:
    """Accept media websockets; returns the port (any free one for 0)."""

    def accept(connection: socket.socket, _: str) -> None:
        tls = server.access.tls
        if tls is not None:
            connection = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        WebsocketPeer(server, connection)

    return server.accept(host, port, "websocket", accept)


def token_of(request: Request) -> str | None:
    """The token of a request: ``Authorization: Bearer ...``, or ``?token=...`` where headers cannot be set."""
    authorization = request.headers.get("Authorization", "")
    if authorization.startswith(BEARER):
        return authorization.removeprefix(BEARER).strip()
    return parse_qs(urlsplit(request.path).query).get("token", [None])[0]


def _subprotocol(_: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return next((one for one in offered if one in SUBPROTOCOLS), None)


class WebsocketPeer(Peer):
    """One websocket: its handshake, then a call."""

    def __init__(self, server: Server, connection: socket.socket) -> None:
        super().__init__(server.pump, connection)
        self._server = server
        self._protocol = ServerProtocol(select_subprotocol=_subprotocol, max_size=MESSAGE_MAX_BYTES, logger=QUIET)
        self._session: Session | None = None
        self._rest = b""
        self._parts: list[bytes] = []
        self._is_text = False
        self._is_refused = False
        self.deadline_s = server.now_s() + OPEN_MAX_S

    def is_behind(self) -> bool:
        """Whether its audio waits for the bank."""
        return self._session is not None and self._session.is_ahead

    def received(self, data: bytes) -> None:
        """Bytes came."""
        self._rest = self._rest + data if self._rest else data
        if self._session is None:
            self._shake_hands()
        session, protocol = self._session, self._protocol
        if session is not None:
            self._take_frames()
        if protocol.writes:
            self._send_writes()
        if session is not None and protocol.state is not State.OPEN:
            session.end("closed" if protocol.close_rcvd is not None else "broken")

    def _shake_hands(self) -> None:
        """Take the request, once it is whole, and answer it."""
        head, end, self._rest = self._rest.partition(HEAD_END)
        if not end:
            self._rest = head
            if len(head) < HEAD_MAX_BYTES:
                return
        self._protocol.receive_data(head + end)
        requests = [event for event in self._protocol.events_received() if isinstance(event, Request)]
        if requests:
            self._answer(requests[0])
        else:
            self._refuse("no websocket")
            self.drop()

    def _take_frames(self) -> None:
        """Take the frames that are whole: messages of one frame here, what is rarer by the library's protocol."""
        data, at, n_bytes = self._rest, 0, len(self._rest)
        protocol = self._protocol
        while protocol.state is State.OPEN:
            extent = extent_of(data, at)
            if extent is None:
                break
            first, is_masked, start, end = extent
            is_plain = is_masked and first in WHOLE and not self._parts
            if end - start > MESSAGE_MAX_BYTES:  # the library refuses it by its head
                is_plain, end = False, n_bytes
            if end > n_bytes:
                break
            if is_plain:
                self._is_text = first == TEXT
                self._give(apply_mask(data[start:end], data[start - MASK_BYTES : start]))
            else:
                protocol.receive_data(data[at:end])
                for event in protocol.events_received():
                    if isinstance(event, Frame):
                        self._take(event)
            at = end
        self._rest = data[at:] if at < n_bytes else b""

    def lost(self) -> None:
        """The connection ended."""
        if self._session is not None:
            self._session.end("closed")
        elif not self._is_refused:
            self._refuse("no handshake")

    def broke(self, error: Exception) -> None:
        """Tell a fault of ours, which ends this call alone."""
        if self._session is not None:
            self._session.tell_own_fault(error)
        self.drop()

    def _refuse(self, reason: str | None) -> None:
        self._is_refused = True
        self._server.refuse("websocket", reason)

    def _answer(self, request: Request) -> None:
        """Begin a call, or say why not."""
        refusal = self._refusal(request)
        if refusal is not None:
            status, text = refusal
            self._protocol.send_response(self._protocol.reject(status, f"{text}\n"))
            return
        response = self._protocol.accept(request)
        self._protocol.send_response(response)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            return
        self.deadline_s = NEVER_S
        self._session = self._server.open(system_at(request.path), self._close)

    def _refusal(self, request: Request) -> tuple[HTTPStatus, str] | None:
        """Why no call can begin; what that is of is told to those alone who may connect."""
        if not self._server.access.knows(token_of(request)):
            self._refuse("token")
            return HTTPStatus.UNAUTHORIZED, "a token is needed: Authorization: Bearer ..., or ?token=..."
        try:
            system_at(request.path)
        except WireError as error:
            self._refuse("path")
            return HTTPStatus.NOT_FOUND, str(error)
        if self._server.is_full:
            self._refuse(None)
            return HTTPStatus.SERVICE_UNAVAILABLE, "no room for a further call"
        return None

    def _take(self, frame: Frame) -> None:
        """Take a frame; a message may come in several."""
        opcode, data = frame.opcode, frame.data
        if opcode is Opcode.TEXT or opcode is Opcode.BINARY:
            self._is_text = opcode is Opcode.TEXT
        elif opcode is not Opcode.CONT:
            return
        if not frame.fin or opcode is Opcode.CONT:
            self._parts.append(bytes(data))
            if not frame.fin:
                return
            data = b"".join(self._parts)
            self._parts.clear()
        self._give(data)

    def _give(self, data: bytes | bytearray | memoryview) -> None:
        """Give a message to the call."""
        session = self._session
        if session is None:
            return
        try:
            message = str(data, "utf-8") if self._is_text else bytes(data)
        except UnicodeDecodeError:
            self._protocol.fail(CloseCode.INVALID_DATA, "text that is no UTF-8")
            return
        for reply in session.feed(message):
            if self._protocol.state is State.OPEN:
                self._protocol.send_text(reply.encode())
        if session.call.stopped:
            session.end("hangup")

    def _close(self, reason: str) -> None:
        """The call is over."""
        if self._protocol.state is State.OPEN:
            code = CloseCode.POLICY_VIOLATION if reason == "fault" else CloseCode.NORMAL_CLOSURE
            self._protocol.send_close(code, reason)
        self._send_writes()
        self.close(self._server.now_s() + CLOSE_MAX_S)

    def _send_writes(self) -> None:
        """Send what the protocol wants sent; no bytes mean the end."""
        ends = False
        for data in self._protocol.data_to_send():
            ends |= not data
            self.write(data)
        if ends:
            self.close(self._server.now_s() + CLOSE_MAX_S)
