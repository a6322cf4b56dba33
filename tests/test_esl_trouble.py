"""The FreeSWITCH dialer when something goes wrong on the wire, on the switch, or with a worker."""

import asyncio
import dataclasses

import pytest
from dialer_rig import Answers, HangsUp, Mischief, Presses, Rings
from dialled import AGENT, DIAL, NUMBER, dialled, place
from fake_esl import FakeFreeSwitch
from rig_esl import FILES, EslRig
from told import Told, eventually

from callback.dialers.esl import EslDialer
from callback.dialers.esl_media import EslMedia
from callback.dialers.esl_record import uuid_of
from callback.dialing import (
    DialerDown,
    DialInDoubt,
    DialingError,
    DialRefused,
    NoMedia,
    NoSuchCall,
    Prompt,
    Up,
)
from callback.states import Outcome


def test_a_dial_given_up_while_its_order_is_on_the_way_is_not_placed():
    async def play():
        async with dialled(EslRig(), Rings()) as (rig, dialer, told):
            other = rig.another()
            await other.start(Told().tell)
            originate = dialer._switch.originate

            async def late(*args, **more):
                assert (await other.look_up(DIAL)).failed is Outcome.NETWORK
                await originate(*args, **more)

            dialer._switch.originate = late
            await place(dialer)
            assert (await told.until(DIAL, "ended")).failed is Outcome.NETWORK
            assert rig.placed(NUMBER) == 0
            await other.stop()

    asyncio.run(play())


@pytest.mark.parametrize(("mischief", "placed"), [(Mischief.LOSE_REQUEST, 0), (Mischief.LOSE_REPLY, 1)])
def test_a_lost_reply_is_in_doubt_and_looked_up(mischief, placed):
    async def play():
        async with dialled(EslRig(), Rings(), Answers(after_s=1), mischief=mischief) as (rig, dialer, _):
            with pytest.raises(DialInDoubt):
                await place(dialer)
            found = await dialer.look_up(DIAL)
            if placed:
                assert isinstance(found, Up)
            else:
                assert found.failed is Outcome.NETWORK
            with pytest.raises(DialRefused):
                await place(dialer)
            assert rig.placed(NUMBER) == placed

    asyncio.run(play())


def test_what_happened_while_the_connection_was_lost_is_told():
    async def play():
        steps = Rings(), Answers(after_s=1, sample="human-02.wav"), Presses(after_s=30)
        async with dialled(EslRig(), *steps, mischief=Mischief.DISCONNECT) as (rig, dialer, told):
            await place(dialer)
            await told.until(DIAL, "answered")
            await dialer.play(DIAL, Prompt.PRESS_ONE)
            assert len([message async for message in _some(await dialer.media(DIAL), 5)]) == 5
            await told.until(DIAL, "key_pressed")
            rig.switch.cut(0.3)
            rig.switch.hang_up(rig.switch.last[NUMBER])
            ended = await told.until(DIAL, "ended")
            assert (ended.failed, ended.talked) == (None, False)

    asyncio.run(play())


async def _some(media, n):
    for _ in range(n):
        yield await anext(media.messages)


def test_a_prompt_that_plays_while_the_connection_is_lost_is_waited_for():
    async def play():
        async with dialled(EslRig(), Answers()) as (rig, dialer, told):
            await place(dialer)
            await told.until(DIAL, "answered")
            playing = asyncio.ensure_future(dialer.play(DIAL, Prompt.MESSAGE))
            await eventually(lambda: rig.played(NUMBER) == ("message",))
            rig.switch.cut(0.3)
            await playing
            assert rig.switch.channels[uuid_of(DIAL)].values["current_application"] == "park"

    asyncio.run(play())


@pytest.mark.parametrize("mischief", [Mischief.DUPLICATE, Mischief.SHUFFLE, Mischief.LATE])
def test_events_twice_or_in_another_order_tell_one_end(mischief):
    async def play():
        steps = Rings(), Answers(after_s=0.1), Presses(after_s=0.1), HangsUp(after_s=2)
        async with dialled(EslRig(), *steps, mischief=mischief) as (_, dialer, told):
            await place(dialer)
            ended = await told.until(DIAL, "ended")
            assert (ended.failed, ended.talked) == (None, False)
            assert told.types(DIAL).count("ended") == 1
            for kind in ("ringing", "answered", "key_pressed"):
                assert len({update.source_id for update in told if update.type == kind}) <= 1

    asyncio.run(play())


def test_a_refusal_before_there_is_a_channel_is_the_network():
    async def play():
        async with dialled(EslRig(), mischief=Mischief.REJECT) as (rig, dialer, told):
            await place(dialer)
            ended = await told.until(DIAL, "ended")
            assert (ended.failed, ended.cause) == (Outcome.NETWORK, "Q.850 41")
            assert await rig.dialer.look_up(DIAL) == ended

    asyncio.run(play())


def test_a_switch_that_restarts_forgets_its_calls_and_they_are_over():
    async def play():
        async with dialled(EslRig(), Answers()) as (rig, dialer, told):
            await place(dialer)
            await told.until(DIAL, "answered")
            await dialer.bridge(DIAL, AGENT)
            rig.switch.hash.clear()
            rig.switch.channels.clear()
            rig.switch.cut(0.2)
            ended = await told.until(DIAL, "ended")
            assert (ended.failed, ended.talked, ended.cause) == (None, True, "not known to FreeSWITCH")

    asyncio.run(play())


def test_an_agent_who_was_called_for_a_customer_who_is_gone_is_hung_up():
    async def play():
        async with dialled(EslRig(), Answers()) as (rig, dialer, told):
            await place(dialer)
            await told.until(DIAL, "answered")
            ring = dialer._switch.ring

            async def late(*args, **more):
                await ring(*args, **more)
                rig.switch.hang_up(rig.switch.last[NUMBER])

            dialer._switch.ring = late
            with pytest.raises(NoSuchCall):
                await dialer.bridge(DIAL, AGENT)
            await eventually(lambda: not rig.switch.channels)

    asyncio.run(play())


@pytest.mark.parametrize("leg", ["6f0a52a5-7d0c-4a0b-9d6c-1f3d9a1c2b7e", "no/such/user"])
def test_an_agents_leg_that_is_not_there_is_told(leg):
    async def play():
        rig = EslRig()
        kind = lambda rig: EslDialer(rig.settings(agent="gone/{leg}"), now=rig.now)  # noqa: E731
        async with dialled(rig, Answers(), dialer=kind) as (rig, dialer, told):
            await place(dialer)
            await told.until(DIAL, "answered")
            with pytest.raises(DialingError, match="agent's leg"):
                await dialer.bridge(DIAL, leg)
            assert rig.on(NUMBER)

    asyncio.run(play())


@pytest.mark.parametrize("command", ["uuid_audio_stream", "uuid_audio_fork"])
def test_audio_that_does_not_come_is_no_media(command):
    async def play():
        async with dialled(EslRig(), Answers(), mischief=Mischief.NO_MEDIA) as (rig, dialer, told):
            await dialer.stop()
            deaf = EslDialer(rig.settings(media=EslMedia(wait_max_s=0.2, command=command)))
            await deaf.start(told.tell)
            await place(deaf)
            await told.until(DIAL, "answered")
            with pytest.raises(NoMedia, match="media.url" if command == "uuid_audio_stream" else "loaded"):
                await deaf.media(DIAL)
            await deaf.hang_up(DIAL)
            await deaf.stop()

    asyncio.run(play())


def test_another_worker_takes_a_call_over():
    async def play():
        async with dialled(EslRig(), Answers(sample="human-03.wav"), Presses(after_s=40)) as (rig, dialer, told):
            await place(dialer)
            await told.until(DIAL, "answered")
            await dialer.play(DIAL, Prompt.HOLD)
            await dialer.stop()
            other, heard = rig.another(), Told()
            await other.start(heard.tell)
            assert await other.look_up(DIAL) == Up(answered=True)
            assert len(await anext((await other.media(DIAL)).messages)) == 320
            await other.play(DIAL, Prompt.PRESS_ONE)
            await heard.until(DIAL, "key_pressed")
            await other.bridge(DIAL, AGENT)
            await other.hang_up(DIAL)
            assert (await heard.until(DIAL, "ended")).talked
            await other.stop()

    asyncio.run(play())


def test_a_prompt_that_is_missing_is_told():
    async def play():
        async with dialled(EslRig(), Answers()) as (rig, dialer, told):
            dialer._settings = rig.settings(prompts={**FILES, Prompt.MESSAGE: "/missing.wav"})
            await place(dialer)
            await told.until(DIAL, "answered")
            with pytest.raises(DialingError, match="FILE NOT FOUND"):
                await dialer.play(DIAL, Prompt.MESSAGE)

    asyncio.run(play())


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"password": "wrong"}, "password"),
        ({"port": 1}, "cannot be reached"),
    ],
)
def test_a_switch_that_cannot_be_reached_is_told_at_once(changes, why):
    async def play():
        async with dialled(EslRig()) as (rig, _, _):
            address = dataclasses.replace(rig.settings().address, **changes)
            with pytest.raises(DialerDown, match=why):
                await EslDialer(rig.settings(address=address)).start(Told().tell)

    asyncio.run(play())


def test_without_its_hash_the_switch_is_not_used():
    async def play():
        rig = EslRig()
        rig.switch = FakeFreeSwitch(now=rig.now, speed=rig.speed, modules=("mod_audio_stream",))
        await rig.start()
        with pytest.raises(DialerDown, match="mod_hash"):
            await rig.dialer.start(Told().tell)
        await rig.stop()

    asyncio.run(play())


def test_a_lost_switch_is_down_and_places_nothing(monkeypatch):
    monkeypatch.setattr("callback.dialers.esl_link.WAIT_MAX_S", 0.2)

    async def play():
        async with dialled(EslRig()) as (rig, dialer, _):
            rig.switch.cut(60)
            await asyncio.sleep(0.05)
            with pytest.raises(DialerDown):
                await place(dialer)
            assert rig.placed(NUMBER) == 0

    asyncio.run(play())
