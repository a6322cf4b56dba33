"""Webhooks against a real HTTP server on loopback that fails, hangs, closes; forms; signatures."""

import asyncio
import json
import random
from collections import Counter
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from certificates import make_certificate, needs_openssl
from http_peer import CLOSE, GARBAGE, HANG, HUGE, TRICKLE, HttpPeer
from hypothesis import given
from hypothesis import strategies as st

from amd.adapters.signatures import SignatureError, key_of, sign, sign_as_twilio, verify
from amd.adapters.webhook_forms import Form, Writer
from amd.adapters.webhook_settings import Hook, WebhookLimits
from amd.adapters.webhooks import Webhooks
from amd.errors import PolicyError
from amd.vocabularies import TwilioMode

KEY = "whsec_MDEyMzQ1Njc4OWFiY2RlZg=="
NOW_S = 1_700_000_000.0
QUICK = {"wait_first_s": 0.01, "wait_max_s": 0.05, "answer_max_s": 5.0}


def verdict(call=1, n=0, *, final=True, party="human", **more):
    names = {"human": "human", "machine": "machine_start"}
    return {
        "call": call,
        "system": "twilio",
        "call_id": f"CA{call}",
        "type": "verdict",
        "party": party,
        "final": final,
        "known_s": 1.25 + n,
        "AnsweredBy": names.get(party, "unknown"),
        **more,
    }


def delivered(actions, lines, *, limits=None, stop_s=20.0, after=200, until=None, tls=None, **hook):
    """Send lines to a peer; returns its requests, what was told, and the webhooks."""

    async def scenario():
        told = []
        async with HttpPeer(actions, after=after, tls=tls) as peer:
            webhooks = Webhooks(
                Hook(**{"url": peer.url, "secret": KEY, **hook}),
                told.append,
                limits=WebhookLimits(**{**QUICK, **(limits or {})}),
                now_s=lambda: NOW_S,
                rng=random.Random(1),
            )
            await webhooks.start()
            for line in lines:
                webhooks.send(line)
            if until is not None:
                await peer.wait_for(until)
            await webhooks.stop(stop_s)
            webhooks.send(verdict(99))
            return peer.requests, told, webhooks

    requests, told, webhooks = asyncio.run(scenario())
    late = told.pop()
    assert (late["call"], late["reason"]) == (99, "stopped")
    webhooks.n_dropped -= Counter(stopped=1)
    return requests, told, webhooks


def test_a_verdict_is_posted_signed_as_the_line_it_is():
    (request,), told, webhooks = delivered([], [verdict()])
    assert (request.method, request.path) == ("POST", "/hook")
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body) == verdict()
    assert verify(request.headers, request.body, [KEY], NOW_S) == request.headers["idempotency-key"]
    assert (told, webhooks.n_sent, webhooks.n_failed) == ([], 1, 0)


def test_without_a_secret_there_is_no_signature():
    (request,), _, _ = delivered([], [verdict()], secret=None)
    assert "webhook-signature" not in request.headers


def test_lines_that_are_no_verdicts_are_not_sent():
    lines = [{"type": "refused", "reason": "full"}, {**verdict(), "type": "speech_started"}, verdict()]
    requests, _, _ = delivered([], lines)
    assert [json.loads(request.body)["type"] for request in requests] == ["verdict"]


def test_early_verdicts_can_be_left_out():
    lines = [verdict(final=False), verdict(), {"call": 1, "type": "greeting_ended", "by": "beep"}]
    for early, n in ((True, 3), (False, 2)):
        requests, _, _ = delivered([], lines, early=early)
        assert [json.loads(request.body)["type"] for request in requests][-2:] == ["verdict", "greeting_ended"]
        assert len(requests) == n


def test_a_failure_is_tried_again_with_the_same_id_until_it_works():
    actions = [500, 503, CLOSE, GARBAGE, (429, {"Retry-After": "0"}), 200]
    requests, told, webhooks = delivered(actions, [verdict()])
    assert len(requests) == len(actions)
    assert len({request.headers["webhook-id"] for request in requests}) == 1
    assert len({request.body for request in requests}) == 1
    assert [line["type"] for line in told] == ["webhook_failing", "webhook_works"]
    assert told[0]["reason"] == "HTTP 500"
    assert (webhooks.n_sent, webhooks.n_failed, sum(webhooks.n_dropped.values())) == (1, 5, 0)


def test_a_server_that_hangs_or_trickles_is_given_up_in_time():
    requests, told, webhooks = delivered([HANG, TRICKLE, 200], [verdict()], limits={"answer_max_s": 0.3})
    assert len(requests) == 3
    assert told[0] == {"type": "webhook_failing", "reason": "no answer in time"}
    assert webhooks.n_sent == 1


def test_a_huge_answer_is_not_read():
    requests, _, webhooks = delivered([HUGE], [verdict(), verdict(2)])
    assert len(requests) == webhooks.n_sent == 2


@pytest.mark.parametrize("status", [301, 400, 401, 404, 410])
def test_an_answer_that_no_try_will_change_is_final_and_told(status):
    requests, told, webhooks = delivered([status, 200], [verdict()])
    assert len(requests) == 1
    assert told[-1] == {
        "type": "webhook_dropped",
        "call": 1,
        "call_id": "CA1",
        "dropped": "verdict",
        "reason": f"HTTP {status}",
        "tries": 1,
    }
    assert webhooks.n_dropped == {f"HTTP {status}": 1}


def test_after_so_many_tries_it_is_dropped_and_told():
    requests, told, webhooks = delivered([500, 500, 500, 200], [verdict(), verdict(2)], limits={"tries_max": 3})
    assert len(requests) in (4, 5)  # the second call's message met one of the failures, or none
    assert {line["type"] for line in told} <= {"webhook_failing", "webhook_dropped", "webhook_works"}
    assert sum(webhooks.n_dropped.values()) + webhooks.n_sent == 2


def test_nobody_listening_is_a_failure_like_any_other():
    async def scenario():
        told = []
        async with HttpPeer() as peer:
            url = peer.url
        limits = WebhookLimits(**{**QUICK, "tries_max": 2})
        webhooks = Webhooks(Hook(url=url), told.append, limits=limits)
        await webhooks.start()
        webhooks.send(verdict())
        await webhooks.stop(20)
        return told

    told = asyncio.run(scenario())
    assert [line["reason"] for line in told] == ["ConnectError", "ConnectError"]
    assert "127.0.0.1" not in json.dumps(told)


@needs_openssl
def test_https_goes_only_to_whom_an_authority_vouches_for(tmp_path):
    tls, file = make_certificate(tmp_path)
    (request,), told, _ = delivered([], [verdict()], tls=tls, ca_file=file)
    assert (json.loads(request.body), told) == (verdict(), [])
    requests, told, _ = delivered([], [verdict()], tls=tls, limits={"tries_max": 2})
    assert requests == []
    assert [line["reason"] for line in told] == ["ConnectError", "ConnectError"]


def test_the_order_within_a_call_is_kept_whatever_fails():
    rng = random.Random(7)
    actions = [rng.choice([200, 200, 500, CLOSE, 503]) for _ in range(60)]
    lines = [verdict(call, n, final=n == 5) for n in range(6) for call in (1, 2, 3, 4)]
    requests, _, webhooks = delivered(actions, lines, limits={"tries_max": 60})
    assert webhooks.n_sent == len(lines)
    for call in (1, 2, 3, 4):
        bodies = [json.loads(request.body) for request in requests]
        times = [body["known_s"] for body in bodies if body["call"] == call]
        assert times == sorted(times)
        assert len(set(times)) == 6


def test_a_call_that_waits_holds_up_no_other():
    lines = [verdict(1), *(verdict(call) for call in range(2, 12))]
    requests, _, webhooks = delivered(
        [HANG], lines, limits={"at_once": 2, "answer_max_s": 3.0}, stop_s=0.0, until=11
    )
    assert {json.loads(request.body)["call"] for request in requests[1:]} == set(range(2, 12))
    assert webhooks.n_sent >= 9


def test_beyond_its_size_the_queue_drops_the_oldest_and_tells():
    lines = [verdict(1, n, final=False) for n in range(8)]
    requests, told, webhooks = delivered([], lines, limits={"queue_max": 3, "at_once": 1})
    assert [json.loads(request.body)["known_s"] for request in requests] == [6.25, 7.25, 8.25]
    assert [(line["reason"], line["call"]) for line in told] == [("queue full", 1)] * 5
    assert webhooks.n_dropped == {"queue full": 5}


def test_what_a_stop_cannot_deliver_in_its_time_is_dropped_and_told():
    _, told, webhooks = delivered([], [verdict(), verdict(2)], after=HANG, stop_s=0.2, until=2)
    assert [line["reason"] for line in told] == ["stopped", "stopped"]
    assert webhooks.n_dropped == {"stopped": 2}


def test_a_stop_waits_for_what_is_being_tried_again():
    requests, told, webhooks = delivered([500, 500], [verdict()])
    assert (len(requests), webhooks.n_sent) == (3, 1)
    assert told[-1] == {"type": "webhook_works"}


@given(st.integers(1, 80), st.randoms())
def test_waits_double_to_their_most_less_up_to_a_half(n_tries, rng):
    limits = WebhookLimits(wait_first_s=0.5, wait_max_s=30.0)
    most = min(30.0, 0.5 * 2 ** (n_tries - 1))
    assert most / 2 <= limits.wait_s(n_tries, rng) <= most


# Forms


def test_twilios_form_is_one_message_a_call_with_twilios_fields_and_signature():
    lines = [
        verdict(final=False),
        verdict(party="machine"),
        {**verdict(), "type": "greeting_ended", "by": "beep"},
        {**verdict(), "type": "ended", "reason": "hangup"},
    ]
    token = {"token": "a token of twilio"}
    (request,), _, _ = delivered([], lines, form=Form.TWILIO, account_sid="AC1", **token)
    fields = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    assert fields == {
        "CallSid": "CA1",
        "AccountSid": "AC1",
        "AnsweredBy": "machine_start",
        "MachineDetectionDuration": "1250",
    }
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    url = f"http://{request.headers['host']}/hook"
    assert request.headers["x-twilio-signature"] == sign_as_twilio("a token of twilio", url, fields)


def answered_by(lines, mode=TwilioMode.DETECT_MESSAGE_END):
    writer = Writer(Form.TWILIO, mode=mode)
    messages = [message for line in lines if (message := writer.take(line)) is not None]
    return [message.fields["AnsweredBy"] for message in messages], writer


@pytest.mark.parametrize(("by", "name"), [("beep", "machine_end_beep"), ("silence", "machine_end_silence")])
def test_at_the_messages_end_a_machine_is_told_by_what_ended_its_greeting(by, name):
    greeting = {**verdict(), "type": "greeting_ended", "by": by}
    ended = {**verdict(), "type": "ended"}
    names, writer = answered_by([verdict(party="machine"), greeting, greeting, ended])
    assert names == [name]
    assert writer._awaited == {}


def test_at_the_messages_end_a_call_that_ends_first_is_told_all_the_same():
    assert answered_by([verdict(party="machine"), {**verdict(), "type": "ended"}])[0] == ["machine_end_other"]
    assert answered_by([verdict(party="human"), {**verdict(), "type": "ended"}])[0] == ["human"]
    deadlines = [{**verdict(), "type": "deadline", "what": what} for what in ("verdict", "greeting_end")]
    assert answered_by([verdict(party="machine"), deadlines[0]])[0] == []
    assert answered_by([verdict(party="machine"), *deadlines])[0] == ["machine_end_other"]


def test_an_id_that_is_no_text_of_unicode_is_written_all_the_same():
    writer = Writer(Form.TWILIO)
    assert b"CallSid=%3F&" in writer.take({**verdict(), "call_id": "\ud800"}).body
    assert b"CallSid=&" in writer.take({**verdict(2), "call_id": None}).body


# Settings


@pytest.mark.parametrize(
    ("hook", "match"),
    [
        ({"url": "http://example.org/hook"}, "must be https"),
        ({"url": "example.org"}, "https://host"),
        ({"url": "ftp://example.org/"}, "https://host"),
        ({"url": "https://user:word@example.org/"}, "no user and password"),
        ({"url": "https://example.org/", "secret": "short"}, "16 or more"),
        ({"url": "https://example.org/", "ca_file": Path("nowhere.pem")}, "is no file"),
        ({"url": "https://example.org/", "secret": "whsec_!"}, "base64"),
    ],
)
def test_a_hook_that_would_not_be_safe_is_refused(hook, match):
    with pytest.raises((PolicyError, SignatureError), match=match) as refused:
        Hook(**hook)
    assert "word" not in str(refused.value).replace("password", "")


def test_a_hook_on_this_machine_or_meant_may_be_plain_and_hides_its_secrets():
    for url in ("http://127.0.0.1:1/", "http://[::1]:1/", "http://localhost/"):
        assert Hook(url=url).url == url
    hidden_fields = {"secret": KEY, "token": "t-secret"}
    shown = repr(Hook(url="http://example.org/?token=abc", insecure=True, **hidden_fields))
    for hidden in ("abc", KEY, "t-secret"):
        assert hidden not in shown


@pytest.mark.parametrize("limits", [{"queue_max": 0}, {"answer_max_s": 5000}, {"wait_first_s": 0}, {"at_once": 0}])
def test_limits_that_are_none_are_refused(limits):
    with pytest.raises(PolicyError, match=next(iter(limits))):
        WebhookLimits(**limits)


# Signatures


def signed(body=b"{}", at_s=1000, by=KEY):
    return sign(key_of(by), "msg_1", at_s, body)


def test_a_signature_holds_for_its_body_its_time_and_its_id_alone():
    assert verify(signed(), b"{}", [KEY], 1000.0) == "msg_1"
    assert verify({name.title(): value for name, value in signed().items()}, b"{}", [KEY], 1299) == "msg_1"
    for headers, body, now_s in [
        (signed(), b"{ }", 1000),
        ({**signed(), "webhook-id": "msg_2"}, b"{}", 1000),
        ({**signed(), "webhook-timestamp": "1001"}, b"{}", 1000),
        (signed(by="another secret of ours"), b"{}", 1000),
    ]:
        with pytest.raises(SignatureError, match="no signature of this webhook is by our secret"):
            verify(headers, body, [KEY], now_s)


@pytest.mark.parametrize("now_s", [1301.0, 698.0, float("nan")])
def test_a_replayed_or_early_webhook_is_refused(now_s):
    with pytest.raises(SignatureError, match="replayed"):
        verify(signed(), b"{}", [KEY], now_s)


def test_one_secret_may_follow_another():
    headers = signed(by="the secret before this one")
    assert verify(headers, b"{}", [KEY, "the secret before this one"], 1000) == "msg_1"
    both = {**headers, "webhook-signature": f"v2,x {signed()['webhook-signature']} {headers['webhook-signature']}"}
    assert verify(both, b"{}", [KEY], 1000) == "msg_1"


TEXT = st.text(alphabet=st.characters(codec="utf-8"), max_size=40)


@given(
    st.dictionaries(st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "X"]), TEXT),
    st.binary(max_size=20),
)
def test_whatever_headers_come_none_is_taken_for_signed(headers, body):
    with pytest.raises(SignatureError):
        verify({**signed(), **headers}, body + b"!", [KEY], 1000)


def test_twilios_own_example_has_twilios_signature():
    fields = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+12349013030",
        "Digits": "1234",
        "From": "+12349013030",
        "To": "+18005551212",
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert sign_as_twilio("12345", url, fields) == "0/KCTR6DLpKmkAf8muzZqo1nDgQ="
