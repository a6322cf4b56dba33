"""Notices to webhooks: signed, in order, at least once, against a receiver that fails in every way."""

import asyncio
import json
import random
import threading
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest
from callback_calls import NOON, at, book, claim, ended, number, rejoined, tell
from web_calls import Clock

import callback.notices
from callback.commands import Tell
from callback.errors import StoreUnavailable
from callback.notices import GAP_MAX_S, Notices, NoticesError, Target, gap_s, secret_of, signature
from callback.states import Outcome
from callback.store import Store

SECRET = secret_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")


class Receiver(ThreadingHTTPServer):
    """Answers as it is told to, one answer for each notice, and 200 from then on."""

    daemon_threads = True

    def __init__(self, answers=()):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = list(answers)
        self.got = []
        self.lock = threading.Lock()
        self.free = threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    def handle_error(self, *_args):
        """A client that goes away is no news."""


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        with self.server.lock:
            self.server.got.append((dict(self.headers.items()), body))
            answer = self.server.answers.pop(0) if self.server.answers else 200
        if answer == "hang":
            self.server.free.wait(30)
            return
        if answer == "break":
            self.connection.close()
            return
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_args):
        pass


@contextmanager
def receiving(*answers):
    server = Receiver(answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.free.set()
        server.shutdown()
        thread.join()
        server.server_close()


class Sender:
    """Notices, sent turn by turn by a clock that is set by hand."""

    def __init__(self, service, *targets):
        self.clock, self.counts = Clock(at(20)), Counter()
        self.notices = Notices(
            service,
            targets,
            now=self.clock,
            count=lambda result: self.counts.update([result]),
            rng=random.Random(1),
        )

    def turns(self, count=1, *, apart_s=0.0):
        async def send():
            async with httpx2.AsyncClient(verify=False) as client:  # loopback, and quicker to make
                for _ in range(count):
                    await self.notices.turn(client)
                    self.clock.forward(apart_s)

        asyncio.run(send())


def target(server, **more):
    return Target(url=server.url, secret=SECRET, **more)


def data(got):
    return json.loads(got[1])["data"]


def busy(service, index, second=0):
    """A callback with one call behind it: one notice."""
    booked = book(service, index, second=second)
    (dialing,) = claim(service, second)
    tell(service, ended(dialing.dial.id, second + 1, Outcome.BUSY, cause="SIP 486"))
    return booked


def left(service):
    with service.store.reading() as reads:
        return reads.backlog("tell")


def test_the_signature_is_that_of_standard_webhooks():
    got = signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert got == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("text", ["", "hunter2!", "whsec_AAAA"])
def test_a_secret_that_is_none_is_refused_and_not_repeated(text):
    with pytest.raises(NoticesError) as refused:
        secret_of(text)
    assert not text or text not in str(refused.value)


def test_a_notice_says_what_happened_is_signed_and_has_no_number(service):
    booked = busy(service, 1)
    with receiving() as server:
        sender = Sender(service, target(server))
        sender.turns(2)
    ((headers, body),) = server.got
    assert data(server.got[0]) == {
        "callback_id": booked.id,
        "queue": "sales",
        "state": "deferred",
        "reason": None,
        "position": 1,
        "attempts": 1,
        "attempts_max": 3,
        "last_outcome": "busy",
        "not_before": "2026-01-05T17:02:01+00:00",
        "version": 4,
    }
    assert json.loads(body)["timestamp"] == at(1).isoformat()
    notice_id, timestamp = headers["webhook-id"], int(headers["webhook-timestamp"])
    assert (notice_id, timestamp) == (f"{booked.id}-4-0", round(at(20).timestamp()))
    assert headers["webhook-signature"] == signature(SECRET, notice_id, timestamp, body)
    assert b"2025550" not in body
    assert sender.counts == {"delivered": 1}
    assert left(service) == 0


def test_the_number_goes_to_who_is_to_have_it_and_not_when_it_was_erased(service):
    for index in (1, 2):
        booked = busy(service, index)
        service.cancel(booked.id, now=at(10))
    service.erase(number(2), now=at(11))
    with receiving() as server:
        Sender(service, target(server, numbers=True)).turns(3)
    assert {data(got)["number"] for got in server.got} == {number(1), None}
    assert len(server.got) == 4


def test_what_fails_comes_again_later_each_time_and_is_off_the_outbox_when_taken(service):
    busy(service, 1)
    with receiving(500, "break", (503, {"Retry-After": "120"}), 302, 200) as server:
        sender = Sender(service, target(server))
        waits = []
        for _ in range(5):
            before = sender.clock.now
            while len(server.got) == len(waits) and sender.clock.now < at(3600):
                sender.turns(apart_s=1.0)
            waits.append((sender.clock.now - before).total_seconds())
            assert left(service) == (0 if len(waits) == 5 else 1)
    assert waits[0] == 1
    assert 2.5 <= waits[1] <= 7
    assert 5 <= waits[2] <= 12
    assert waits[3] >= 120  # the receiver said so
    assert {headers["webhook-id"] for headers, _ in server.got} == {server.got[0][0]["webhook-id"]}
    assert len({headers["webhook-timestamp"] for headers, _ in server.got}) == 5
    assert sender.counts == {"failed": 4, "delivered": 1}


def test_gaps_double_up_to_a_quarter_of_an_hour_and_are_not_all_alike():
    rng = random.Random(3)
    gaps = [[gap_s(tries, rng) for _ in range(50)] for tries in range(1, 40)]
    assert all(max(some) <= GAP_MAX_S for some in gaps)
    assert all(len(set(some)) == 50 for some in gaps)
    assert min(gaps[0]) >= 2.5
    assert max(gaps[0]) <= 5
    assert min(gaps[-1]) >= GAP_MAX_S / 2


def test_a_receiver_that_hangs_holds_up_nothing_else(service, monkeypatch):
    monkeypatch.setattr(callback.notices, "ANSWER_MAX_S", 0.2)
    busy(service, 1)
    with receiving("hang") as hanging, receiving() as quick:
        sender = Sender(service, target(hanging), target(quick))
        sender.turns()
        assert (len(hanging.got), len(quick.got), left(service)) == (1, 1, 1)
        sender.turns(60, apart_s=1.0)
        assert (len(hanging.got), len(quick.got), left(service)) == (2, 1, 0)


def test_notices_of_one_callback_come_in_its_order_whatever_fails(service):
    ids = []
    for index in range(6):
        booked = rejoined(service, index, 10 * index)
        service.cancel(booked.id, now=at(10 * index + 8))
        ids.append(booked.id)
        again = book(service, index + 10, second=10 * index + 9)
        service.reschedule(again.id, now=at(10 * index + 9), wait_s=600)
        service.reschedule(again.id, now=at(10 * index + 9), wait_s=900)
        service.cancel(again.id, now=at(10 * index + 9))
        ids.append(again.id)
    rng = random.Random(5)
    with receiving(*(rng.choice([200, 500, "break", 429]) for _ in range(40))) as server:
        sender = Sender(service, target(server))
        sender.clock.now = at(100)
        sender.turns(400, apart_s=3.0)
    assert left(service) == 0
    taken = {}
    for got in server.got:
        told = data(got)
        taken.setdefault(told["callback_id"], []).append(told["version"])
    assert set(taken) == set(ids)
    assert all(versions == sorted(versions) for versions in taken.values())
    assert all(len(set(taken[one])) == 3 for one in ids[1::2])
    assert sender.counts["failed"] > 10


def test_a_state_is_told_as_it_was_then_though_the_callback_has_moved_on(service):
    booked = busy(service, 1)
    service.cancel(booked.id, now=at(5))
    with receiving() as server:
        Sender(service, target(server)).turns(2)
    assert [(data(got)["state"], data(got)["version"]) for got in server.got] == [
        ("deferred", 4),
        ("cancelled", 5),
    ]
    assert [data(got)["position"] for got in server.got] == [None, None]


def test_what_cannot_be_delivered_is_given_up_after_its_time_and_the_next_goes_out(service, caplog):
    booked = busy(service, 1)
    service.cancel(booked.id, now=at(5))
    with receiving(*[500] * 40) as server:
        sender = Sender(service, target(server, give_up_s=3600.0))
        while not sender.counts["dead"] and sender.clock.now < at(86_400):
            sender.turns(apart_s=60.0)
        assert sender.clock.now - NOON > timedelta(hours=1)
        assert {headers["webhook-id"] for headers, _ in server.got} == {f"{booked.id}-4-0"}
        server.answers.clear()
        sender.turns(2)
        assert server.got[-1][0]["webhook-id"] == f"{booked.id}-5-0"
    assert left(service) == 0
    assert f"notice {booked.id}-4-0 is given up" in caplog.text
    assert "2025550" not in caplog.text


def test_an_old_notice_is_tried_before_it_is_given_up_and_gone_means_gone(service):
    busy(service, 1)
    busy(service, 2, second=2)
    with receiving(200, 410) as server:
        sender = Sender(service, target(server, give_up_s=60.0))
        sender.clock.now = at(86_400)
        sender.turns(2)
    assert sender.counts == {"delivered": 1, "dead": 1}
    assert left(service) == 0


def test_a_sender_that_dies_loses_nothing_and_two_do_not_send_the_same_at_once(service, database):
    for index in range(8):
        busy(service, index, second=index)
    other = Store(database)
    with receiving() as server:
        dead = service.errands(at(10), limit=3, types=(Tell.type,), again_s=callback.notices.AGAIN_S)
        assert len(dead) == 3
        senders = [Sender(type(service)(other, service.rules), target(server)), Sender(service, target(server))]
        for sender in senders:
            sender.clock.now = at(11)
            sender.turns()
        assert len(server.got) == 5
        senders[0].clock.forward(callback.notices.AGAIN_S)
        senders[0].turns()
    other.close()
    assert len({headers["webhook-id"] for headers, _ in server.got}) == len(server.got) == 8
    assert left(service) == 0


def test_with_nobody_to_tell_the_outbox_does_not_grow_and_hang_ups_are_left_alone(service):
    booked = rejoined(service, 1, 0)
    service.cancel(booked.id, now=at(9))
    sender = Sender(service)
    sender.clock.now = at(10)
    sender.turns()
    assert left(service) == 0
    assert [errand.command.type for errand in service.errands(at(11))] == ["hang_up"]


def test_it_runs_until_it_is_told_to_stop_and_waits_for_a_store_that_is_gone(service, monkeypatch, caplog):
    busy(service, 1)
    monkeypatch.setattr(callback.notices, "POLL_S", 0.01)
    held = service.store

    def gone():
        raise StoreUnavailable("the connection broke")

    service.store = type("Gone", (), {"transaction": lambda _self: gone()})()
    with receiving() as server:
        sender = Sender(service, target(server))

        async def run():
            task = asyncio.create_task(sender.notices())
            while "notices wait" not in caplog.text:
                await asyncio.sleep(0.01)
            service.store = held
            while not sender.counts["delivered"]:
                await asyncio.sleep(0.01)
            task.cancel()
            return await asyncio.gather(task, return_exceptions=True)

        (stopped,) = asyncio.run(asyncio.wait_for(run(), 30))
    assert isinstance(stopped, asyncio.CancelledError)
    assert len(server.got) == 1
