"""Every dialer is tried by one suite: scenarios with a whole runner, a real store, and the real detector.

A rig (`dialer_rig.Rig`) is a dialer and the telephone system that it talks to. Those that are here are found by
their files, ``rig_*.py``.
"""

import asyncio
import importlib
import itertools
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from callback_calls import number
from callback_world import play, rules
from dialer_rig import Answers, Fails, HangsUp, Mischief, Presses, Rings

from callback.dialing import DialerDown, NoSuchCall
from callback.errors import IllegalTransition
from callback.screening import Plan
from callback.states import IN_CALL, Outcome, Reason, State


def rigs():
    """Return the class of each rig there is."""
    found = []
    for path in sorted(Path(__file__).parent.glob("rig_*.py")):
        module = importlib.import_module(path.stem)
        found += [
            pytest.param(kind, id=path.stem.removeprefix("rig_"))
            for name, kind in vars(module).items()
            if name.endswith("Rig") and hasattr(kind, "fakes") and kind.__module__ == path.stem
        ]
    return found


RIGS = rigs()
SLOWER = 4.0
NUMBER = number(1)
RING = Rings(after_s=1.0)
LATE_S = 150.0
"""Nobody waits so long: the scenario ends the talks, so that a slow computer is no impatient customer."""
HUMAN = (RING, Answers(after_s=2.0, sample="human-02.wav"), HangsUp(after_s=LATE_S))
MACHINE = (RING, Answers(after_s=2.0, sample="machine-01.wav"), HangsUp(after_s=LATE_S))
NO_BEEP = (RING, Answers(after_s=2.0, sample="machine-04.wav"), HangsUp(after_s=LATE_S))
SILENT = (RING, Answers(after_s=2.0), HangsUp(after_s=LATE_S))
MESSAGE = Plan(message=True)
PATIENT = Plan(press_wait_s=40.0)


def fails(outcome):
    return (RING, Fails(after_s=1.0, outcome=outcome))


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What happens, and what is to come of it.

    ``calls`` are the scripts of the calls, ``mischief`` goes wrong with the first. ``at`` and ``do`` say in which
    phase the world is meddled with, and how. ``busy_s``: the only agent is busy for so long.
    """

    calls: tuple
    state: State
    outcomes: tuple
    mischief: Mischief | None = None
    attempts_max: int = 1
    lease_s: float = 60.0
    plan: Plan = field(default_factory=Plan)
    answer_s: float = 2.0
    ring_max_s: float = 30.0
    busy_s: float = 0.0
    at: str = ""
    do: str = ""
    or_outcomes: tuple = ()
    talk_until: str = "connected"
    placed: int | None = None
    played: tuple | None = None
    reason: Reason | None = None
    message: str | None = None


COMPLETED, EXHAUSTED = State.COMPLETED, State.EXHAUSTED
CANCELLED, UNDELIVERABLE = State.CANCELLED, State.UNDELIVERABLE
O = Outcome  # noqa: E741

SCENARIOS = {
    # what comes of a call that is not answered
    "busy": Scenario(calls=(fails(O.BUSY),), state=EXHAUSTED, outcomes=(O.BUSY,)),
    "no answer": Scenario(calls=(fails(O.NO_ANSWER),), state=EXHAUSTED, outcomes=(O.NO_ANSWER,)),
    "rings out": Scenario(calls=((RING,),), ring_max_s=8.0, state=EXHAUSTED, outcomes=(O.NO_ANSWER,)),
    "refused": Scenario(calls=(fails(O.REFUSED),), state=EXHAUSTED, outcomes=(O.REFUSED,)),
    "refused once": Scenario(
        calls=(fails(O.REFUSED), HUMAN), attempts_max=3, state=COMPLETED, outcomes=(O.REFUSED, O.HUMAN)
    ),
    "bad number": Scenario(
        calls=(fails(O.BAD_NUMBER),),
        attempts_max=3,
        state=UNDELIVERABLE,
        outcomes=(O.BAD_NUMBER,),
        reason=Reason.BAD_NUMBER,
    ),
    "suppressed": Scenario(
        calls=(fails(O.SUPPRESSED),),
        attempts_max=3,
        state=UNDELIVERABLE,
        outcomes=(O.SUPPRESSED,),
        reason=Reason.SUPPRESSED,
    ),
    "carrier fails once": Scenario(
        calls=((Fails(outcome=O.NETWORK),), HUMAN), state=COMPLETED, outcomes=(O.NETWORK, O.HUMAN)
    ),
    "carrier fails for good": Scenario(
        calls=((Fails(outcome=O.NETWORK),),) * 3,
        state=EXHAUSTED,
        outcomes=(O.NETWORK,) * 3,
        reason=Reason.FAILURES_SPENT,
    ),
    "busy, then a person": Scenario(
        calls=(fails(O.BUSY), HUMAN), attempts_max=2, state=COMPLETED, outcomes=(O.BUSY, O.HUMAN)
    ),
    # who or what answers
    "human": Scenario(calls=(HUMAN,), state=COMPLETED, outcomes=(O.HUMAN,), played=("hold",)),
    "human, for a business": Scenario(
        calls=((RING, Answers(after_s=1.0, sample="human-05.wav"), HangsUp(after_s=LATE_S)),),
        state=COMPLETED,
        outcomes=(O.HUMAN,),
    ),
    "machine": Scenario(calls=(MACHINE,), state=EXHAUSTED, outcomes=(O.MACHINE,), played=()),
    "machine without a beep": Scenario(calls=(NO_BEEP,), state=EXHAUSTED, outcomes=(O.MACHINE,)),
    "machine, then a person": Scenario(
        calls=(MACHINE, HUMAN), attempts_max=2, state=COMPLETED, outcomes=(O.MACHINE, O.HUMAN)
    ),
    "fax": Scenario(
        calls=((RING, Answers(after_s=1.0, sample="fax-01.wav"), HangsUp(after_s=LATE_S)),),
        state=EXHAUSTED,
        outcomes=(O.FAX,),
    ),
    "no such number, by its tones": Scenario(
        calls=((RING, Answers(after_s=1.0, sample="network-02.wav"), HangsUp(after_s=LATE_S)),),
        attempts_max=2,
        state=UNDELIVERABLE,
        outcomes=(O.BAD_NUMBER,),
    ),
    "busy, by its tone": Scenario(
        calls=((RING, Answers(after_s=1.0, sample="network-03.wav"), HangsUp(after_s=LATE_S)),),
        state=EXHAUSTED,
        outcomes=(O.BUSY,),
    ),
    "silence": Scenario(calls=(SILENT,), state=EXHAUSTED, outcomes=(O.UNSURE,), played=("press_one",)),
    "silence, and a key": Scenario(
        calls=((RING, Answers(after_s=2.0), Presses(after_s=20.0), HangsUp(after_s=LATE_S)),),
        plan=PATIENT,
        state=COMPLETED,
        outcomes=(O.HUMAN,),
        played=("press_one", "hold"),
    ),
    "no media, and a key": Scenario(
        calls=((RING, Answers(after_s=2.0), Presses(after_s=15.0), HangsUp(after_s=LATE_S)),),
        plan=PATIENT,
        mischief=Mischief.NO_MEDIA,
        state=COMPLETED,
        outcomes=(O.HUMAN,),
        played=("press_one", "hold"),
    ),
    "no media": Scenario(
        calls=(MACHINE,),
        mischief=Mischief.NO_MEDIA,
        state=EXHAUSTED,
        outcomes=(O.UNSURE,),
        played=("press_one",),
    ),
    # messages
    "message after the beep": Scenario(
        calls=(MACHINE,),
        plan=MESSAGE,
        state=EXHAUSTED,
        outcomes=(O.MACHINE,),
        played=("message",),
        message="left",
    ),
    "message after silence": Scenario(
        calls=(NO_BEEP,), plan=MESSAGE, state=EXHAUSTED, outcomes=(O.MACHINE,), played=("message",), message="left"
    ),
    "one message for all calls": Scenario(
        calls=(MACHINE, MACHINE),
        plan=MESSAGE,
        attempts_max=2,
        state=EXHAUSTED,
        outcomes=(O.MACHINE, O.MACHINE),
        played=(),
    ),
    "no message for a person": Scenario(
        calls=(HUMAN,), plan=MESSAGE, state=COMPLETED, outcomes=(O.HUMAN,), played=("hold",)
    ),
    "the machine hangs up during the message": Scenario(
        calls=((RING, Answers(after_s=1.0, sample="machine-01.wav"), HangsUp(after_s=9.0)),),
        plan=MESSAGE,
        state=EXHAUSTED,
        outcomes=(O.MACHINE,),
        played=("message",),
        message="cut off",
    ),
    # the customer hangs up
    "hangs up before a word": Scenario(
        calls=((RING, Answers(after_s=2.0, sample="human-09.wav"), HangsUp(after_s=1.5)),),
        state=EXHAUSTED,
        outcomes=(O.UNSURE,),
    ),
    "hangs up while asked": Scenario(
        calls=((RING, Answers(after_s=2.0), HangsUp(after_s=20.0)),),
        plan=PATIENT,
        state=EXHAUSTED,
        outcomes=(O.UNSURE,),
        played=("press_one",),
    ),
    "hangs up on hold": Scenario(
        calls=((RING, Answers(after_s=1.0, sample="human-02.wav"), HangsUp(after_s=15.0)), HUMAN),
        attempts_max=2,
        busy_s=35.0,
        state=COMPLETED,
        outcomes=(O.HUMAN, O.HUMAN),
    ),
    "hangs up while an agent is asked": Scenario(
        calls=((RING, Answers(after_s=1.0, sample="human-02.wav"), HangsUp(after_s=15.0)), HUMAN),
        attempts_max=2,
        answer_s=25.0,
        state=COMPLETED,
        outcomes=(O.HUMAN, O.HUMAN),
    ),
    # the callback is given up
    "cancelled while it rings": Scenario(
        calls=((RING,),), at="ringing", do="cancel", state=CANCELLED, outcomes=(None,)
    ),
    "cancelled while screened": Scenario(
        calls=(SILENT,), at="screening", do="cancel", state=CANCELLED, outcomes=(None,)
    ),
    "cancelled on hold": Scenario(
        calls=(HUMAN,), busy_s=25.0, at="holding", do="cancel", state=CANCELLED, outcomes=(None,)
    ),
    "cancelled while an agent is asked": Scenario(
        calls=(HUMAN,), answer_s=20.0, at="offered", do="cancel", state=CANCELLED, outcomes=(None,)
    ),
    "cancelled while they talk": Scenario(
        calls=(HUMAN,), at="talking", do="cancel in vain", state=COMPLETED, outcomes=(O.HUMAN,)
    ),
    # what goes wrong on the wire
    "the request is lost": Scenario(
        calls=(HUMAN, HUMAN),
        mischief=Mischief.LOSE_REQUEST,
        lease_s=10.0,
        state=COMPLETED,
        outcomes=(O.NETWORK, O.HUMAN),
        placed=1,
    ),
    "the reply is lost, a person answers": Scenario(
        calls=(HUMAN,), mischief=Mischief.LOSE_REPLY, state=COMPLETED, outcomes=(O.HUMAN,)
    ),
    "the reply is lost, it is busy": Scenario(
        calls=(fails(O.BUSY),), mischief=Mischief.LOSE_REPLY, state=EXHAUSTED, outcomes=(O.BUSY,)
    ),
    "not placed": Scenario(
        calls=(HUMAN, HUMAN),
        mischief=Mischief.REJECT,
        state=COMPLETED,
        outcomes=(O.NETWORK, O.HUMAN),
        placed=None,
    ),
    "all is told twice, a person": Scenario(
        calls=(HUMAN,), mischief=Mischief.DUPLICATE, state=COMPLETED, outcomes=(O.HUMAN,)
    ),
    "all is told twice, it is busy": Scenario(
        calls=(fails(O.BUSY), HUMAN),
        attempts_max=2,
        mischief=Mischief.DUPLICATE,
        state=COMPLETED,
        outcomes=(O.BUSY, O.HUMAN),
    ),
    "told in another order": Scenario(
        calls=(HUMAN,), mischief=Mischief.SHUFFLE, state=COMPLETED, outcomes=(O.HUMAN,)
    ),
    "the end is told first": Scenario(
        calls=(fails(O.BUSY), HUMAN),
        attempts_max=2,
        mischief=Mischief.LATE,
        state=COMPLETED,
        outcomes=(O.BUSY, O.HUMAN),
    ),
    "away while a person answers": Scenario(
        calls=(HUMAN,), mischief=Mischief.DISCONNECT, state=COMPLETED, outcomes=(O.HUMAN,)
    ),
    "away while it is busy": Scenario(
        calls=(fails(O.BUSY),), mischief=Mischief.DISCONNECT, state=EXHAUSTED, outcomes=(O.BUSY,)
    ),
    # a worker dies, and another goes on
    "killed before it is placed": Scenario(
        calls=(HUMAN,),
        at="frozen before",
        do="kill",
        lease_s=10.0,
        state=COMPLETED,
        outcomes=(O.NETWORK, O.HUMAN),
        placed=1,
    ),
    "killed when it is placed": Scenario(
        calls=(HUMAN,), at="frozen after", do="kill", lease_s=10.0, state=COMPLETED, outcomes=(O.HUMAN,)
    ),
    "killed while it rings": Scenario(
        calls=((RING, Answers(after_s=20.0, sample="human-02.wav"), HangsUp(after_s=LATE_S)),),
        ring_max_s=60.0,
        at="ringing",
        do="kill",
        lease_s=10.0,
        state=COMPLETED,
        outcomes=(O.HUMAN,),
    ),
    "killed while it is screened": Scenario(
        calls=((RING, Answers(after_s=2.0), Presses(after_s=50.0), HangsUp(after_s=LATE_S)),),
        plan=PATIENT,
        at="screening",
        do="kill",
        lease_s=10.0,
        state=COMPLETED,
        outcomes=(O.HUMAN,),
    ),
    "killed on hold": Scenario(
        calls=(HUMAN,), busy_s=25.0, at="holding", do="kill", lease_s=10.0, state=COMPLETED, outcomes=(O.HUMAN,)
    ),
    "killed while an agent is asked": Scenario(
        calls=(HUMAN,), answer_s=10.0, at="offered", do="kill", lease_s=10.0, state=COMPLETED, outcomes=(O.HUMAN,)
    ),
    "killed while they talk": Scenario(
        calls=(HUMAN,),
        at="talking",
        do="kill",
        lease_s=10.0,
        talk_until="lease_lost",
        state=COMPLETED,
        outcomes=(O.HUMAN,),
    ),
    # the talk that was to be does not come about
    "hangs up between the agent's word and the bridge": Scenario(
        calls=((RING, Answers(after_s=1.0, sample="human-02.wav"), HangsUp(after_s=20.0)), HUMAN),
        attempts_max=2,
        at="frozen bridge",
        do="wait for the end",
        state=COMPLETED,
        outcomes=(O.HUMAN, O.HUMAN),
    ),
    "the agent is gone before the bridge": Scenario(
        calls=(HUMAN,), at="frozen bridge", do="lose the agent", state=COMPLETED, outcomes=(O.HUMAN,)
    ),
    "killed between the agent's word and the bridge": Scenario(
        calls=((RING, Answers(after_s=1.0, sample="human-02.wav"), HangsUp(after_s=35.0)), HUMAN),
        attempts_max=2,
        at="frozen bridge",
        do="kill",
        lease_s=10.0,
        state=COMPLETED,
        outcomes=(O.HUMAN,),
        or_outcomes=(O.HUMAN, O.HUMAN),  # where nothing says whether they are bridged
    ),
    # a worker ends
    "drained while it rings": Scenario(
        calls=(HUMAN,), at="ringing", do="drain", state=COMPLETED, outcomes=(O.HUMAN,)
    ),
    "handed over on hold": Scenario(
        calls=(HUMAN,),
        busy_s=25.0,
        at="holding",
        do="hand over",
        lease_s=10.0,
        state=COMPLETED,
        outcomes=(O.HUMAN,),
    ),
}

PHASES = {
    "ringing": lambda world: world.get().state is State.DIALING and world.rig.on(NUMBER),
    "screening": lambda world: world.get().state is State.DETECTING,
    "holding": lambda world: world.get().state is State.REJOINED,
    "offered": lambda world: world.get().state is State.OFFERED,
    "talking": lambda world: world.get().state is State.CONNECTED and world.rig.bridged(NUMBER),
    "frozen before": lambda world: world.frozen.there.is_set(),
    "frozen after": lambda world: world.frozen.there.is_set(),
    "frozen bridge": lambda world: world.frozen.there.is_set(),
}


class Frozen:
    """A dialer of which one method stands still until told to go on."""

    def __init__(self, dialer, where):
        self._dialer = dialer
        self._where = where
        self.there = asyncio.Event()
        self.go_on = asyncio.Event()
        self.fails = False

    def __getattr__(self, name):
        return getattr(self._dialer, name)

    async def _stand(self):
        self.there.set()
        await self.go_on.wait()
        if self.fails:
            self.fails = False
            raise NoSuchCall("the agent's end is gone")

    async def originate(self, placing):
        if self._where == "frozen before":
            await self._stand()
        await self._dialer.originate(placing)
        if self._where == "frozen after":
            await self._stand()

    async def bridge(self, dial_id, leg):
        if self._where == "frozen bridge":
            await self._stand()
        await self._dialer.bridge(dial_id, leg)


async def end_the_talk(world, event, meddled):
    """Hang up on customer and agent once they talk, as either of them would."""
    await world.until(lambda: PHASES["talking"](world) and event in world.log() and meddled.is_set(), "a talk")
    dial = world.get().dial
    while dial is not None and world.rig.on(NUMBER):
        with suppress(DialerDown):
            await world.runners[-1].desk.dialer.hang_up(dial.id)
        await asyncio.sleep(0.05)


async def meddle(world, do):
    booked = world.booked[0]
    if do == "cancel":
        world.service.cancel(booked.id, now=world.clock.now())
    elif do == "cancel in vain":
        with pytest.raises(IllegalTransition):
            world.service.cancel(booked.id, now=world.clock.now())
    elif do == "kill":
        await world.kill()
        await world.run(world.rig.another())
    elif do == "drain":
        await world.runners[-1].drain(grace_s=300.0)
        assert world.get().state is State.COMPLETED  # what was on is finished
    elif do == "wait for the end":
        await world.until(lambda: not world.rig.on(NUMBER), "the end of the call")
        world.frozen.go_on.set()
    elif do == "lose the agent":
        world.frozen.fails = True
        world.frozen.go_on.set()
    elif do == "hand over":
        await world.runners[-1].drain(grace_s=0.0)
        await world.run(world.rig.another())


def over(world):
    callback = world.get()
    return callback.ended and callback.dial is None and not world.rig.on(NUMBER)


async def act(world, scenario):
    mischiefs = (scenario.mischief, *[None] * len(scenario.calls))
    for script, mischief in zip(scenario.calls, mischiefs, strict=False):
        world.rig.will(NUMBER, *script, mischief=mischief)
    world.agents.add_agent("a-1", "sales")
    if scenario.busy_s:
        world.busy(scenario.busy_s)
    key = world.book().booking.key
    world.frozen = Frozen(world.rig.dialer, scenario.at)
    await world.run(world.frozen)
    meddled = asyncio.Event()
    ending = asyncio.ensure_future(end_the_talk(world, scenario.talk_until, meddled))
    if scenario.at != "talking":
        meddled.set()
    if scenario.at:
        await world.until(lambda: PHASES[scenario.at](world), scenario.at)
        await meddle(world, scenario.do)
        meddled.set()
    await world.until(lambda: over(world), "the end")
    ending.cancel()

    callback, attempts = world.get(), world.attempts()
    assert callback.booking.key == key  # the place was kept
    assert callback.state is scenario.state
    outcomes = tuple(one.outcome for one in attempts)
    assert outcomes in {scenario.outcomes, scenario.or_outcomes or scenario.outcomes}
    if scenario.reason is not None:
        assert callback.reason is scenario.reason
    expected = len(outcomes) if scenario.placed is None else scenario.placed
    if scenario.mischief is not Mischief.REJECT:  # a call that was refused may count as placed, or not
        assert world.rig.placed(NUMBER) == expected
    for one, after in itertools.pairwise(attempts):
        assert one.ended_at <= after.started_at  # never two at once
    assert world.agents.without_person == []
    assert world.rig.bridged(NUMBER) is (scenario.state is COMPLETED)
    if scenario.played is not None:
        assert world.rig.played(NUMBER) == scenario.played
    if scenario.message is not None:
        assert f'"message":"{scenario.message}"' in attempts[-1].evidence
    await world.until(world.agents.idle, "an agent who is free again")


@pytest.mark.parametrize("kind", RIGS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(kind, name, tmp_path):
    """Scenarios run many times as fast as life; what fails then, on a busy machine, is played slower."""
    scenario = SCENARIOS[name]
    if scenario.mischief is not None and scenario.mischief not in kind.fakes:
        pytest.skip(f"this telephone system cannot do this wrong: {scenario.mischief}")
    try:
        played(kind(), scenario, tmp_path / "callbacks.db")
    except AssertionError:
        slower = type(kind.__name__, (kind,), {"speed": kind.speed / SLOWER})
        played(slower(), scenario, tmp_path / "slower.db")


def played(rig, scenario, database):
    asyncio.run(
        play(
            rig,
            str(database),
            lambda world: act(world, scenario),
            rules=rules(attempts_max=scenario.attempts_max, lease_s=scenario.lease_s),
            plan=scenario.plan,
            answer_s=scenario.answer_s,
            ring_max_s=scenario.ring_max_s,
        )
    )


def test_every_state_of_a_call_is_met():
    assert {State.DIALING, State.DETECTING, State.REJOINED, State.OFFERED, State.CONNECTED} < IN_CALL
    assert len(SCENARIOS) >= 40
