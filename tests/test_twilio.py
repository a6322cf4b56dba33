"""The Twilio dialer against a fake Twilio on loopback: every call is placed once, and its end is told."""

import asyncio
import contextlib
import dataclasses
import hashlib

import pytest
from aiohttp import ClientSession, WSServerHandshakeError, web
from amd_twilio import heard
from dialer_rig import Answers, Fails, HangsUp, Mischief, Presses, Rings
from fake_twilio import TOKEN
from rig_twilio import PROMPTS, TwilioRig
from told import LIMIT_S, Told, eventually

from callback.dialers.twilio import TwilioDialer
from callback.dialers.twilio_rest import TwilioAccount
from callback.dialers.twilio_signature import HEADER, is_signed, sign
from callback.dialers.twilio_twiml import Spoken, bridge
from callback.dialing import (
    DialerDown,
    DialInDoubt,
    DialingError,
    DialRefused,
    NoMedia,
    NoSuchCall,
    Placing,
    Prompt,
    Up,
)
from callback.states import Outcome

NUMBER = "+12025550123"
DIAL = "d-1"
AGENT = "agent-7"
URL = "https://calls.example.org/w1/status/d-1/call"


@contextlib.asynccontextmanager
async def rigged(*steps, mischief=None, **changes):
    rig, told = TwilioRig(), Told()
    await rig.start()
    rig.will(NUMBER, *steps, mischief=mischief)
    dialer = TwilioDialer(rig.settings(**changes), now=rig.now)
    await dialer.start(told.tell)
    try:
        async with asyncio.timeout(LIMIT_S):
            yield rig, dialer, told
    finally:
        await dialer.stop()
        await rig.stop()


def place(dialer, **changes):
    return dialer.originate(Placing(**{"dial_id": DIAL, "number": NUMBER, "queue": "sales", **changes}))


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
        async with rigged(Rings(), Fails(after_s=1, outcome=outcome)) as (rig, dialer, told):
            await place(dialer)
            ended = await told.until(DIAL, "ended")
            assert (ended.failed, ended.cause, ended.talked) == (outcome, cause, False)
            assert told.types(DIAL) == ["ringing", "ended"]
            assert rig.placed(NUMBER) == 1
            assert await dialer.look_up(DIAL) == ended

    asyncio.run(play())


def test_a_call_that_rings_out_is_no_answer():
    async def play():
        async with rigged(Rings()) as (rig, dialer, told):
            await place(dialer, ring_max_s=4.2)
            assert (await told.until(DIAL, "ended")).failed is Outcome.NO_ANSWER
            assert rig.twilio.last[NUMBER].form["Timeout"] == "5"

    asyncio.run(play())


def test_from_answer_to_agent():
    async def play():
        steps = Rings(after_s=0.5), Answers(after_s=1, sample="human-01.wav"), Presses(after_s=30, key="#")
        async with rigged(*steps) as (rig, dialer, told):
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
        async with rigged(Answers(), Presses(after_s=2)) as (_, dialer, told):
            await place(dialer)
            await told.until(DIAL, "answered")
            await dialer.play(DIAL, Prompt.PRESS_ONE)
            assert (await told.until(DIAL, "key_pressed")).key == "1"

    asyncio.run(play())


def test_audio_goes_on_until_the_customer_hangs_up_and_no_longer():
    async def play():
        steps = Answers(after_s=0.1, sample="machine-01.wav"), HangsUp(after_s=10)
        async with rigged(*steps) as (_, dialer, told):
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
        async with rigged(Rings(), Fails(after_s=1, outcome=Outcome.BUSY)) as (rig, dialer, told):
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
        async with rigged(Rings()) as (rig, dialer, _):
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


def test_a_dial_given_up_while_its_order_is_on_the_way_is_hung_up_before_it_is_answered():
    async def play():
        async with rigged(Rings(after_s=20), Answers(after_s=60)) as (rig, dialer, told):
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
        async with rigged(Rings(), Answers(after_s=1), mischief=mischief) as (rig, dialer, _):
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
        async with rigged(Rings(), Answers(after_s=300), mischief=Mischief.LOSE_REPLY) as (rig, dialer, _):
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
        async with rigged(*steps, mischief=Mischief.DISCONNECT) as (rig, dialer, told):
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
        async with rigged(*steps, mischief=mischief, quiet_max_s=60) as (_, dialer, told):
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
        async with rigged() as (rig, dialer, told):
            rig.twilio.answers.append(web.json_response({"code": code} if code else {}, status=status))
            await place(dialer)
            ended = await told.until(DIAL, "ended")
            assert (ended.failed, ended.cause) == (failed, cause)
            assert rig.placed(NUMBER) == 0

    asyncio.run(play())


@pytest.mark.parametrize(("after_s", "placed"), [("1", 1), ("3600", 0)])
def test_too_many_requests_wait_as_long_as_twilio_says_within_reason(after_s, placed):
    async def play():
        async with rigged(Fails(outcome=Outcome.BUSY)) as (rig, dialer, told):
            headers = {"Retry-After": after_s}
            rig.twilio.answers.append(web.json_response({"code": 20429}, status=429, headers=headers))
            await place(dialer)
            ended = await told.until(DIAL, "ended")
            assert ended.failed is (Outcome.BUSY if placed else Outcome.NETWORK)
            assert rig.placed(NUMBER) == placed

    asyncio.run(play())


def test_audio_that_does_not_come_is_no_media():
    async def play():
        async with rigged(Answers(), mischief=Mischief.NO_MEDIA) as (_, dialer, told):
            await place(dialer)
            await told.until(DIAL, "answered")
            with pytest.raises(NoMedia, match=r"door\.url"):
                await dialer.media(DIAL)

    asyncio.run(play())


def test_another_worker_takes_a_call_over():
    async def play():
        async with rigged(Answers(sample="human-03.wav"), HangsUp(after_s=60)) as (rig, dialer, told):
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


@pytest.mark.parametrize("leg", ["client:agent_7", "sip:agent@example.org", "+12025550177", "conference:a-7"])
def test_an_agent_may_be_reached_in_four_ways(leg):
    async def play():
        async with rigged(Answers()) as (rig, dialer, told):
            await place(dialer)
            await told.until(DIAL, "answered")
            await dialer.bridge(DIAL, leg)
            assert rig.bridged(NUMBER)

    asyncio.run(play())


def test_an_agent_who_does_not_come_is_told():
    async def play():
        async with rigged(Answers(), leg_max_s=0.2) as (rig, dialer, told):
            await place(dialer)
            await told.until(DIAL, "answered")
            rig.twilio.post = lambda *_: asyncio.sleep(0)
            with pytest.raises(DialingError, match="did not come"):
                await dialer.bridge(DIAL, AGENT)

    asyncio.run(play())


def test_a_call_that_is_gone_cannot_be_used():
    async def play():
        async with rigged() as (_, dialer, _):
            for use in (dialer.media(DIAL), dialer.play(DIAL, Prompt.HOLD), dialer.bridge(DIAL, AGENT)):
                with pytest.raises(NoSuchCall):
                    await use

    asyncio.run(play())


def test_an_account_that_is_refused_is_told_at_once():
    async def play():
        async with rigged() as (rig, _, _):
            account = dataclasses.replace(rig.settings().account, token="wrong")  # noqa: S106
            with pytest.raises(DialerDown, match="token") as down:
                await TwilioDialer(rig.settings(account=account)).start(Told().tell)
            assert "wrong token" in str(down.value)
            nowhere = dataclasses.replace(account, url="http://127.0.0.1:1")
            with pytest.raises(DialerDown, match="reached"):
                await TwilioDialer(rig.settings(account=nowhere)).start(Told().tell)

    asyncio.run(play())


def test_without_a_signature_nothing_is_taken():
    async def play():
        async with rigged(Rings()) as (_, dialer, told), ClientSession() as session:
            await place(dialer)
            form = {"CallSid": "CA1", "CallStatus": "completed"}
            url = dialer._server.address("status", DIAL, "call")
            signed = {HEADER: sign(TOKEN, url, form.items())}
            wrong = (
                {},
                {HEADER: sign("other", url, form.items())},
                {HEADER: sign(TOKEN, url + "x", form.items())},
            )
            for headers in wrong:
                async with session.post(url, data=form, headers=headers) as reply:
                    assert reply.status == 403
            async with session.post(url, data={**form, "CallStatus": "busy"}, headers=signed) as reply:
                assert reply.status == 403
            with pytest.raises(WSServerHandshakeError) as refused:
                await session.ws_connect(dialer._server.media_address(DIAL, "x"))
            assert refused.value.status == 403
            async with session.post(url, data="x" * 70_000, headers=signed) as reply:
                assert reply.status == 413
            assert told.of(DIAL, "ended") is None

    asyncio.run(play())


FORM = {"CallSid": "CA1", "Caller": "+12025550100"}


@pytest.mark.parametrize("url", [URL, URL.replace(".org/", ".org:443/"), URL + "?a=b"])
def test_a_signature_is_of_the_address_that_twilio_was_given(url):
    assert is_signed(TOKEN, url, sign(TOKEN, url, FORM.items()), form=FORM.items())
    assert not is_signed(TOKEN, url, sign(TOKEN, url, FORM.items()), form={**FORM, "CallSid": "CA2"}.items())
    assert not is_signed(TOKEN, url, "", form=FORM.items())
    assert not is_signed(TOKEN, url, "ä", form=FORM.items())


def test_the_port_of_the_scheme_may_be_signed_or_not():
    with_port = URL.replace(".org/", ".org:443/")
    assert is_signed(TOKEN, URL, sign(TOKEN, with_port))
    assert is_signed(TOKEN, with_port, sign(TOKEN, URL))
    assert is_signed(TOKEN, "wss://calls.example.org/m", sign(TOKEN, "wss://calls.example.org/m/"))


def test_a_body_that_is_no_form_is_signed_by_its_hash():
    body = b'{"a": 1}'
    url = f"{URL}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    assert is_signed(TOKEN, url, sign(TOKEN, url), body=body)
    assert not is_signed(TOKEN, url, sign(TOKEN, url), body=body + b" ")


@pytest.mark.parametrize(
    "changes",
    [
        {"number": "+1202555\r\nTo: x"},
        {"number": "2025550123"},
        {"dial_id": "../Accounts"},
        {"dial_id": ""},
    ],
)
def test_nothing_gets_into_a_request_that_does_not_belong_there(changes):
    async def play():
        async with rigged() as (rig, dialer, _):
            before = len(rig.twilio.requests)
            with pytest.raises(ValueError, match=r"need|must") as refused:
                await place(dialer, **changes)
            assert changes.get("number", "?") not in str(refused.value)
            assert len(rig.twilio.requests) == before

    asyncio.run(play())


@pytest.mark.parametrize("leg", ["", "a b", '"/><Dial>', "x" * 200])
def test_a_leg_that_cannot_be_is_refused(leg):
    with pytest.raises(ValueError, match="leg of"):
        bridge(leg, "d", "https://x/leg", "https://x/over")


def test_texts_are_escaped():
    assert (
        Spoken(language='e"n').verb("Press 1 & <wait>") == "<Say language='e\"n'>Press 1 &amp; &lt;wait&gt;</Say>"
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"caller_id": "2025550100"}, "E.164"),
        ({"caller_ids": {"sales": "x"}}, "E.164"),
        ({"prompts": {**PROMPTS, Prompt.HOLD: " "}}, "hold"),
    ],
)
def test_settings_that_cannot_be_name_what_they_need(changes, why):
    with pytest.raises(ValueError, match=why):
        TwilioRig().settings(**changes)


@pytest.mark.parametrize(("sid", "token"), [("AC123", "t"), ("AC" + "0" * 32, ""), ("AC" + "0" * 32, "t\n")])
def test_an_account_that_cannot_be_does_not_show_its_token(sid, token):
    with pytest.raises(ValueError, match=r"must be|empty or holds") as refused:
        TwilioAccount(sid=sid, token=token)
    assert sid not in str(refused.value)


def test_numbers_keys_and_tokens_are_in_no_log(caplog):
    async def play():
        steps = Rings(), Answers(), Presses(after_s=2), HangsUp(after_s=5)
        async with rigged(*steps, mischief=Mischief.DISCONNECT) as (rig, dialer, told):
            await place(dialer)
            await told.until(DIAL, "ended")
            assert NUMBER.encode() not in await asyncio.to_thread(rig.memory.read_bytes)
            assert TOKEN not in repr(dialer._settings)
            assert NUMBER not in repr(list(told))

    with caplog.at_level("DEBUG"):
        asyncio.run(play())
    assert NUMBER[1:] not in caplog.text
    assert TOKEN not in caplog.text
