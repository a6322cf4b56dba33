"""The telephone systems and contact centres that settings can name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.exc import ArgumentError

from callback.agents import Agents
from callback.clock import Clock
from callback.dialing import Dialer
from callback.running.building import RunSettingsError, build

Environ = Mapping[str, str]
Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedAgents:
    """Agents in memory: so many for each queue."""

    count: int = 3
    handling_s: float = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """A function of one's own, ``package.module:name``, which is given ``options`` and returns the thing."""

    factory: str
    options: Mapping[str, str] = field(default_factory=dict)

    def make(self, where: str) -> Any:
        """Call it."""
        module, _, name = self.factory.partition(":")
        try:
            found = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise RunSettingsError(
                f"{where}.factory={self.factory!r} cannot be imported ({error}): need package.module:name"
            ) from None
        return found(**self.options)


def _simulated(table: Table, where: str, environ: Environ, clock: Clock) -> Dialer:
    from callback.dialers.customers import Customers, Habits, shipped_sounds  # noqa: PLC0415
    from callback.dialers.simulated import Exchange, SimulatedDialer  # noqa: PLC0415

    habits = build(Habits, table, where=where, environ=environ)
    return SimulatedDialer(Exchange(Customers(shipped_sounds(), habits).script, clock=clock))


def _ari(table: Table, where: str, environ: Environ, clock: Clock) -> Dialer:
    from callback.dialers.ari import AriDialer  # noqa: PLC0415
    from callback.dialers.ari_calls import AriCalls  # noqa: PLC0415
    from callback.dialers.ari_link import AriAccess  # noqa: PLC0415
    from callback.dialers.ari_media import MediaAddress  # noqa: PLC0415

    found = _parts(table, where, environ, access=AriAccess, calls=AriCalls, media=MediaAddress)
    return AriDialer(found["access"], found["calls"], found.get("media"), now=clock.now)


def _esl(table: Table, where: str, environ: Environ, clock: Clock) -> Dialer:
    from callback.dialers.esl import EslDialer, EslSettings  # noqa: PLC0415

    return EslDialer(build(EslSettings, table, where=where, environ=environ), now=clock.now)


def _twilio(table: Table, where: str, environ: Environ, clock: Clock) -> Dialer:
    from callback.dialers.twilio import TwilioDialer, TwilioSettings  # noqa: PLC0415

    settings = build(TwilioSettings, table, where=where, environ=environ)
    try:
        return TwilioDialer(settings, now=clock.now)
    except ArgumentError:
        raise RunSettingsError(
            f"{where}.memory is no database URL, need one like postgresql+psycopg://host/name"
        ) from None


def _own_dialer(table: Table, where: str, environ: Environ, clock: Clock) -> Dialer:  # noqa: ARG001
    made: Dialer = build(Own, table, where=where, environ=environ).make(where)
    return made


def _memory(table: Table, where: str, environ: Environ, clock: Clock, queues: Iterable[str]) -> Agents:
    from callback.live import LiveQueue  # noqa: PLC0415

    wanted = build(SimulatedAgents, table, where=where, environ=environ)
    agents = LiveQueue(clock=clock, handling_s=wanted.handling_s)
    for queue in queues:
        for number in range(1, wanted.count + 1):
            agents.add_agent(f"{queue}-agent-{number}", queue)
    return agents


def _app_queue(table: Table, where: str, environ: Environ, clock: Clock, queues: Iterable[str]) -> Agents:  # noqa: ARG001
    from callback.dialers.app_queue import AppQueue, AppQueueRules  # noqa: PLC0415
    from callback.dialers.app_queue_ami import AmiAccess  # noqa: PLC0415
    from callback.dialers.ari_link import AriAccess  # noqa: PLC0415

    found = _parts(table, where, environ, ami=AmiAccess, ari=AriAccess, rules=AppQueueRules)
    return AppQueue(found["ami"], found["ari"], found.get("rules"), now=clock.now, now_s=clock.s)


def _own_agents(table: Table, where: str, environ: Environ, clock: Clock, queues: Iterable[str]) -> Agents:  # noqa: ARG001
    made: Agents = build(Own, table, where=where, environ=environ).make(where)
    return made


DIALERS: Final[Mapping[str, Callable[..., Dialer]]] = {
    "simulated": _simulated,
    "ari": _ari,
    "esl": _esl,
    "twilio": _twilio,
    "python": _own_dialer,
}
AGENTS: Final[Mapping[str, Callable[..., Agents]]] = {
    "simulated": _memory,
    "app_queue": _app_queue,
    "python": _own_agents,
}


def _parts(table: Table, where: str, environ: Environ, **kinds: type) -> dict[str, Any]:
    """Make each part that is there; all but the last must be."""
    if unknown := table.keys() - kinds.keys():
        raise RunSettingsError(f"{where}.{min(unknown)} is unknown; there are: {', '.join(kinds)}")
    if missing := [name for name in list(kinds)[:-1] if name not in table]:
        raise RunSettingsError(f"[{where}.{missing[0]}] is missing")
    return {
        name: build(kind, table[name], where=f"{where}.{name}", environ=environ)
        for name, kind in kinds.items()
        if name in table
    }


def made(kinds: Mapping[str, Callable[..., Any]], table: Table, where: str, *more: Any) -> Any:
    """Make what a table names by its ``kind``."""
    kind = table.get("kind", "simulated")
    if kind not in kinds:
        raise RunSettingsError(f"{where}.kind={kind!r} is unknown; there are: {', '.join(kinds)}")
    return kinds[kind]({name: value for name, value in table.items() if name != "kind"}, where, *more)
