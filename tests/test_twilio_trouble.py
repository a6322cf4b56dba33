"""The Twilio dialer when something goes wrong on the way, at Twilio, or with a worker."""

import asyncio

import pytest
from aiohttp import web
from dialer_rig import Answers, Fails, HangsUp, Mischief, Presses, Rings
from dialled import AGENT, DIAL, NUMBER, dialled, place
from rig_twilio import TwilioRig
from sqlalchemy.exc import OperationalError
from told import Told, eventually

from callback.dialers.twilio import TwilioDialer
from callback.dialing import (
    DialerDown,
    DialInDoubt,
    DialingError,
    DialRefused,
    NoMedia,
    Prompt,
    Up,
)
from callback.states import Outcome


def made(**changes):
    return lambda rig: TwilioDialer(rig.settings(**changes), now=rig.now)


def test_a_dial_given_up_while_its_order_is_on_the_way_is_hung_up_before_it_is_answered():
    async def play():
        async with dialled(TwilioRig(), Rings(after_s=20), Answers(after_s=60)) as (rig, dialer, told):
            other = rig.another()
            await other.start(Told().tell)
            create = dialer._rest.create

            async def late(form):
                assert (await other.look_up(DIAL)).failed is Outcome.NETWORK
                return await create(form)

            dialer._rest.create = late
            await place(dialer)
            await told.until(DIAL, "ended")
            await eventually(lambda: not rig.on(NUMBER))
            assert rig.twilio.last[NUMBER].answered_at is None
            await other.stop()

    asyncio.run(play())


@pytest.mark.parametrize(("mischief", "placed"), [(Mischief.LOSE_REQUEST, 0), (Mischief.LOSE_REPLY, 1)])
def test_a_lost_reply_is_in_doubt_and_looked_up(mischief, placed):
    async def play():
        async with dialled(TwilioRig(), Rings(), Answers(after_s=1), mischief=mischief) as (rig, dialer, _):
            with pytest.raises(DialInDoubt):
                await place(dialer)
            found = await dialer.look_up(DIAL)
            assert isinstance(found, Up) if placed else found.failed is Outcome.NETWORK
            with pytest.raises(DialRefused):
                await place(dialer)
            assert rig.placed(NUMBER) == placed

    asyncio.run(play())


def test_a_call_whose_reply_and_callbacks_were_lost_is_found_in_twilios_list():
    async def play():
        steps = Rings(), Answers(after_s=300)
        async with dialled(TwilioRig(), *steps, mischief=Mischief.LOSE_REPLY) as (rig, dialer, _):
            rig.twilio.tell = lambda *_, **__: None
            rig.will("+12025550199", Rings())
            await place(dialer, dial_id="d-9", number="+12025550199")  # somebody else's, in the same list
            with pytest.raises(DialInDoubt):
                await place(dialer)
            other = rig.another()
            await other.start(Told().tell)
            assert await other.look_up(DIAL) == Up(answered=False)
            await other.hang_up(DIAL)
            assert not rig.on(NUMBER)
            assert rig.on("+12025550199")
            await other.stop()

    asyncio.run(play())


def test_what_happened_while_nothing_went_through_is_told():
    async def play():
        steps = Rings(), Answers(after_s=1, sample="human-02.wav"), HangsUp(after_s=30)
        async with dialled(TwilioRig(), *steps, mischief=Mischief.DISCONNECT) as (rig, dialer, told):
            await place(dialer)
            await told.until(DIAL, "answered")
            await dialer.play(DIAL, Prompt.MESSAGE)
            rig.twilio.break_off()
            rig.twilio.last[NUMBER].end("completed")
            ended = await told.until(DIAL, "ended")
            assert (ended.failed, ended.talked) == (None, False)

    asyncio.run(play())


@pytest.mark.parametrize("mischief", [Mischief.DUPLICATE, Mischief.SHUFFLE, Mischief.LATE])
def test_callbacks_twice_or_in_another_order_tell_one_end(mischief):
    async def play():
        steps = Rings(), Answers(after_s=0.1), Presses(after_s=2), HangsUp(after_s=5)
        rare = made(quiet_max_s=60)
        async with dialled(TwilioRig(), *steps, mischief=mischief, dialer=rare) as (_, dialer, told):
            await place(dialer)
            ended = await told.until(DIAL, "ended")
            assert (ended.failed, ended.talked) == (None, False)
            assert told.types(DIAL).count("ended") == 1
            for kind in ("ringing", "answered", "key_pressed"):
                assert len({update.source_id for update in told if update.type == kind}) <= 1

    asyncio.run(play())


@pytest.mark.parametrize(
    ("status", "code", "failed", "cause"),
    [
        (500, 20500, Outcome.NETWORK, "Twilio 20500"),
        (400, 21211, Outcome.BAD_NUMBER, "Twilio 21211"),
        (400, 21215, Outcome.NETWORK, "Twilio 21215"),
        (400, 21610, Outcome.SUPPRESSED, "Twilio 21610"),
        (403, 0, Outcome.NETWORK, "HTTP 403"),
    ],
)
def test_a_call_that_twilio_refuses_is_told_with_its_code(status, code, failed, cause):
    async def play():
        async with dialled(TwilioRig()) as (rig, dialer, told):
            rig.twilio.answers.append(web.json_response({"code": code} if code else {}, status=status))
            await place(dialer)
            ended = await told.until(DIAL, "ended")
            assert (ended.failed, ended.cause) == (failed, cause)
            assert rig.placed(NUMBER) == 0

    asyncio.run(play())


@pytest.mark.parametrize(("after_s", "placed"), [("1", 1), ("3600", 0)])
def test_too_many_requests_wait_as_long_as_twilio_says_within_reason(after_s, placed):
    async def play():
        async with dialled(TwilioRig(), Fails(outcome=Outcome.BUSY)) as (rig, dialer, told):
            headers = {"Retry-After": after_s}
            rig.twilio.answers.append(web.json_response({"code": 20429}, status=429, headers=headers))
            await place(dialer)
            ended = await told.until(DIAL, "ended")
            assert ended.failed is (Outcome.BUSY if placed else Outcome.NETWORK)
            assert rig.placed(NUMBER) == placed

    asyncio.run(play())


def test_audio_that_does_not_come_is_no_media():
    async def play():
        async with dialled(TwilioRig(), Answers(), mischief=Mischief.NO_MEDIA) as (_, dialer, told):
            await place(dialer)
            await told.until(DIAL, "answered")
            with pytest.raises(NoMedia, match=r"door\.url"):
                await dialer.media(DIAL)

    asyncio.run(play())


def test_another_worker_takes_a_call_over():
    async def play():
        steps = Answers(sample="human-03.wav"), HangsUp(after_s=60)
        async with dialled(TwilioRig(), *steps) as (rig, dialer, told):
            await place(dialer)
            await told.until(DIAL, "answered")
            await dialer.play(DIAL, Prompt.HOLD)
            await dialer.stop()
            other, its = rig.another(), Told()
            await other.start(its.tell)
            assert await other.look_up(DIAL) == Up(answered=True)
            assert '"connected"' in await anext((await other.media(DIAL)).messages)
            await other.play(DIAL, Prompt.PRESS_ONE)
            await other.bridge(DIAL, AGENT)
            ended = await its.until(DIAL, "ended")  # its callbacks go to who is gone: it is asked for
            assert (ended.failed, ended.talked) == (None, True)
            await other.stop()

    asyncio.run(play())


def test_an_agent_who_does_not_come_is_told():
    async def play():
        async with dialled(TwilioRig(), Answers(), dialer=made(leg_max_s=0.2)) as (rig, dialer, told):
            await place(dialer)
            await told.until(DIAL, "answered")
            rig.twilio.post = lambda *_: asyncio.sleep(0)
            with pytest.raises(DialingError, match="did not come"):
                await dialer.bridge(DIAL, AGENT)

    asyncio.run(play())


def test_a_call_in_doubt_can_be_hung_up():
    async def play():
        steps = Rings(), Answers(after_s=300)
        async with dialled(TwilioRig(), *steps, mischief=Mischief.LOSE_REPLY) as (rig, dialer, _):
            rig.twilio.tell = lambda *_, **__: None
            with pytest.raises(DialInDoubt):
                await place(dialer)
            assert rig.on(NUMBER)
            await dialer.hang_up(DIAL)
            assert not rig.on(NUMBER)

    asyncio.run(play())


@pytest.mark.parametrize("status", [502, 504])
def test_a_gateway_without_an_answer_is_in_doubt(status):
    async def play():
        async with dialled(TwilioRig()) as (rig, dialer, _):
            rig.twilio.answers.append(web.json_response({}, status=status))
            with pytest.raises(DialInDoubt):
                await place(dialer)
            assert (await dialer.look_up(DIAL)).failed is Outcome.NETWORK

    asyncio.run(play())


def test_a_dialer_that_cannot_reach_twilio_any_more_is_down_and_places_nothing():
    async def play():
        async with dialled(TwilioRig()) as (rig, dialer, _):
            await rig.twilio._runner.cleanup()
            with pytest.raises(DialerDown):
                await place(dialer)
            assert rig.placed(NUMBER) == 0

    asyncio.run(play())


def test_without_the_memory_nothing_is_placed():
    async def play():
        async with dialled(TwilioRig()) as (rig, dialer, _):
            with dialer._memory._engine.begin() as connection:
                connection.exec_driver_sql("DROP TABLE twilio_dials")
            with pytest.raises(DialerDown, match="memory"):
                await place(dialer)
            with pytest.raises(DialerDown, match="memory"):
                await dialer.look_up(DIAL)
            assert rig.placed(NUMBER) == 0

    asyncio.run(play())


def test_a_call_that_could_not_be_remembered_is_placed_once_and_told():
    async def play():
        async with dialled(TwilioRig(), Rings(after_s=1), Fails(outcome=Outcome.BUSY)) as (rig, dialer, told):
            learn, tries = dialer._memory.learn, []

            def fails_once(*about):
                tries.append(about)
                if len(tries) == 1:
                    raise OperationalError("x", {}, ValueError("locked"))
                return learn(*about)

            dialer._memory.learn = fails_once
            await place(dialer)
            assert (await told.until(DIAL, "ended")).failed is Outcome.BUSY
            assert rig.placed(NUMBER) == 1

    asyncio.run(play())
