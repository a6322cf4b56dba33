"""The Twilio dialer against a fake Twilio on loopback: every call is placed once, and its end is told."""

import asyncio

import pytest
from amd_twilio import heard
from dialer_rig import Answers, Fails, HangsUp, Mischief, Presses, Rings
from dialled import AGENT, DIAL, NUMBER, dialled, place
from fake_twilio import TOKEN
from rig_twilio import TwilioRig
from told import Told, eventually

from callback.dialing import (
    DialRefused,
    NoSuchCall,
    Prompt,
    Up,
)
from callback.states import Outcome

FAILURES = [
    (Outcome.BUSY, "SIP 486"),
    (Outcome.NO_ANSWER, "SIP 480"),
    (Outcome.NETWORK, "SIP 503"),
    (Outcome.BAD_NUMBER, "SIP 404"),
    (Outcome.REFUSED, "SIP 603"),
    (Outcome.SUPPRESSED, "SIP 607"),
]


@pytest.mark.parametrize(("outcome", "cause"), FAILURES)
def test_a_call_that_is_not_answered_is_told_with_its_cause(outcome, cause):
    async def play():
        async with dialled(TwilioRig(), Rings(), Fails(after_s=1, outcome=outcome)) as (rig, dialer, told):
            await place(dialer)
            ended = await told.until(DIAL, "ended")
            assert (ended.failed, ended.cause, ended.talked) == (outcome, cause, False)
            assert told.types(DIAL) == ["ringing", "ended"]
            assert rig.placed(NUMBER) == 1
            assert await dialer.look_up(DIAL) == ended

    asyncio.run(play())


def test_a_call_that_rings_out_is_no_answer():
    async def play():
        async with dialled(TwilioRig(), Rings()) as (rig, dialer, told):
            await place(dialer, ring_max_s=4.2)
            assert (await told.until(DIAL, "ended")).failed is Outcome.NO_ANSWER
            assert rig.twilio.last[NUMBER].form["Timeout"] == "5"

    asyncio.run(play())


def test_from_answer_to_agent():
    async def play():
        steps = Rings(after_s=0.5), Answers(after_s=1, sample="human-01.wav"), Presses(after_s=30, key="#")
        async with dialled(TwilioRig(), *steps) as (rig, dialer, told):
            await place(dialer)
            await told.until(DIAL, "answered")
            media = await dialer.media(DIAL)
            messages = [await anext(media.messages) for _ in range(22)]
            assert media.system == "twilio"
            assert heard(messages) == heard(None, sample="human-01.wav", n=20)  # from the first frame on
            await dialer.play(DIAL, Prompt.PRESS_ONE)
            assert (await told.until(DIAL, "key_pressed")).key == "#"
            await dialer.play(DIAL, Prompt.HOLD)
            await eventually(lambda: rig.played(NUMBER) == ("press_one", "hold"))
            await dialer.bridge(DIAL, AGENT)
            assert rig.bridged(NUMBER)
            assert not rig.twilio.last[NUMBER].streams  # nobody listens any more
            assert await dialer.look_up(DIAL) == Up(answered=True)
            await dialer.hang_up(DIAL)
            ended = await told.until(DIAL, "ended")
            assert (ended.failed, ended.talked, ended.cause) == (None, True, "Twilio completed")

    asyncio.run(play())


def test_a_key_during_the_prompt_ends_it():
    async def play():
        async with dialled(TwilioRig(), Answers(), Presses(after_s=2)) as (_, dialer, told):
            await place(dialer)
            await told.until(DIAL, "answered")
            await dialer.play(DIAL, Prompt.PRESS_ONE)
            assert (await told.until(DIAL, "key_pressed")).key == "1"

    asyncio.run(play())


def test_audio_goes_on_until_the_customer_hangs_up_and_no_longer():
    async def play():
        steps = Answers(after_s=0.1, sample="machine-01.wav"), HangsUp(after_s=10)
        async with dialled(TwilioRig(), *steps) as (_, dialer, told):
            await place(dialer)
            await told.until(DIAL, "answered")
            media = await dialer.media(DIAL)
            n_messages = 0
            async for message in media.messages:
                assert isinstance(message, str)
                n_messages += 1
            assert n_messages > 100
            await told.until(DIAL, "ended")
            with pytest.raises(NoSuchCall, match="over"):
                await dialer.media(DIAL)

    asyncio.run(play())


def test_nobody_is_called_twice():
    async def play():
        async with dialled(TwilioRig(), Rings(), Fails(after_s=1, outcome=Outcome.BUSY)) as (rig, dialer, told):
            other = rig.another()
            await other.start(Told().tell)
            await place(dialer)
            for one in (dialer, other):
                with pytest.raises(DialRefused, match=DIAL):
                    await place(one)
            await told.until(DIAL, "ended")
            with pytest.raises(DialRefused, match=DIAL):
                await place(other)
            assert rig.placed(NUMBER) == 1
            await other.stop()

    asyncio.run(play())


def test_what_was_given_up_is_not_placed_by_anyone():
    async def play():
        async with dialled(TwilioRig(), Rings()) as (rig, dialer, _):
            other = rig.another()
            await other.start(Told().tell)
            ended = await other.look_up(DIAL)
            assert (ended.failed, ended.talked) == (Outcome.NETWORK, False)
            await other.hang_up("d-2")
            for dial_id in (DIAL, "d-2"):
                with pytest.raises(DialRefused, match=dial_id):
                    await place(dialer, dial_id=dial_id)
            assert rig.placed(NUMBER) == 0
            await other.stop()

    asyncio.run(play())


@pytest.mark.parametrize("leg", ["client:agent_7", "sip:agent@example.org", "+12025550177", "conference:a-7"])
def test_an_agent_may_be_reached_in_four_ways(leg):
    async def play():
        async with dialled(TwilioRig(), Answers()) as (rig, dialer, told):
            await place(dialer)
            await told.until(DIAL, "answered")
            await dialer.bridge(DIAL, leg)
            assert rig.bridged(NUMBER)

    asyncio.run(play())


def test_a_call_that_is_gone_cannot_be_used():
    async def play():
        async with dialled(TwilioRig()) as (_, dialer, _):
            for use in (dialer.media(DIAL), dialer.play(DIAL, Prompt.HOLD), dialer.bridge(DIAL, AGENT)):
                with pytest.raises(NoSuchCall):
                    await use

    asyncio.run(play())


def test_numbers_keys_and_tokens_are_in_no_log(caplog):
    async def play():
        steps = Rings(), Answers(), Presses(after_s=2), HangsUp(after_s=5)
        async with dialled(TwilioRig(), *steps, mischief=Mischief.DISCONNECT) as (rig, dialer, told):
            await place(dialer)
            await told.until(DIAL, "ended")
            assert NUMBER.encode() not in await asyncio.to_thread(rig.memory.read_bytes)
            assert TOKEN not in repr(dialer._settings)
            assert NUMBER not in repr(list(told))

    with caplog.at_level("DEBUG"):
        asyncio.run(play())
    assert NUMBER[1:] not in caplog.text
    assert TOKEN not in caplog.text
