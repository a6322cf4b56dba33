"""The HTTP service: what programs may ask, what they hear when it cannot be, and what is never told."""

import logging
import socket
import sqlite3
import threading
import time
from contextlib import closing

import pytest
from callback_calls import RULES, at, number, person, tell
from openapi_spec_validator import validate
from web_calls import STAFFED, Clock, bearer, client_of, made_keys, problem, running, service_at

from callback.agents import Staffing
from callback.errors import StoreUnavailable
from callback.ordering import Contact, Kind, Place
from callback.service import CallbackService
from callback.states import State
from callback.store import Store
from callback.web.settings import Settings

BOOKING = {"number": "(202) 555-0101", "queue": "sales"}


@pytest.fixture
def service(tmp_path):
    made = service_at(tmp_path / "web.db")
    with closing(made.store):
        yield made


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def client(service, clock):
    with client_of(service, clock=clock) as made:
        yield made


def booked(client, index=1, **more):
    answer = client.post("/v1/callbacks", json={"number": number(index), "queue": "sales", **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


# ---- the customer's side


def test_a_booking_is_on_disk_when_it_is_answered_and_says_where_it_stands(client, service):
    answer = client.post("/v1/callbacks", json={**BOOKING, "enqueued_at": at(-120).isoformat()})
    body = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/callbacks/{body['id']}"
    assert (body["state"], body["position"], body["attempts"], body["reason"]) == ("waiting", 1, 0, None)
    kept = service.get(body["id"])
    assert (kept.person.number, kept.booking.enqueued_at) == (number(1), at(-120))
    assert client.get(answer.headers["location"]).json() == body
    assert "2025550" not in answer.text


def test_the_same_key_books_once_and_for_one_booking_only(client, service):
    first, again = (client.post("/v1/callbacks", json=BOOKING, headers={"Idempotency-Key": "k1"}) for _ in "ab")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    with service.store.reading() as reads:
        assert len(list(reads.all())) == 1
    other = {**BOOKING, "number": number(2)}
    body = problem(client.post("/v1/callbacks", json=other, headers={"Idempotency-Key": "k1"}), 422, "refused")
    assert "request_key" in body["detail"]


def test_keys_of_two_clients_do_not_meet(service):
    keys, known = made_keys(desk="book", web="book")
    with client_of(service, keys=known) as client:
        ids = {
            client.post(
                "/v1/callbacks",
                json={"number": number(index), "queue": "sales"},
                headers={**bearer(keys[name]), "Idempotency-Key": "1"},
            ).json()["id"]
            for index, name in enumerate(("desk", "web"), start=1)
        }
    assert len(ids) == 2


def test_who_is_in_line_already_keeps_the_place_and_is_told_which(client):
    first = booked(client)
    body = problem(client.post("/v1/callbacks", json=BOOKING), 409, "already-booked")
    assert body["callback_id"] == first["id"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("(900) 555-0100", "premium"),
        ("911", "emergency"),
        ("bakery", "not_a_number"),
        ("+1 202 555 010", "wrong_length"),
    ],
)
def test_a_number_that_cannot_be_called_is_refused_with_the_reason_and_masked(client, text, reason):
    body = problem(client.post("/v1/callbacks", json={**BOOKING, "number": text}), 422, "refused")
    assert body["reason"] == reason
    assert text not in str(body)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"queue": "1202"}, "body/queue"),
        ({"queue": "s" * 65}, "body/queue"),
        ({"priority": -1}, "body/priority"),
        ({"priority": "first"}, "body/priority"),
        ({"enqueued_at": "2026-01-05T12:00:00"}, "body/enqueued_at"),
        ({"numer": "x"}, "body/numer"),
        ({"number": 12025550101}, "body/number"),
        ({"number": ["+12025550101"]}, "body/number"),
        ({"name": ["A Customer"]}, "body/name"),
    ],
)
def test_what_is_wrong_with_a_body_is_named_but_for_what_is_of_a_person(client, change, where):
    answer = client.post("/v1/callbacks", json={**BOOKING, **change})
    body = problem(answer, 422, "invalid")
    (error,) = [one for one in body["errors"] if one["where"].startswith(where)]
    assert error["message"]
    assert "2025550" not in answer.text
    assert "A Customer" not in answer.text


def test_a_queue_that_the_settings_do_not_name_is_refused(client, service):
    body = problem(client.post("/v1/callbacks", json={**BOOKING, "queue": "slaes"}), 422, "unknown-queue")
    assert "sales, support" in body["detail"]
    with client_of(service, settings=Settings()) as anyone:
        assert anyone.post("/v1/callbacks", json={**BOOKING, "queue": "slaes"}).status_code == 201


def test_cancel_and_called_in_end_it_and_a_second_time_is_a_conflict(client):
    one, two = booked(client, 1), booked(client, 2)
    over = client.post(f"/v1/callbacks/{one['id']}/cancel")
    assert (over.json()["state"], over.json()["reason"]) == ("cancelled", "by_customer")
    assert (over.json()["position"], over.json()["estimate"]) == (None, None)
    body = problem(client.post(f"/v1/callbacks/{one['id']}/cancel"), 409, "wrong-state")
    assert "legal here" in body["detail"]
    assert client.post("/v1/called-in", json={"number": number(2), "queue": "support"}).json() == {"ended": []}
    assert client.post("/v1/called-in", json={"number": number(2)}).json() == {"ended": [two["id"]]}
    three = booked(client, 3)
    staff = client.post(f"/v1/callbacks/{three['id']}/cancel", json={"reason": "by_staff"})
    assert staff.json()["reason"] == "by_staff"


def test_reschedule_by_wait_and_by_the_customers_clock_keeps_the_place(client):
    one, _ = booked(client, 1), booked(client, 2)
    later = client.post(f"/v1/callbacks/{one['id']}/reschedule", json={"wait_s": 3600}).json()
    assert (later["state"], later["position"], later["not_before"]) == ("deferred", 1, "2026-01-05T18:00:00Z")
    assert later["estimate"]["low_s"] == 3600
    wall = client.post(f"/v1/callbacks/{one['id']}/reschedule", json={"wall": "2026-01-05T15:30"}).json()
    assert wall["not_before"] == "2026-01-05T20:30:00Z"
    late = client.post(f"/v1/callbacks/{one['id']}/reschedule", json={"wall": "2026-01-05T23:30"})
    assert "08:00" in problem(late, 422, "refused")["detail"]
    for both in ({}, {"wall": "2026-01-05T15:30", "wait_s": 1}, {"wall": "2026-01-05T15:30Z"}):
        problem(client.post(f"/v1/callbacks/{one['id']}/reschedule", json=both), 422, "invalid")


def test_unknown_callbacks_and_pages_are_not_found(client):
    problem(client.get("/v1/callbacks/nobody"), 404, "unknown-callback")
    problem(client.post("/v1/callbacks/nobody/cancel"), 404, "unknown-callback")
    problem(client.get("/v2"), 404, "http")
    problem(client.put("/v1/callbacks", json=BOOKING), 405, "http")


def test_an_ended_callback_is_erased_by_an_admin_only(service, clock):
    keys, known = made_keys(desk="book", boss="admin")
    with client_of(service, keys=known, clock=clock) as client:
        one = client.post("/v1/callbacks", json=BOOKING, headers=bearer(keys["desk"])).json()
        body = {"number": number(1)}
        problem(client.post("/v1/erase", json=body, headers=bearer(keys["boss"])), 409, "wrong-state")
        client.post(f"/v1/callbacks/{one['id']}/cancel", headers=bearer(keys["desk"]))
        problem(client.post("/v1/erase", json=body, headers=bearer(keys["desk"])), 403, "wrong-scope")
        assert client.post("/v1/erase", json=body, headers=bearer(keys["boss"])).json() == {"erased": 1}
    assert service.get(one["id"]).person is None


# ---- how long it takes


def test_what_is_told_outlives_a_restart_and_does_not_grow_with_time(service, clock):
    slower = Settings.model_validate({"queues": {"sales": {"agents": 2, "handling_s": 210}}})
    with client_of(service, clock=clock) as client:
        booked(client, 1)
        mine = booked(client, 2)
    clock.forward(60)
    with client_of(service, clock=clock, settings=slower) as client:
        again = client.get(f"/v1/callbacks/{mine['id']}").json()["estimate"]
        assert again == mine["estimate"]
        urgent = Settings.model_validate({"queues": {"sales": {"agents": 1, "handling_s": 210}}})
    with client_of(service, clock=clock, settings=urgent) as client:
        grown = client.get(f"/v1/callbacks/{mine['id']}").json()["estimate"]
    assert grown["high_s"] > mine["estimate"]["high_s"]
    assert grown["grown"] == "fewer_agents"


def test_nothing_is_told_where_nobody_says_who_is_there(client):
    answer = client.post("/v1/callbacks", json={**BOOKING, "queue": "support"}).json()
    assert (answer["position"], answer["estimate"]) == (1, None)


class Centre:
    """The contact centre's own queue, as an adapter tells of it."""

    def __init__(self, staffing):
        self.now = staffing

    async def staffing(self, queue):
        assert queue == "sales"
        if isinstance(self.now, Exception):
            raise self.now
        return self.now


def test_the_adapter_knows_better_than_the_settings(service, clock):
    live = tuple(
        Contact(
            id=f"live-{index}",
            place=Place(priority=0, enqueued_at=at(-300), seq=index),
            kind=Kind.LIVE,
            ready=True,
        )
        for index in range(3)
    )
    centre = Centre(Staffing(free=(), n_busy=1, handling_s=600.0, patience_s=1e9, live=live))
    with client_of(service, clock=clock, agents=centre) as client:
        crowded = booked(client, 1)["estimate"]
        assert crowded["low_s"] > 600
        centre.now = Staffing(free=("a1",), n_busy=1, handling_s=600.0)
        assert booked(client, 2)["estimate"]["high_s"] > 0
        assert client.get(f"/v1/callbacks/{client.get('/v1/callbacks/x').status_code}").status_code == 404
        for gone in (Staffing(free=(), n_busy=0, handling_s=60.0), RuntimeError("+12025550101")):
            centre.now = gone
            assert booked(client, 3 if isinstance(gone, Staffing) else 4)["estimate"] is None


# ---- who may, and how much


def test_keys_are_asked_for_and_each_is_for_something(service, caplog):
    keys, known = made_keys(desk="book", wall="supervise", boss="admin")
    caplog.set_level(logging.INFO)
    with client_of(service, keys=known) as client:
        for headers in ({}, bearer("cbk_wrong"), {"Authorization": f"Basic {keys['desk']}"}):
            answer = client.post("/v1/callbacks", json=BOOKING, headers=headers)
            problem(answer, 401, "no-key")
            assert answer.headers["www-authenticate"] == "Bearer"
        problem(client.get("/v1/callbacks/x", headers=bearer(keys["wall"])), 403, "wrong-scope")
        problem(client.get("/metrics", headers=bearer(keys["desk"])), 403, "wrong-scope")
        assert client.get("/metrics", headers=bearer(keys["wall"])).status_code == 200
        assert client.post("/v1/callbacks", json=BOOKING, headers=bearer(keys["boss"])).status_code == 201
        assert client.get("/healthz").status_code == 200
    assert not any(key in caplog.text for key in keys.values())


def test_wrong_keys_are_heard_a_few_times_only(service):
    _, known = made_keys(desk="book")
    with client_of(service, keys=known) as client:
        statuses = [client.get("/v1/callbacks/x", headers=bearer("no")).status_code for _ in range(14)]
    assert statuses[:10] == [401] * 10
    assert statuses[-1] == 429


def test_who_asks_too_much_is_told_when_to_come_again_and_others_are_not_held_up(service):
    keys, known = made_keys(loop="book", desk="book")
    slow = Settings.model_validate({"limits": {"rate_per_s": 0.001, "burst": 3}})
    with client_of(service, keys=known, settings=slow) as client:
        answers = [client.get("/v1/callbacks/x", headers=bearer(keys["loop"])) for _ in range(4)]
        assert [one.status_code for one in answers] == [404, 404, 404, 429]
        problem(answers[-1], 429, "too-many")
        assert 900 < int(answers[-1].headers["retry-after"]) <= 1000
        assert client.get("/v1/callbacks/x", headers=bearer(keys["desk"])).status_code == 404


@pytest.mark.parametrize("told", [True, False], ids=["content-length", "chunked"])
def test_a_body_that_is_too_big_is_not_read(client, told):
    body = b'{"name": "' + b"x" * 20_000 + b'"}'
    content = body if told else iter([body[:9000], body[9000:18000], body[18000:]])
    headers = {"content-type": "application/json"}
    problem(client.post("/v1/callbacks", content=content, headers=headers), 413, "too-big")


def test_only_its_own_hosts_are_answered_and_no_other_site_is_let_in(service):
    with client_of(service, hosts=("127.0.0.1", "::1", "callbacks.test")) as client:
        problem(client.get("/healthz", headers={"Host": "elsewhere.test"}), 421, "unknown-host")
        for host in ("127.0.0.1:8080", "[::1]:8080", "CALLBACKS.test"):
            assert client.get("/healthz", headers={"Host": host}).status_code == 200
        answer = client.get("/healthz", headers={"Origin": "http://elsewhere.test"})
        assert not any(name.startswith("access-control") for name in answer.headers)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        form = {"number": number(1), "queue": "sales"}
        assert client.post("/v1/callbacks", data=form).status_code == 422  # what a page may send unasked


# ---- trouble


def test_a_store_that_is_gone_is_503_and_says_when_to_try_again(client, service, monkeypatch):
    monkeypatch.setattr(type(service.store), "transaction", _gone(service))
    answer = client.post("/v1/callbacks", json=BOOKING)
    problem(answer, 503, "store-unavailable")
    assert int(answer.headers["retry-after"]) >= 1


def test_a_store_that_others_hold_is_busy_and_the_same_again_is_safe(tmp_path, clock):
    path = tmp_path / "held.db"
    service_at(path).store.close()
    service = CallbackService(Store(str(path), wait_max_s=0.02), RULES)
    with closing(service.store), client_of(service, clock=clock) as client:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            busy = client.post("/v1/callbacks", json=BOOKING, headers={"Idempotency-Key": "1"})
            other.execute("ROLLBACK")
        problem(busy, 503, "store-busy")
        assert client.post("/v1/callbacks", json=BOOKING, headers={"Idempotency-Key": "1"}).status_code == 201


def test_what_is_booked_is_said_to_be_though_its_wait_cannot_be_told(client, service, monkeypatch):
    def cannot(*_args, **_named):
        raise StoreUnavailable("the connection broke")

    monkeypatch.setattr(service, "estimate", cannot)
    assert booked(client)["estimate"] is None


def test_a_body_that_comes_too_slowly_is_not_waited_for(service):
    quick = Settings.model_validate({"limits": {"body_max_s": 0.3}})
    with running(client_of(service, settings=quick).app) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as wire:
            wire.sendall(
                b"POST /v1/callbacks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b"Content-Length: 90\r\n\r\n{"
            )
            assert b" 408 " in wire.recv(4096).splitlines()[0]


def _gone(_service):
    def transaction(_self):
        raise StoreUnavailable("the connection to the store broke")

    return transaction


def test_a_store_that_hangs_does_not_hold_up_others_nor_for_ever(service, clock):
    held = threading.Event()

    def hang(*_args, **_named):
        held.wait(10)

    quick = Settings.model_validate({"limits": {"answer_max_s": 0.2}})
    with client_of(service, clock=clock, settings=quick) as client:
        service.book = hang
        started = time.monotonic()
        problem(client.post("/v1/callbacks", json=BOOKING), 503, "too-slow")
        assert client.get("/healthz").status_code == 200
        held.set()
        assert time.monotonic() - started < 10


def test_a_fault_is_told_without_what_it_was_about(client, service, caplog):
    def fails(_callback_id):
        raise ZeroDivisionError(number(7))

    service.get = fails
    problem(client.get("/v1/callbacks/x"), 500, "internal")
    assert "ZeroDivisionError in fails" in caplog.text
    assert "2025550" not in caplog.text


def test_ready_follows_the_store_and_what_runs_beside(service, client, monkeypatch):
    assert client.get("/readyz").json() == {"status": "ok"}
    monkeypatch.setattr(type(service.store), "check", lambda self: _gone(self)(self))
    problem(client.get("/readyz"), 503, "store-unavailable")
    assert client.get("/healthz").status_code == 200
    monkeypatch.undo()

    async def dies():
        raise RuntimeError("+12025550101")

    with client_of(service, companions=[dies]) as other:
        body = problem(other.get("/readyz"), 503, "companion-failed")
    assert "RuntimeError" in body["detail"]
    assert "2025550" not in str(body)


# ---- what is served


def test_the_openapi_document_is_valid_and_names_what_there_is(client):
    document = client.get("/openapi.json").json()
    validate(document)
    paths = document["paths"]
    assert {"/v1/callbacks", "/v1/callbacks/{callback_id}", "/v1/called-in", "/metrics", "/readyz"} <= set(paths)
    assert not any(path.startswith("/supervisor") for path in paths)
    post = paths["/v1/callbacks"]["post"]
    assert {"201", "401", "409", "413", "422", "429", "503"} <= set(post["responses"])
    problems = post["responses"]["409"]["content"]
    assert list(problems) == ["application/problem+json"]
    assert post["security"]
    assert "ProblemOut" in document["components"]["schemas"]


def test_metrics_have_the_line_the_outbox_and_the_requests_and_no_number(client, clock):
    one = booked(client, 1)
    booked(client, 2, enqueued_at=at(-600).isoformat())
    client.post(f"/v1/callbacks/{one['id']}/cancel")
    client.get(f"/v1/callbacks/{number(1)}")
    clock.forward(60)
    text = client.get("/metrics").text
    lines = set(text.splitlines())
    assert 'callback_open{queue="sales",state="waiting"} 1.0' in lines
    assert 'callback_oldest_seconds{queue="sales"} 660.0' in lines
    assert 'callback_outbox{type="tell"} 1.0' in lines
    assert 'callback_http_request_seconds_count{method="POST",route="/v1/callbacks",status="201"} 2.0' in lines
    assert "2025550" not in text


def test_a_call_moves_what_status_says(client, service):
    one = booked(client)
    (dialing,) = [done.callback for done in service.claim_due(at(0), queue="sales")]
    assert client.get(f"/v1/callbacks/{one['id']}").json()["state"] == "dialing"
    tell(service, person(dialing.dial.id, 5))
    assert client.get(f"/v1/callbacks/{one['id']}").json()["state"] == State.REJOINED.value
    assert STAFFED.queues["sales"].agents == 2
