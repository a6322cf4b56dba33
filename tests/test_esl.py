"""The FreeSWITCH dialer against a fake switch on loopback: every call is placed once, and its end is told."""

import asyncio

import pytest
from dialer_rig import Answers, Fails, HangsUp, Mischief, Presses, Rings
from dialled import AGENT, DIAL, NUMBER, dialled, place
from fake_esl import GATEWAY
from far_audio import frames
from rig_esl import FILES, EslRig
from told import Told, eventually

from callback.dialers.esl_link import Address
from callback.dialing import (
    DialRefused,
    Ended,
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
        async with dialled(EslRig(), Rings(), Fails(after_s=0.5, outcome=outcome)) as (rig, dialer, told):
            await place(dialer)
            ended = await told.until(DIAL, "ended")
            assert (ended.failed, ended.cause, ended.talked) == (outcome, cause, False)
            assert told.types(DIAL) == ["ringing", "ended"]
            assert rig.placed(NUMBER) == 1
            assert await dialer.look_up(DIAL) == ended

    asyncio.run(play())


def test_a_call_that_rings_out_is_no_answer():
    async def play():
        async with dialled(EslRig(), Rings()) as (rig, dialer, told):
            await place(dialer, ring_max_s=4.2)
            ended = await told.until(DIAL, "ended")
            assert (ended.failed, ended.cause) == (Outcome.NO_ANSWER, "Q.850 19")
            assert "originate_timeout=5" in next(line for line in rig.switch.commands if "originate" in line)

    asyncio.run(play())


def test_from_answer_to_agent():
    async def play():
        steps = Rings(after_s=0.5), Answers(after_s=1, sample="human-01.wav"), Presses(after_s=20, key="#")
        async with dialled(EslRig(), *steps) as (rig, dialer, told):
            await place(dialer)
            assert (await told.until(DIAL, "answered")).at > told.of(DIAL, "ringing").at
            media = await dialer.media(DIAL)
            heard = [await anext(media.messages) for _ in range(20)]
            expected = [frame.tobytes() for frame, _ in zip(frames("human-01.wav"), range(20), strict=False)]
            assert (media.system, heard) == ("freeswitch", expected)  # from the first frame on
            await dialer.play(DIAL, Prompt.PRESS_ONE)
            assert (await told.until(DIAL, "key_pressed")).key == "#"
            await dialer.play(DIAL, Prompt.HOLD)
            assert rig.played(NUMBER) == ("press_one", "hold")
            await dialer.bridge(DIAL, AGENT)
            assert rig.bridged(NUMBER)
            assert await dialer.look_up(DIAL) == Up(answered=True)
            await dialer.hang_up(DIAL)
            ended = await told.until(DIAL, "ended")
            assert (ended.failed, ended.talked) == (None, True)
            await eventually(lambda: not rig.switch.channels)  # the agent's leg ended with it

    asyncio.run(play())


def test_audio_goes_on_until_the_customer_hangs_up_and_no_longer():
    async def play():
        steps = Answers(after_s=0.1, sample="machine-01.wav"), HangsUp(after_s=10)
        async with dialled(EslRig(), *steps) as (_, dialer, told):
            await place(dialer)
            await told.until(DIAL, "answered")
            media = await dialer.media(DIAL)
            n_frames = 0
            async for message in media.messages:
                assert len(message) == 320
                n_frames += 1
            assert n_frames > 100
            assert (await told.until(DIAL, "ended")).talked is False
            with pytest.raises(NoSuchCall, match="over"):
                await dialer.media(DIAL)

    asyncio.run(play())


def test_nobody_is_called_twice():
    async def play():
        async with dialled(EslRig(), Rings(), Fails(after_s=1, outcome=Outcome.BUSY)) as (rig, dialer, told):
            other = rig.another()
            await other.start(Told().tell)
            await place(dialer)
            with pytest.raises(DialRefused, match=DIAL):
                await place(dialer)
            with pytest.raises(DialRefused, match=DIAL):
                await place(other)
            await told.until(DIAL, "ended")
            with pytest.raises(DialRefused, match=DIAL):  # FreeSWITCH knows the call no more
                await place(other)
            assert rig.placed(NUMBER) == 1
            await other.stop()

    asyncio.run(play())


def test_what_was_given_up_is_not_placed_by_anyone():
    async def play():
        async with dialled(EslRig(), Rings()) as (rig, dialer, _):
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


def test_a_call_that_is_gone_cannot_be_used():
    async def play():
        async with dialled(EslRig()) as (_, dialer, _):
            for use in (dialer.media(DIAL), dialer.play(DIAL, Prompt.HOLD), dialer.bridge(DIAL, AGENT)):
                with pytest.raises(NoSuchCall):
                    await use

    asyncio.run(play())


def test_an_end_ends_what_plays():
    async def play():
        async with dialled(EslRig(), Answers(), HangsUp(after_s=3)) as (_, dialer, told):
            await place(dialer)
            await told.until(DIAL, "answered")
            with pytest.raises(NoSuchCall):
                await _play_on(dialer)

    asyncio.run(play())


async def _play_on(dialer):
    while True:
        await dialer.play(DIAL, Prompt.MESSAGE)


@pytest.mark.parametrize(
    "changes",
    [
        {"number": "+1202555\n\napi shutdown"},
        {"number": "+12025550123 &system(x)"},
        {"number": "+1${hash(select/a/b)}"},
        {"number": "2025550123"},
        {"dial_id": "d}sofia/x"},
        {"dial_id": ""},
    ],
)
def test_nothing_gets_into_a_command_that_does_not_belong_there(changes):
    async def play():
        async with dialled(EslRig()) as (rig, dialer, _):
            before = len(rig.switch.commands)
            with pytest.raises(ValueError, match=r"need|must") as refused:
                await place(dialer, **changes)
            assert changes.get("number", "?") not in str(refused.value)
            assert len(rig.switch.commands) == before

    asyncio.run(play())


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"endpoint": "sofia/gateway/carrier"}, "number"),
        ({"endpoint": "sofia/gateway/carrier/{number} &x"}, "endpoint"),
        ({"agent": "user"}, "leg"),
        ({"prompts": {**FILES, Prompt.HOLD: ""}}, "hold"),
        ({"prompts": {**FILES, Prompt.HOLD: "a b"}}, "hold"),
        ({"caller_id": "1,x=y"}, "caller_id"),
        ({"caller_ids": {"sales": "1}"}}, "caller_id"),
    ],
)
def test_settings_that_cannot_be_name_what_they_need(changes, why):
    with pytest.raises(ValueError, match=why):
        EslRig().settings(**changes)


def test_a_password_that_would_be_a_second_command_is_refused():
    with pytest.raises(ValueError, match="line's end"):
        Address(password="x\n\napi shutdown")  # noqa: S106


def test_a_queue_has_its_own_caller_id():
    async def play():
        async with dialled(EslRig(), Rings()) as (rig, dialer, _):
            dialer._settings = rig.settings(caller_id="+12025550100", caller_ids={"sales": "+12025550177"})
            await place(dialer)
            await place(dialer, dial_id="d-2", number="+12025550124", queue="support")
            lines = [line for line in rig.switch.commands if line.startswith("bgapi")]
            assert "origination_caller_id_number=+12025550177," in lines[0]
            assert "origination_caller_id_number=+12025550100," in lines[1]

    asyncio.run(play())


def test_numbers_and_keys_are_in_no_log(caplog):
    async def play():
        async with dialled(EslRig(), Rings(), Answers(), Presses(), HangsUp(), mischief=Mischief.DISCONNECT) as (
            _,
            dialer,
            told,
        ):
            await place(dialer)
            await told.until(DIAL, "ended")
            assert NUMBER not in repr(dialer._calls.__dict__) + repr(list(told))

    with caplog.at_level("DEBUG"):
        asyncio.run(play())
    assert NUMBER[1:] not in caplog.text
    assert GATEWAY not in caplog.text


def test_an_ended_call_leaves_nothing_behind():
    async def play():
        async with dialled(EslRig(), Rings(), Fails(outcome=Outcome.BUSY)) as (rig, dialer, told):
            await place(dialer)
            await told.until(DIAL, "ended")
            assert isinstance(await dialer.look_up(DIAL), Ended)
            await eventually(lambda: all(len(client.filters) == 1 for client in rig.switch.clients))
            assert not dialer._calls._calls
            assert NUMBER not in str(rig.switch.hash)

    asyncio.run(play())
