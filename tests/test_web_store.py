"""What the service asks of the store, on both databases: parts of a line, counts, what was told, errands."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from callback_calls import at, book, claim, ended, number, rejoined, tell
from web_calls import Clock, client_of

from benchmarks.callback import speed
from callback.errors import StaleVersion
from callback.estimate import Reason as Grown
from callback.estimate import Service, Told, Wait
from callback.states import Outcome, Reason, State
from callback.store import Store, outbox, overview
from callback.web.settings import Settings

UNHURRIED = Settings.model_validate({"limits": {"rate_per_s": 1000, "burst": 1000}})
PLACE = {"priority": 0, "enqueued_at_us": 0, "seq": 0}


def told(p90_s, **more):
    wait = Wait(p10_s=1.5, p50_s=20.0, p90_s=p90_s, mean_s=25.0)
    return Told(wait=wait, n_ahead=3, agents=2, handling_s=180.0, **more)


def test_a_part_of_the_line_is_in_its_order_whatever_the_states(service):
    holding = rejoined(service, 0, 0)
    booked = [book(service, index, second=1, priority=index % 2, queue="sales") for index in range(1, 9)]
    service.reschedule(booked[3].id, now=at(2), wait_s=600)
    (dialing,) = claim(service, 2)
    over = service.cancel(booked[5].id, now=at(3)).callback
    book(service, 20, second=1, queue="support")
    order = [holding, *sorted(booked, key=lambda one: one.booking.key)]
    order = [one.id for one in sorted(order, key=lambda one: one.booking.key) if one.id != over.id]
    with service.store.reading() as reads:
        found = reads.part("sales", after=None, limit=100)
        assert [one.id for one in found] == order
        assert {one.state for one in found} >= {State.DEFERRED, State.DIALING, State.REJOINED, State.WAITING}
        rest = reads.part("sales", after=found[2].booking.key, limit=3)
        assert [one.id for one in rest] == order[3:6]
        assert reads.part("sales", after=found[-1].booking.key, limit=3) == []
        standing = reads.by_state("sales")
    assert dialing.id in order
    assert {state: one.count for state, one in standing.items()} == {
        State.WAITING: 5,
        State.DEFERRED: 1,
        State.DIALING: 1,
        State.REJOINED: 1,
    }
    assert standing[State.REJOINED].oldest_at == at(0)


def test_what_ended_today_is_counted_and_who_was_erased_is_not(service):
    ids = [book(service, index).id for index in range(4)]
    service.cancel(ids[0], now=at(10))
    service.cancel(ids[1], now=at(20), reason=Reason.BY_STAFF)
    service.customer_called_in(number(2), now=at(30))
    with service.store.reading() as reads:
        assert reads.ends("sales", at(20)) == {Reason.BY_STAFF: 1, Reason.CALLED_IN: 1}
        assert [one.id for one in reads.last_ended("sales", at(0), 2)] == [ids[2], ids[1]]
    service.erase(number(0), now=at(40))
    with service.store.reading() as reads:
        assert reads.ends("sales", at(0)) == {Reason.BY_STAFF: 1, Reason.CALLED_IN: 1}


def test_the_last_call_is_the_one_that_is_shown(service):
    booked, never = book(service, 1), book(service, 2)
    for second, outcome, cause in ((0, Outcome.BUSY, "SIP 486"), (200, Outcome.MACHINE, "long_greeting")):
        dialing = next(one for one in claim(service, second, limit=2) if one.id == booked.id)
        tell(service, ended(dialing.dial.id, second + 5, outcome, cause=cause))
    with service.store.reading() as reads:
        calls = reads.last_calls([booked.id, never.id])
        assert reads.last_calls([]) == {}
    assert calls[booked.id] == overview.LastCall(outcome=Outcome.MACHINE, cause="long_greeting")
    assert never.id not in calls


@pytest.mark.parametrize(
    ("query", "index", "values"),
    [
        (overview.PART, "ix_callbacks_line", {"queue": "sales", "limit": 50, **PLACE}),
        (overview.COUNTS, "ix_callbacks_line", {"queue": "sales"}),
        (overview.ENDS, "ix_callbacks_ended", {"queue": "sales", "since_us": 0}),
        (overview.LAST_ENDED, "ix_callbacks_ended", {"queue": "sales", "since_us": 0, "limit": 8}),
        (overview.CALLS_OF, "ix_attempts_callback", {"ids": ["a", "b"]}),
        (overview.BACKLOG, "ix_outbox_type", {"kind": "tell"}),
        (outbox.TAKE_IN_ORDER, "ix_outbox_type", {"kind": "tell", "now_us": 0, "limit": 20}),
    ],
    ids=["part", "counts", "ends", "last_ended", "calls_of", "backlog", "take"],
)
def test_every_question_of_the_page_has_its_index(tmp_path, query, index, values):
    store = Store(str(tmp_path / "plan.db"))
    store.migrate()
    plan = speed.plan(store, query, **values)
    store.close()
    assert any(index in line and "INDEX" in line for line in plan), plan
    assert not any(line.startswith(("SCAN callbacks", "SCAN outbox", "SCAN attempts")) for line in plan), plan


def test_what_was_told_is_kept_and_two_who_tell_at_once_do_not_both(service):
    booked = book(service, 1)
    first, second = told(60.0), told(50.0, grown=Grown.MORE_AHEAD)
    with service.store.reading() as reads:
        assert reads.told(booked.id) is None
    with service.store.transaction() as transaction:
        transaction.keep_told(booked.id, None, first)
    with pytest.raises(StaleVersion), service.store.transaction() as transaction:
        transaction.keep_told(booked.id, None, second)
    with service.store.transaction() as transaction:
        transaction.keep_told(booked.id, first, second)
    with pytest.raises(StaleVersion), service.store.transaction() as transaction:
        transaction.keep_told(booked.id, first, told(40.0))
    with service.store.reading() as reads:
        assert reads.told(booked.id) == second
    assert (
        service.estimate(booked.id, Service(agents=2, handling_s=180.0), now=at(1), told=second).wait.p90_s <= 50
    )


def test_errands_are_taken_by_kind_and_told_in_order(service):
    one = rejoined(service, 1, 0)
    service.cancel(one.id, now=at(9))
    two = book(service, 2, second=10)
    for second in (11, 12):
        service.reschedule(two.id, now=at(second), wait_s=600)
    assert [errand.command.type for errand in service.errands(at(13), types=("hang_up",))] == ["hang_up"]
    first = service.errands(at(13), types=("tell",), again_s=100.0)
    assert [errand.key[0] for errand in first] == [one.id, two.id]
    assert service.errands(at(50), types=("tell",)) == []
    service.done(first[0], now=at(51))
    service.later(first[1], at=at(60))
    assert service.errands(at(59), types=("tell",)) == []
    (again,) = service.errands(at(60), types=("tell",))
    assert (again.key, again.tries) == (first[1].key, 2)
    service.done(again, now=at(61))
    (after,) = service.errands(at(62), types=("tell",))
    assert after.key[0] == two.id
    assert after.key[1] > again.key[1]
    with service.store.reading() as reads:
        assert (reads.backlog("tell"), reads.backlog("hang_up")) == (1, 1)
    assert (
        service.errands(at(62) + timedelta(days=1), limit=1, types=("hang_up", "tell"))[0].command.type
        == "hang_up"
    )


def test_the_service_works_on_both_databases(service):
    with client_of(service, clock=Clock(at(5))) as client:
        headers = {"Idempotency-Key": "k"}
        body = {"number": number(1), "queue": "sales"}
        one, same = (client.post("/v1/callbacks", json=body, headers=headers).json() for _ in "ab")
        assert one == same
        assert one["estimate"] == client.get(f"/v1/callbacks/{one['id']}").json()["estimate"]
        assert one["id"] in client.get("/supervisor").text
        assert 'callback_open{queue="sales",state="waiting"} 1.0' in client.get("/metrics").text
        assert client.post(f"/v1/callbacks/{one['id']}/cancel").json()["state"] == "cancelled"
        assert "booked" in client.get(f"/supervisor/callbacks/{one['id']}").text
        assert client.get("/readyz").status_code == 200


def test_many_at_once_get_a_place_each_and_none_is_lost(service):
    with client_of(service, clock=Clock(at(5)), settings=UNHURRIED) as client, ThreadPoolExecutor(8) as pool:
        bodies = [{"number": number(index % 30), "queue": "sales"} for index in range(60)]
        answers = list(pool.map(lambda body: client.post("/v1/callbacks", json=body), bodies))
    assert sorted(one.status_code for one in answers) == [201] * 30 + [409] * 30
    with service.store.reading() as reads:
        ids = {one.id for one in reads.part("sales", after=None, limit=100)}
    assert {one.json().get("id") or one.json()["callback_id"] for one in answers} == ids
    assert len(ids) == 30
