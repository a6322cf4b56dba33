import asyncio
import logging
from contextlib import asynccontextmanager

import pytest
from dialer_rig import Answers, Fails, HangsUp, Mischief, Presses, Rings
from fake_ari import PASSWORD, USER
from fake_ari_world import audio_of
from rig_ari import AriRig
from wire import audio_of as audio_in

from amd.adapters.audiosocket import AudioSocketDecoder
from callback.dialers.ari import AriDialer
from callback.dialers.ari_calls import AriCalls
from callback.dialers.ari_link import AriAccess
from callback.dialers.ari_marks import REMEMBERED_S, AriMarks, Mark
from callback.dialers.ari_media import MediaAddress
from callback.dialing import (
    Answered,
    DialerDown,
    DialInDoubt,
    DialRefused,
    Ended,
    KeyPressed,
    NoMedia,
    NoSuchCall,
    Placing,
    Prompt,
    Ringing,
    Up,
)
from callback.states import Outcome

NUMBER = "+12025550147"
LIMIT_S = 20.0
FAILED = (
    Outcome.BUSY,
    Outcome.NO_ANSWER,
    Outcome.NETWORK,
    Outcome.BAD_NUMBER,
    Outcome.REFUSED,
    Outcome.SUPPRESSED,
)


class Told(list):
    """What a dialer told, and a way to wait for more of it."""

    def __call__(self, update) -> None:
        self.append(update)

    def of(self, kind):
        return [update for update in self if isinstance(update, kind)]

    async def first(self, kind):
        await until(lambda: self.of(kind))
        return self.of(kind)[0]


async def until(is_so) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not is_so():
            await asyncio.sleep(0.002)


def placing(dial_id="dial-1", **fields) -> Placing:
    return Placing(dial_id=dial_id, number=NUMBER, queue="sales", **fields)


@asynccontextmanager
async def started(dialer):
    told = Told()
    await dialer.start(told)
    try:
        yield told
    finally:
        await dialer.stop()


def run(scenario, **fields) -> AriRig:
    """Run ``scenario(rig, dialer, told)`` on a fresh fake."""

    async def main() -> AriRig:
        rig = AriRig(**fields)
        await rig.start()
        try:
            async with started(rig.dialer) as told:
                await scenario(rig, rig.dialer, told)
        finally:
            await rig.stop()
        return rig

    return asyncio.run(main())


def test_a_call_is_told_heard_prompted_and_bridged():
    async def scenario(rig, dialer, told):
        rig.will(NUMBER, Rings(after_s=1), Answers(after_s=3, sample="human-01"), Presses(after_s=30))
        await dialer.originate(placing())
        await told.first(Answered)
        media = await dialer.media("dial-1")
        await anext(media.messages)
        await dialer.play("dial-1", Prompt.PRESS_ONE)
        await told.first(KeyPressed)
        await dialer.play("dial-1", Prompt.HOLD)
        assert rig.fake.last[NUMBER].moh
        await dialer.bridge("dial-1", rig.leg("agent-7"))
        assert not rig.fake.last[NUMBER].moh
        assert rig.bridged(NUMBER)
        assert [message async for message in media.messages][-1:] != [b""]  # it ends with the bridge
        assert await dialer.look_up("dial-1") == Up(answered=True, bridged=True)
        await dialer.hang_up("dial-1")
        ended = await told.first(Ended)
        assert (ended.failed, ended.talked, ended.cause) == (None, True, "Q.850 16")
        assert [update.type for update in told] == ["ringing", "answered", "key_pressed", "ended"]
        assert [update.key for update in told.of(KeyPressed)] == ["1"]
        assert rig.played(NUMBER) == ("press_one", "hold")
        await until(lambda: not rig.fake.world.channels and not rig.fake.world.bridges)

    run(scenario)


@pytest.mark.parametrize("outcome", FAILED)
@pytest.mark.parametrize("rings", [True, False])
def test_a_failure_is_told_with_its_class(outcome, rings):
    async def scenario(rig, dialer, told):
        rig.will(NUMBER, *([Rings()] if rings else []), Fails(after_s=1, outcome=outcome))
        await dialer.originate(placing())
        ended = await told.first(Ended)
        assert (ended.failed, ended.talked) == (outcome, False)
        assert ended.cause.startswith("SIP ")
        assert await dialer.look_up("dial-1") == ended

    run(scenario)


def test_an_asterisk_that_does_not_tell_the_status_of_sip_has_the_cause():
    async def scenario(rig, dialer, told):
        rig.will(NUMBER, Fails(outcome=Outcome.BUSY))
        await dialer.originate(placing())
        ended = await told.first(Ended)
        assert (ended.failed, ended.cause) == (Outcome.BUSY, "Q.850 17")

    run(scenario, tech_causes=False)


@pytest.mark.parametrize("steps", [(Rings(),), ()])
def test_nobody_answers_in_time(steps):
    async def scenario(rig, dialer, told):
        rig.will(NUMBER, *steps)
        await dialer.originate(placing(ring_max_s=6.5))
        assert (await told.first(Ended)).failed is Outcome.NO_ANSWER
        assert not rig.on(NUMBER)

    run(scenario)


def test_a_lost_request_is_in_doubt_and_then_refused_everywhere():
    async def scenario(rig, dialer, told):
        rig.will(NUMBER, Rings(), mischief=Mischief.LOSE_REQUEST)
        with pytest.raises(DialInDoubt):
            await dialer.originate(placing())
        ended = await dialer.look_up("dial-1")
        assert (ended.failed, ended.talked) == (Outcome.NETWORK, False)
        other = rig.another()
        async with started(other):
            for one in (dialer, other):
                with pytest.raises(DialRefused):
                    await one.originate(placing())
        assert rig.placed(NUMBER) == 0
        assert told.of(Ringing) == []

    run(scenario)


def test_a_lost_reply_is_in_doubt_and_the_call_goes_on():
    async def scenario(rig, dialer, told):
        rig.will(NUMBER, Rings(after_s=1), Answers(after_s=1), HangsUp(after_s=40), mischief=Mischief.LOSE_REPLY)
        with pytest.raises(DialInDoubt):
            await dialer.originate(placing())
        assert isinstance(await dialer.look_up("dial-1"), Up)
        other = rig.another()
        async with started(other):
            with pytest.raises(DialRefused):
                await other.originate(placing())
        await told.first(Answered)
        await dialer.hang_up("dial-1")
        assert (await told.first(Ended)).failed is None
        assert rig.placed(NUMBER) == 1

    run(scenario)


def test_what_asterisk_will_not_place_is_our_networks_failure():
    async def scenario(rig, dialer, told):
        rig.will(NUMBER, mischief=Mischief.REJECT)
        await dialer.originate(placing())
        ended = await told.first(Ended)
        assert (ended.failed, ended.cause) == (Outcome.NETWORK, "ARI 500")

    run(scenario)


@pytest.mark.parametrize("mischief", [Mischief.DUPLICATE, Mischief.SHUFFLE, Mischief.LATE])
def test_twice_late_and_in_another_order_comes_to_the_same(mischief):
    async def scenario(rig, dialer, told):
        steps = (Rings(after_s=1), Answers(after_s=2), Presses(after_s=2, key="#"), HangsUp(after_s=5))
        rig.will(NUMBER, *steps, mischief=mischief)
        await dialer.originate(placing())
        await until(lambda: {update.type for update in told} == {"ringing", "answered", "key_pressed", "ended"})
        by_id = {}
        for update in told:
            assert by_id.setdefault(update.source_id, update) == update
        assert len(by_id) == 4
        assert told.of(Ended)[0].failed is None

    run(scenario)


def test_a_key_pressed_twice_is_two_keys():
    async def scenario(rig, dialer, told):
        rig.will(NUMBER, Answers(), Presses(key="1"), Presses(key="1"), HangsUp())
        await dialer.originate(placing())
        await told.first(Ended)
        assert len({update.source_id for update in told.of(KeyPressed)}) == 2

    run(scenario)


def test_the_link_breaks_and_comes_back_and_the_call_is_told_to_its_end():
    async def scenario(rig, dialer, told):
        rig.will(NUMBER, Rings(), Answers(after_s=2), HangsUp(after_s=60), mischief=Mischief.DISCONNECT)
        await dialer.originate(placing())
        await until(lambda: rig.fake.sockets == {})
        await until(lambda: rig.fake.sockets)
        ended = await told.first(Ended)
        assert (ended.failed, ended.cause) == (None, "Q.850 16")

    run(scenario)


@pytest.mark.parametrize(
    ("steps", "outcome"),
    [
        ((Rings(), Answers(after_s=2)), None),
        ((Rings(after_s=2),), Outcome.BUSY),
        ((), Outcome.BUSY),
    ],
)
@pytest.mark.parametrize("handled", [True, False])
def test_what_ended_while_the_link_was_lost_is_found(steps, outcome, handled):
    async def scenario(rig, dialer, told):
        rig.will(NUMBER, *steps)
        await dialer.originate(placing())
        await until(lambda: len(told) == len(steps))
        channel = rig.fake.last[NUMBER]
        if not handled:  # a dialplan without the hangup handler
            channel.variables.clear()
        rig.fake.disconnect()
        rig.fake.world.destroy(channel, (17, 0))
        ended = await told.first(Ended)
        rang = Outcome.NO_ANSWER if steps else Outcome.NETWORK
        assert ended.failed is (outcome if handled or outcome is None else rang)
        assert ended.cause == ("Q.850 17" if handled else "not known to Asterisk")
        await until(lambda: rig.fake.world.globals == {"CALLBACK_dial-1": "over"})

    run(scenario)


@pytest.mark.parametrize("reached", ["never", "no reply"])
def test_a_call_that_was_made_and_may_not_be_dialled_is_in_doubt(reached):
    async def scenario(rig, dialer, told):
        async def lose(method, *path, **more):
            if path[-1] == "dial":
                raise DialInDoubt("lost") if reached == "no reply" else DialerDown("away")
            return await ask_once(method, *path, **more)

        ask_once, dialer._link.ask_once = dialer._link.ask_once, lose
        with pytest.raises(DialInDoubt):
            await dialer.originate(placing())
        if reached == "no reply":
            assert await dialer.look_up("dial-1") == Up(answered=False, bridged=False)
            await dialer.hang_up("dial-1")
        assert (await told.first(Ended)).failed is Outcome.NETWORK
        assert rig.placed(NUMBER) == 0

    run(scenario)


def test_a_call_outlives_its_worker_before_it_is_answered():
    async def scenario(rig, dialer, told):
        rig.will(NUMBER, Rings(), Answers(after_s=20))
        await dialer.originate(placing())
        await told.first(Ringing)
        await dialer.stop()
        other = rig.another()
        async with started(other) as told_other:
            assert await other.look_up("dial-1") == Up(answered=False, bridged=False)
            await told_other.first(Answered)
            assert rig.on(NUMBER)
            await other.hang_up("dial-1")
            assert (await told_other.first(Ended)).failed is None

    run(scenario)


def test_another_worker_takes_a_call_over():
    async def scenario(rig, dialer, told):
        rig.will(NUMBER, Rings(), Answers(after_s=1))
        await dialer.originate(placing())
        await told.first(Answered)
        other = rig.another()
        async with started(other) as told_other:
            assert await other.look_up("dial-1") == Up(answered=True, bridged=False)
            await other.bridge("dial-1", rig.leg("agent-7"))
            await until(lambda: not dialer._tasks and not other._tasks)
            rig.fake.world.destroy(rig.fake.world.channels["agent-7"], (16, 0))  # the agent hangs up
            for one in (told, told_other):
                ended = await one.first(Ended)
                assert (ended.failed, ended.talked) == (None, True)
        assert not rig.on(NUMBER)

    run(scenario)


def test_that_they_talked_is_known_when_nobody_listened():
    async def scenario(rig, dialer, told):
        rig.will(NUMBER, Answers())
        await dialer.originate(placing())
        await told.first(Answered)
        await dialer.bridge("dial-1", rig.leg("agent-7"))
        await dialer.stop()
        rig.fake.world.destroy(rig.fake.last[NUMBER], (16, 0))
        other = rig.another()
        async with started(other):
            ended = await other.look_up("dial-1")
            assert (ended.failed, ended.talked) == (None, True)
            with pytest.raises(DialRefused):
                await other.originate(placing())

    run(scenario)


def test_a_customer_left_alone_by_a_dead_worker_is_hung_up():
    async def scenario(rig, dialer, told):
        rig.will(NUMBER, Answers())
        await dialer.originate(placing())
        await told.first(Answered)
        await dialer.bridge("dial-1", rig.leg("agent-7"))
        await dialer.stop()
        rig.fake.world.destroy(rig.fake.world.channels["agent-7"], (16, 0))
        assert rig.on(NUMBER)
        other = rig.another()
        async with started(other) as told_other:
            await other.look_up("dial-1")
            assert (await told_other.first(Ended)).talked
            assert not rig.on(NUMBER)

    run(scenario)


def test_who_is_placing_and_who_gives_up_the_same_id_agree():
    async def scenario(rig, dialer, told):
        other = rig.another()
        async with started(other):

            async def give_up(dial_id):
                assert (await other.look_up(dial_id)).failed is Outcome.NETWORK

            rig.fake.before_placing = give_up
            with pytest.raises(DialRefused):
                await dialer.originate(placing())
        assert rig.fake.world.channels == {}
        assert rig.placed(NUMBER) == 0
        assert told.of(Ringing) == []

    run(scenario)


def test_a_call_that_was_hung_up_before_it_was_placed_is_not_placed():
    async def scenario(rig, dialer, told):
        await dialer.hang_up("dial-1")
        other = rig.another()
        async with started(other):
            for one in (dialer, other):
                with pytest.raises(DialRefused):
                    await one.originate(placing())
        assert rig.placed(NUMBER) == 0
        assert told == []

    run(scenario)


def test_the_audio_is_the_customers_alone_byte_for_byte():
    async def scenario(rig, dialer, told):
        rig.will(NUMBER, Answers(sample="human-01"))
        await dialer.originate(placing())
        await told.first(Answered)
        await dialer.play("dial-1", Prompt.HOLD)
        media = await dialer.media("dial-1")
        assert media.system == "audiosocket"
        decoder = AudioSocketDecoder()
        events = []
        async for message in media.messages:
            events += decoder.feed(message)
            if len(audio_in(events)) > 16_000:
                break
        await media.messages.aclose()
        assert audio_in(events)[:16_000] in audio_of("human-01")
        assert list(rig.fake.world.channels) == ["dial-1"]  # nothing of what was laid out stays
        assert rig.fake.world.bridges == {}

    run(scenario)


def test_the_audio_is_had_once_the_link_is_back():
    async def scenario(rig, dialer, told):
        rig.will(NUMBER, Answers(sample="human-01"))
        await dialer.originate(placing())
        await told.first(Answered)
        hearing = asyncio.create_task(dialer.media("dial-1"))
        await until(lambda: any("snoop" in asked for asked in rig.fake.asked))
        rig.fake.disconnect()
        media = await hearing
        assert await anext(media.messages)
        await media.messages.aclose()
        assert list(rig.fake.world.channels) == ["dial-1"]
        assert rig.fake.world.bridges == {}

    run(scenario)


def test_no_audio_is_said_and_leaves_nothing():
    async def scenario(rig, dialer, told):
        rig.will(NUMBER, Answers())
        await dialer.originate(placing())
        await told.first(Answered)
        unreachable = AriDialer(
            AriAccess(url=rig.fake.url, app="lost", user=USER, password=PASSWORD),
            AriCalls(endpoint="PJSIP/{number}@trunk"),
            MediaAddress(host="127.0.0.2"),
        )
        async with started(unreachable):
            with pytest.raises(NoMedia, match="Asterisk answers 500 to externalMedia"):
                await unreachable.media("dial-1")
        with pytest.raises(NoSuchCall):
            await dialer.media("dial-2")
        assert list(rig.fake.world.channels) == ["dial-1"]
        assert rig.fake.world.bridges == {}

    run(scenario)


def test_a_prompt_stops_when_nobody_waits_for_it_and_fails_when_the_call_ends():
    async def scenario(rig, dialer, told):
        rig.will(NUMBER, Answers())
        await dialer.originate(placing())
        await told.first(Answered)
        playing = asyncio.create_task(dialer.play("dial-1", Prompt.PRESS_ONE))
        await until(lambda: rig.fake.last[NUMBER].playing)
        playing.cancel()
        await asyncio.wait([playing])
        assert rig.fake.last[NUMBER].playing == {}
        playing = asyncio.create_task(dialer.play("dial-1", Prompt.MESSAGE))
        await until(lambda: rig.fake.last[NUMBER].playing)
        rig.fake.world.destroy(rig.fake.last[NUMBER], (16, 0))
        with pytest.raises(NoSuchCall):
            await playing
        with pytest.raises(NoSuchCall):
            await dialer.bridge("dial-1", rig.leg("agent-7"))

    run(scenario)


def test_a_prompt_that_the_customer_cut_off_was_not_played():
    async def scenario(rig, dialer, told):
        rig.will(NUMBER, Answers(), HangsUp(after_s=1))
        await dialer.originate(placing())
        await told.first(Answered)
        with pytest.raises(NoSuchCall):
            await dialer.play("dial-1", Prompt.MESSAGE)

    run(scenario)


def test_an_agent_who_is_gone_leaves_the_customer_on_hold():
    async def scenario(rig, dialer, told):
        rig.will(NUMBER, Answers())
        await dialer.originate(placing())
        await told.first(Answered)
        await dialer.play("dial-1", Prompt.HOLD)
        with pytest.raises(NoSuchCall, match="agent"):
            await dialer.bridge("dial-1", "agent-7")
        assert rig.fake.last[NUMBER].moh
        assert not rig.bridged(NUMBER)

    run(scenario)


def test_neither_number_key_nor_password_is_logged_or_in_an_address(caplog):
    caplog.set_level(logging.DEBUG)

    async def scenario(rig, dialer, told):
        rig.will(NUMBER, Rings(), Answers(sample="human-01"), Presses(after_s=20, key="7"))
        await dialer.originate(placing())
        await told.first(KeyPressed)
        rig.fake.disconnect()
        await until(lambda: rig.fake.sockets)
        rig.will(NUMBER, mischief=Mischief.REJECT)
        await dialer.originate(placing("dial-2"))
        await dialer.hang_up("dial-1")
        await told.first(Ended)

    rig = run(scenario)
    said = caplog.text + "".join(rig.fake.asked) + repr(vars(rig.dialer)) + repr(placing())
    assert "dial-2 was not placed" in caplog.text
    assert "link lost" in caplog.text
    assert NUMBER[1:] not in said
    assert PASSWORD not in said


def test_who_is_not_let_in_or_finds_nobody_is_told_so():
    async def scenario(rig, _, told):
        for url, password in ((rig.fake.url, "wrong"), ("http://127.0.0.1:9/ari", PASSWORD)):
            stranger = AriDialer(
                AriAccess(url=url, app="stranger", user=USER, password=password),
                AriCalls(endpoint="PJSIP/{number}@trunk"),
            )
            with pytest.raises(DialerDown):
                await stranger.start(told)
            with pytest.raises(DialerDown):
                await stranger.originate(placing())
        assert rig.placed(NUMBER) == 0

    run(scenario)


def test_a_worker_whose_application_is_taken_does_not_fight_for_it(caplog):
    async def scenario(rig, dialer, _):
        rig.workers = iter(["1"])
        async with started(rig.another()):
            await until(lambda: "took application callback-1" in caplog.text)
            socket = rig.fake.sockets["callback-1"]
            await dialer.look_up("dial-1")
            assert rig.fake.sockets["callback-1"] is socket

    run(scenario)


def test_marks_do_not_pile_up():
    async def scenario(rig, dialer, _):
        now_s = 0.0
        marks = AriMarks(dialer._link, now_s=lambda: now_s)
        await marks.put("dial-1", Mark.TALKED)
        assert await marks.put_first("dial-1", Mark.OVER) is Mark.TALKED
        now_s = REMEMBERED_S + 1
        await marks.put("dial-2", Mark.OVER)
        assert set(await marks.forget_old()) == {"dial-1"}
        assert (await marks.get("dial-1"), await marks.get("dial-2")) == (None, Mark.OVER)
        assert rig.fake.world.globals == {"CALLBACK_dial-2": "over"}

    run(scenario)


def test_settings_that_cannot_be_meant_are_refused():
    fields = {"url": "http://asterisk.example:8088/ari", "app": "callback-1", "user": USER, "password": PASSWORD}
    for wrong, slip in (
        ({"url": "ws://asterisk.example:8088/ari"}, "the websocket's"),
        ({"app": ""}, "empty"),
        ({"app": "a/b"}, "path"),
        ({"reply_max_s": 5000.0}, "milliseconds"),
    ):
        with pytest.raises(ValueError, match=slip):
            AriAccess(**{**fields, **wrong})
    with pytest.raises(ValueError, match="number"):
        AriCalls(endpoint="PJSIP/trunk")
    with pytest.raises(ValueError, match="hold"):
        AriCalls(endpoint="PJSIP/{number}@trunk", prompts={Prompt.PRESS_ONE: "sound:a", Prompt.MESSAGE: "sound:b"})
