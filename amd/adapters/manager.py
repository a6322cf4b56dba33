"""Channel variables by Asterisk's manager interface (AMI), over one connection that comes back by itself.

Which channel a UUID belongs to is learnt from Asterisk's ``VarSet`` event: the dialplan has
``Set(AMDUUID=${UUID()})`` before its ``AudioSocket(${AMDUUID},...)``. Where that event was missed, since we were
not connected, all channels are asked for that variable: slower, the more calls there are. The manager's user needs
``read = dialplan`` and ``write = call``; its secret is not sent (login by MD5 challenge).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import secrets
import ssl
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from amd.adapters.addresses import check_plain
from amd.adapters.ami_wire import AmiReader, Packet, answer_challenge, check_variable, write_action
from amd.adapters.channel_variables import VariableError
from amd.errors import PolicyError, WireError

Line = dict[str, Any]
PORT: Final = 5038
READ_BYTES: Final = 65_536
CHANNELS_MAX: Final = 20_000
"""Channels that are remembered: those of the latest calls."""
UUID_CHARS: Final = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerSettings:
    """Where Asterisk's manager is.

    Parameters
    ----------
    host, port, user, secret
        As manager.conf has them; the secret is not in the repr.
    tls : ssl.SSLContext or None
        For ``tlsenable``; None: unencrypted, for this machine, or where ``insecure`` is meant.
    variable : str
        Channel variable that holds the UUID.
    answer_max_s : float
        Of connecting, and of one action.
    ping_s : float
        After so long without a word Asterisk is asked for one, and after as long again it is gone.
    wait_first_s, wait_max_s : float
        Between tries to connect: doubled each time, and shortened by up to a half by chance.
    """

    host: str = "127.0.0.1"
    port: int = PORT
    user: str
    secret: str = field(repr=False)
    tls: ssl.SSLContext | None = None
    insecure: bool = False
    variable: str = "AMDUUID"
    answer_max_s: float = 5.0
    ping_s: float = 15.0
    wait_first_s: float = 0.5
    wait_max_s: float = 30.0

    def __post_init__(self) -> None:
        check_plain(self.host, "a manager", encrypted=self.tls is not None, insecure=self.insecure)
        check_variable(self.variable, "x")
        if not self.user or {"\r", "\n", "\0"} & {*self.user}:
            raise PolicyError("a manager's user must be one line, and not empty")
        for name in ("answer_max_s", "ping_s", "wait_first_s", "wait_max_s"):
            if not 0 < getattr(self, name) <= 600:
                raise PolicyError(f"{name}={getattr(self, name)} is outside 0 to 600 s: milliseconds?")


class _LostError(VariableError):
    """The connection was lost: an action may be tried on another."""


class Manager:
    """Set channel variables over a manager connection, between `start` and `stop`.

    Parameters
    ----------
    settings : ManagerSettings
    tell : callable
        Given the lines ``manager_failing``, with a reason, and ``manager_works``.
    rng : random.Random, optional
    """

    def __init__(
        self, settings: ManagerSettings, tell: Callable[[Line], None], *, rng: random.Random | None = None
    ) -> None:
        self._settings = settings
        self._tell = tell
        self._rng = rng or random.Random()  # noqa: S311 -- it spreads tries, and hides nothing
        self._channels: OrderedDict[str, str] = OrderedDict()
        self._ids = itertools.count(1)
        self._prefix = f"amd-{secrets.token_hex(4)}"
        self._waiting: dict[str, asyncio.Future[Packet]] = {}
        self._wanted: dict[str, str] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._works = True
        self.n_connected = 0

    async def start(self) -> None:
        """Begin to connect; does not wait for it."""
        self._task = asyncio.create_task(self._keep_connected())

    async def stop(self) -> None:
        """Close the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def set_variables(self, call_id: str, variables: Mapping[str, str]) -> None:
        """Set variables of the channel whose variable holds the UUID.

        Setting is the same done twice, and so is tried on another connection when one was lost. It waits for a
        connection, for ever: whoever calls limits the time.

        Raises
        ------
        VariableError
            If no channel has it, or Asterisk refuses.
        WireError
            If a name or value would need quotes.
        """
        for name, value in variables.items():
            check_variable(name, value)
        while True:
            await self._ready.wait()
            try:
                await self._set(call_id, variables)
            except _LostError:
                continue
            return

    async def _set(self, call_id: str, variables: Mapping[str, str]) -> None:
        channel = self._channels.get(call_id) or await self._find(call_id)
        if channel is None:
            raise VariableError(f"no channel has {self._settings.variable} with the id of the call")
        for name, value in variables.items():
            answer = await self._ask("Setvar", {"Channel": channel, "Variable": name, "Value": value})
            if answer.get("response") != "Success":
                self._channels.pop(call_id, None)
                raise VariableError(
                    f"Asterisk did not set {name}: is the channel gone, or has its user no write=call?"
                )

    async def _find(self, call_id: str) -> str | None:
        """Ask all channels."""
        action_id = self._new_id()
        self._wanted[action_id] = call_id
        try:
            await self._ask(
                "Status", {"Variables": self._settings.variable}, action_id=action_id, ends="StatusComplete"
            )
        finally:
            del self._wanted[action_id]
        return self._channels.get(call_id)

    def _new_id(self) -> str:
        return f"{self._prefix}-{next(self._ids)}"

    async def _ask(
        self, action: str, fields: Mapping[str, str], *, action_id: str | None = None, ends: str | None = None
    ) -> Packet:
        """Return the answer to an action, or the event that ends its list."""
        writer = self._writer
        if writer is None:
            raise _LostError("the connection to Asterisk's manager is lost")
        action_id = action_id or self._new_id()
        key = f"{action_id} {ends or ''}"
        answer: asyncio.Future[Packet] = asyncio.get_running_loop().create_future()
        self._waiting[key] = answer
        if ends is not None:  # and a refusal comes as a response
            self._waiting.setdefault(f"{action_id} ", answer)
        try:
            writer.write(write_action(action, action_id, fields))
            async with asyncio.timeout(self._settings.answer_max_s):
                return await answer
        except TimeoutError:
            raise VariableError(f"Asterisk's manager did not answer {action} in time") from None
        finally:
            self._waiting.pop(key, None)
            self._waiting.pop(f"{action_id} ", None)

    async def _keep_connected(self) -> None:
        n_failed = 0
        while True:
            try:
                await self._connect()
            except (OSError, WireError, VariableError, TimeoutError) as error:
                reason = str(error) if isinstance(error, (WireError, VariableError)) else type(error).__name__
            else:
                reason = "Asterisk closed the connection"
            n_failed = 1 if self._works else n_failed + 1
            if self._works:
                self._works = False
                self._tell({"type": "manager_failing", "reason": reason})
            most = min(self._settings.wait_max_s, self._settings.wait_first_s * 2.0 ** min(n_failed - 1, 60))
            await asyncio.sleep(most * self._rng.uniform(0.5, 1.0))

    async def _connect(self) -> None:
        """Connect, log in, and read until the connection ends."""
        settings = self._settings
        async with asyncio.timeout(settings.answer_max_s):
            reader, writer = await asyncio.open_connection(settings.host, settings.port, ssl=settings.tls)
        self._writer = writer
        reading = asyncio.create_task(self._read(reader))
        login = asyncio.create_task(self._log_in())
        try:
            await asyncio.wait((reading, login), return_when=asyncio.FIRST_COMPLETED)
            if login.done():
                login.result()
                self._logged_in()
            await reading
        finally:
            self._ready.clear()
            self._writer = None
            for task in (reading, login):
                task.cancel()
            await asyncio.gather(reading, login, return_exceptions=True)
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(_LostError("the connection to Asterisk's manager is lost"))
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _logged_in(self) -> None:
        self.n_connected += 1
        if not self._works or self.n_connected == 1:
            self._works = True
            self._tell({"type": "manager_works"})
        self._ready.set()

    async def _log_in(self) -> None:
        settings = self._settings
        challenge = (await self._ask("Challenge", {"AuthType": "MD5"})).get("challenge")
        if challenge is None:
            raise VariableError("Asterisk's manager gave no challenge for a login by MD5")
        key = answer_challenge(challenge, settings.secret)
        login = {"AuthType": "MD5", "Username": settings.user, "Key": key, "Events": "dialplan"}
        if (await self._ask("Login", login)).get("response") != "Success":
            raise VariableError("Asterisk's manager refused the login: user and secret as in manager.conf?")

    async def _read(self, reader: asyncio.StreamReader) -> None:
        packets = AmiReader()
        asked = False
        while True:
            try:
                async with asyncio.timeout(self._settings.ping_s):
                    data = await reader.read(READ_BYTES)
            except TimeoutError:
                if asked or self._writer is None:
                    raise
                asked = True
                self._writer.write(write_action("Ping", self._new_id(), {}))
                continue
            if not data:
                return
            asked = False
            for packet in packets.feed(data):
                self._take(packet)

    def _take(self, packet: Packet) -> None:
        event, action_id = packet.get("event"), packet.get("actionid") or ""
        if event is None:
            if packet.get("eventlist") is None or packet.get("response") != "Success":
                self._answer(f"{action_id} ", packet)
        elif event == "VarSet":
            if packet.get("variable") == self._settings.variable:
                self._remember((packet.get("value") or "").lower(), packet.get("channel"))
        elif event == "Status":
            name, wanted = self._settings.variable, self._wanted.get(action_id)
            if wanted is not None and f"{name}={wanted}" in packet.all("variable"):
                self._remember(wanted, packet.get("channel"))
        else:
            self._answer(f"{action_id} {event}", packet)

    def _answer(self, key: str, packet: Packet) -> None:
        answer = self._waiting.get(key)
        if answer is not None and not answer.done():
            answer.set_result(packet)

    def _remember(self, call_id: str | None, channel: str | None) -> None:
        if call_id and channel and len(call_id) == UUID_CHARS:
            self._channels[call_id] = channel
            self._channels.move_to_end(call_id)
            if len(self._channels) > CHANNELS_MAX:
                self._channels.popitem(last=False)
