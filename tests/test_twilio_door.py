"""What the Twilio dialer lets in and lets out: signatures, addresses, texts, settings."""

import asyncio
import dataclasses
import hashlib

import pytest
from aiohttp import ClientSession, WSServerHandshakeError
from dialer_rig import Rings
from dialled import DIAL, dialled, place
from fake_twilio import TOKEN
from rig_twilio import PROMPTS, TwilioRig
from told import Told

from callback.dialers.twilio import TwilioDialer
from callback.dialers.twilio_rest import TwilioAccount
from callback.dialers.twilio_signature import HEADER, is_signed, sign
from callback.dialers.twilio_twiml import Spoken, bridge
from callback.dialing import (
    DialerDown,
    Prompt,
)

URL = "https://calls.example.org/w1/status/d-1/call"


def test_an_account_that_is_refused_is_told_at_once():
    async def play():
        async with dialled(TwilioRig()) as (rig, _, _):
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
        async with dialled(TwilioRig(), Rings()) as (_, dialer, told), ClientSession() as session:
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
        async with dialled(TwilioRig()) as (rig, dialer, _):
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
