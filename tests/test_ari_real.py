"""The ARI dialer and the app_queue adapter on a real Asterisk, where there is one: see ``rig_asterisk.py``."""

import asyncio
import time

import numpy as np
import pytest
from callback_calls import NOON
from dialer_rig import Answers, Fails, HangsUp, Presses, Rings
from fake_ari_world import audio_of
from rig_asterisk import HOST, RealAsterisk, access, manager
from test_ari import NUMBER, placing, started, until
from wire import audio_of as audio_in

from amd.adapters.audiosocket import AudioSocketDecoder
from callback.clock import Clock
from callback.dialers.app_queue import ALONE_S, AppQueue, AppQueueRules
from callback.dialing import Answered, DialRefused, Ended, KeyPressed, Prompt, Ringing, Up
from callback.planning import Rules
from callback.runner import Campaign, Runner
from callback.service import CallbackService
from callback.states import Outcome, State
from callback.store import Store

pytestmark = pytest.mark.skipif(not HOST, reason="no Asterisk here: tests/rig_asterisk.py says how")
FAILED = (Outcome.BUSY, Outcome.NO_ANSWER, Outcome.NETWORK, Outcome.BAD_NUMBER, Outcome.REFUSED)
AGENT = "Local/1001@agents"


def run(scenario) -> None:
    async def main() -> None:
        rig = RealAsterisk()
        await rig.start()
        try:
            async with started(rig.dialer) as told:
                await scenario(rig, rig.dialer, told)
        finally:
            await rig.stop()

    asyncio.run(main())


def dialled(name: str):
    """A dial id that this Asterisk has not seen."""
    return placing(f"{name}-{time.time_ns()}", ring_max_s=20.0)


def likeness(heard, word) -> float:
    """How like a piece of what was heard is to a word; Asterisk's audio can slip by a frame between words."""
    pieces = np.lib.stride_tricks.sliding_window_view(heard, len(word))
    return (pieces @ word / (np.linalg.norm(pieces, axis=1) * np.linalg.norm(word) + 1)).max()


async def left_behind(rig) -> list[str]:
    channels = (await rig.link.ask("GET", "channels")).body
    bridges = (await rig.link.ask("GET", "bridges")).body
    names = [channel["name"] + channel["id"] for channel in channels]
    return [name for name in [*names, *(bridge["name"] for bridge in bridges)] if rig.run in name]


@pytest.mark.parametrize("outcome", FAILED)
@pytest.mark.parametrize("rings", [True, False])
def test_a_failure_is_told_with_its_class(outcome, rings):
    async def scenario(rig, dialer, told):
        call = dialled("fails")
        rig.will(NUMBER, *([Rings()] if rings else []), Fails(after_s=0.3, outcome=outcome))
        await dialer.originate(call)
        assert (await told.first(Ended)).failed is outcome
        assert bool(told.of(Ringing)) is rings
        with pytest.raises(DialRefused):
            await dialer.originate(call)

    run(scenario)


def test_a_call_is_heard_prompted_and_bridged_and_leaves_nothing():
    async def scenario(rig, dialer, told):
        call = dialled("talks")
        rig.will(NUMBER, Rings(), Answers(after_s=0.5, sample="human-01"), Presses(after_s=6))
        await dialer.originate(call)
        await told.first(Answered)
        media = await dialer.media(call.dial_id)
        decoder, events = AudioSocketDecoder(), []

        async def hear():
            async for message in media.messages:
                events.extend(decoder.feed(message))

        hearing = asyncio.create_task(hear())
        await told.first(KeyPressed)
        heard = np.frombuffer(audio_in(events), "<i2").astype(float)
        said = np.frombuffer(audio_of("human-01"), "<i2").astype(float)
        assert max(likeness(heard, said[at : at + 1_500]) for at in (5_500, 7_000, 8_500)) > 0.9
        begun = len(events)
        await dialer.play(call.dial_id, Prompt.PRESS_ONE)
        await dialer.play(call.dial_id, Prompt.HOLD)
        await until(lambda: len(audio_in(events[begun:])) > 32_000)
        ours = np.frombuffer(audio_in(events[begun:]), "<i2").astype(float)
        assert np.sqrt(np.mean(ours**2)) < 100  # nothing of our own tones, which have 2100
        await dialer.bridge(call.dial_id, "agent")
        await hearing
        assert await dialer.look_up(call.dial_id) == Up(answered=True, bridged=True)
        await dialer._link.ask("DELETE", "channels", f"agent.{rig.run}")  # the agent hangs up
        ended = await told.first(Ended)
        assert (ended.failed, ended.talked) == (None, True)
        await asyncio.gather(*dialer._tasks)
        assert await left_behind(rig) == []
        other = rig.another()
        async with started(other):
            found = await other.look_up(call.dial_id)
            assert (found.failed, found.talked) == (None, True)

    run(scenario)


def test_a_call_outlives_its_worker_before_it_is_answered():
    async def scenario(rig, dialer, told):
        call = dialled("outlives")
        rig.will(NUMBER, Rings(), Answers(after_s=3))
        await dialer.originate(call)
        await told.first(Ringing)
        await dialer.stop()
        other = rig.another()
        async with started(other) as told_other:
            assert await other.look_up(call.dial_id) == Up(answered=False, bridged=False)
            await told_other.first(Answered)
            await other.hang_up(call.dial_id)
            assert (await told_other.first(Ended)).failed is None

    run(scenario)


@pytest.mark.parametrize(
    ("steps", "failed"),
    [
        ((Rings(), Fails(after_s=0.5, outcome=Outcome.BUSY)), Outcome.BUSY),
        ((Answers(), HangsUp(after_s=0.5)), None),
    ],
)
def test_why_a_call_ended_is_kept_for_who_did_not_listen(steps, failed):
    async def scenario(rig, dialer, _):
        call = dialled("unheard")
        rig.will(NUMBER, *steps)
        await dialer.originate(call)
        await dialer.stop()
        await until(lambda: rig.placed(NUMBER) and not rig.on(NUMBER))
        other = rig.another()
        async with started(other):
            ended = await other.look_up(call.dial_id)
            assert (ended.failed, ended.talked) == (failed, False)
            assert ended.cause.startswith("Q.850 ")

    run(scenario)


def test_a_callback_from_booking_to_talk(tmp_path):
    async def scenario(rig, *_):
        rig.will(NUMBER, Rings(), Answers(after_s=1, sample="human-02"), HangsUp(after_s=20))
        store = Store(str(tmp_path / "callbacks.db"))
        store.migrate()
        service = CallbackService(store, Rules(region="US"))
        clock = Clock(start=NOON)
        agents = AppQueue(manager(), access(f"agents-{rig.run}"), AppQueueRules(offer_max_s=10.0))
        runner = Runner(service, rig.another(), agents, [Campaign(queue="sales")], clock=clock)
        await agents.start()
        try:
            booked = service.book(NUMBER, queue="sales", now=clock.now()).booking.id
            await runner.start()
            async with asyncio.timeout(60):
                while not service.get(booked).ended:
                    await asyncio.sleep(0.2)
            assert service.get(booked).state is State.COMPLETED
            assert rig.bridged(NUMBER)
            assert rig.played(NUMBER) == ("hold",)
            async with asyncio.timeout(20):
                while (await agents.staffing("sales")).free != (AGENT,):
                    await asyncio.sleep(0.2)
        finally:
            await runner.stop()
            await agents.stop()
            store.close()

    run(scenario)


def test_agents_of_app_queue():
    async def scenario(rig, *_):
        now_s = 0.0
        rules = AppQueueRules(queues={"empty": "empty"}, offer_max_s=5.0)
        agents = AppQueue(manager(), access(f"agents-{rig.run}"), rules, now_s=lambda: now_s)
        dying = AppQueue(manager(), access(f"dying-{rig.run}"), rules)
        await agents.start()
        await dying.start()
        try:
            assert (await agents.staffing("sales")).free == (AGENT,)
            assert await agents.offer(AGENT, queue="sales", callback_id=rig.run, dial_id="d") is not None
            staffing = await agents.staffing("support")
            assert (staffing.free, staffing.n_busy) == ((), 1)
            await agents.over(AGENT, callback_id=rig.run)
            assert (await agents.staffing("support")).free == (AGENT,)

            for name in ("first", "second"):
                body = {"endpoint": "Local/s@callers", "app": rig.app, "timeout": 5}
                await rig.link.ask_once("channels", f"{name}.{rig.run}", body=body)
                await asyncio.sleep(1.1)
            live = (await agents.staffing("empty")).live
            assert len(live) == 2
            assert live[0].place < live[1].place

            assert await dying.offer(AGENT, queue="sales", callback_id=f"x{rig.run}", dial_id="d") is not None
            await dying.stop()
            assert (await agents.staffing("sales")).free == ()
            now_s = ALONE_S
            await agents.staffing("sales")
            assert (await agents.staffing("sales")).free == (AGENT,)
        finally:
            await dying.stop()
            await agents.stop()

    run(scenario)
