"""The store keeps its word: by its schema, through other versions, full disks, lost connections and races."""

import secrets
import shutil
import sqlite3
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from callback_calls import NOON, RULES, at, book, claim, ended, number, tell

from benchmarks.callback import speed
from benchmarks.callback.postgres import OWNER
from callback import events as ev
from callback.commands import Tell
from callback.errors import (
    SchemaError,
    StaleVersion,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreUnavailable,
    UnknownCallback,
)
from callback.log import to_us
from callback.service import CallbackService
from callback.states import Reason, State
from callback.store import Change, Store, reads
from callback.store.migrations import LATEST, VERSIONS
from callback.transitions import step


def run(store, statement, **values):
    with store._connected(store.engine) as connection:
        return connection.execute(sa.text(statement), values)


def scalar(store, query):
    with store._connected(store._reading) as connection:
        return connection.execute(sa.text(query)).scalar()


# ---- what the schema forbids by itself

HOUR_US = 3_600_000_000
NOON_US = to_us(NOON)
ATTEMPT = (
    "INSERT INTO attempts (dial_id, callback_id, number, opens_at_us, closes_at_us, started_at_us) "
    "VALUES (:dial_id, :callback_id, :number, :opens, :closes, :started)"
)
EVENT = "INSERT INTO events (callback_id, version, at_us, from_state, type, to_state, data) VALUES "
FORBIDDEN = {
    "two live dials of one callback": (ATTEMPT, {"dial_id": "x", "number": "+12025550190"}),
    "two live dials of one number": (ATTEMPT, {"dial_id": "x", "callback_id": "WAITING"}),
    "a dial before its window": (ATTEMPT, {"dial_id": "x", "callback_id": "OTHER", "started": NOON_US - 1}),
    "a dial when its window has closed": (
        ATTEMPT,
        {"dial_id": "x", "callback_id": "OTHER", "started": NOON_US + HOUR_US},
    ),
    "two open callbacks of one number in a queue": (
        "UPDATE callbacks SET number = :number WHERE id = :callback_id",
        {"callback_id": "WAITING"},
    ),
    "two callbacks in one place": ("UPDATE callbacks SET seq = 1", {}),
    "a waiting callback without a timer": (
        "UPDATE callbacks SET wake_at_us = NULL WHERE id = :callback_id",
        {"callback_id": "WAITING"},
    ),
    "a waiting callback without a window": (
        "UPDATE callbacks SET opens_at_us = NULL WHERE id = :callback_id",
        {"callback_id": "WAITING"},
    ),
    "an agent before a person": ("UPDATE callbacks SET state = 'offered' WHERE id = :callback_id", {}),
    "a call without a dial": (
        "UPDATE callbacks SET state = 'dialing', opens_at_us = NULL WHERE id = :callback_id",
        {"callback_id": "WAITING"},
    ),
    "an end without a reason": (
        "UPDATE callbacks SET state = 'expired', opens_at_us = NULL, wake_at_us = NULL WHERE id = :callback_id",
        {"callback_id": "WAITING"},
    ),
    "a state that is none": ("UPDATE callbacks SET state = 'lost' WHERE id = :callback_id", {}),
    "more attempts than were agreed": ("UPDATE callbacks SET attempts = 4 WHERE id = :callback_id", {}),
    "a window past the deadline": (
        "UPDATE callbacks SET closes_at_us = deadline_at_us + 1 WHERE id = :callback_id",
        {"callback_id": "WAITING"},
    ),
    "an open callback of nobody": (
        "UPDATE callbacks SET number = NULL WHERE id = :callback_id",
        {"callback_id": "WAITING"},
    ),
    "a move that is not in the table": (
        EVENT + "(:callback_id, 99, 0, 'waiting', 'connected', 'connected', '{}')",
        {},
    ),
    "an event of no callback": (
        EVENT + "('nobody', 1, 0, 'waiting', 'claimed', 'dialing', '{}')",
        {},
    ),
    "one event twice": (
        EVENT + "(:callback_id, 1, 0, 'waiting', 'claimed', 'dialing', '{}')",
        {},
    ),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_schema_forbids(service, what):
    dialing = book(service, 1)
    claim(service, 0)
    waiting, other = book(service, 2), book(service, 3)
    statement, changed = FORBIDDEN[what]
    values = {"callback_id": dialing.id, "number": number(1), "opens": NOON_US, "closes": NOON_US + HOUR_US}
    values |= {"dial_id": "", "started": NOON_US, **changed}
    values["callback_id"] = {"WAITING": waiting.id, "OTHER": other.id}.get(
        values["callback_id"], values["callback_id"]
    )
    if what.startswith("a dial"):
        values["number"] = number(3)
    before = [service.get(one.id) for one in (dialing, waiting, other)]
    named = {name: value for name, value in values.items() if f":{name}" in statement}
    with pytest.raises((StoreError, StaleVersion)) as raised:
        run(service.store, statement, **named)
    assert "2025550" not in str(raised.value)
    assert [service.get(one.id) for one in (dialing, waiting, other)] == before


def test_what_the_schema_forbids_is_what_is_tried_and_nothing_simpler(service):
    """The statements above are fine but for what they are meant to show."""
    booked = book(service, 1)
    values = {"dial_id": "x", "callback_id": booked.id, "number": number(1)}
    run(service.store, ATTEMPT, **values, opens=NOON_US, closes=NOON_US + HOUR_US, started=NOON_US)
    run(
        service.store,
        EVENT + "(:callback_id, 99, 0, 'waiting', 'claimed', 'dialing', '{}')",
        callback_id=booked.id,
    )
    assert scalar(service.store, "SELECT count(*) FROM events") == 3


# ---- one write is one


def change_of(callback, event, second):
    after, commands = step(callback, event, at(second))
    return Change(before=callback, event=event, after=after, commands=commands)


def test_a_transition_is_written_whole_or_not_at_all(service):
    booked = book(service, 1)
    before = service.get(booked.id)
    cancel = change_of(before, ev.Cancelled(reason=Reason.BY_STAFF), 1)

    def dies():
        with service.store.transaction() as transaction:
            transaction.save([cancel])
            assert transaction.get(booked.id).state is State.CANCELLED
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        dies()
    assert service.get(booked.id) == before
    with service.store.reading() as reading:
        assert len(reading.log(booked.id)) == before.version
        assert reading.outbox_size() == 0


def test_who_decided_on_an_old_version_writes_nothing(service):
    first, second = book(service, 1), book(service, 2)
    service.reschedule(first.id, now=at(1), wait_s=600.0)
    stale = [change_of(one, ev.Cancelled(reason=Reason.BY_STAFF), 2) for one in (second, first)]
    error = pytest.raises(StaleVersion, match="1 of 2 callbacks changed since they were read")
    with error, service.store.transaction() as transaction:
        transaction.save(stale)
    assert [service.get(one.id).state for one in (first, second)] == [State.DEFERRED, State.WAITING]


def test_commands_go_out_with_the_transition_that_asked_for_them(service):
    booked = book(service, 1)
    service.cancel(booked.id, now=at(1))
    (errand,) = service.errands(at(1))
    assert errand.command == Tell(callback_id=booked.id, dial_id=None)


# ---- versions

OLD_ROW = """INSERT INTO callbacks (id, queue, priority, enqueued_at_us, seq, deadline_at_us, zones, attempts_max,
failures_max, number, name, state, opens_at_us, closes_at_us, wake_at_us, attempts, failures, refusals, fence,
changed_at_us, version) VALUES ('old', 'sales', 0, :noon, 1, :late, 'America/New_York', 3, 11, '+12025550101', '',
'waiting', :noon, :late, :late, 0, 0, 0, 0, :noon, 2)"""
OLD_LOG = """INSERT INTO events (callback_id, version, at_us, from_state, type, to_state, data) VALUES
('old', 1, :noon, 'new', 'booked', 'deferred', :booked), ('old', 2, :noon, 'deferred', 'due', 'waiting', '{}')"""
OLD_BOOKED = (
    '{"booking":{"id":"old","queue":"sales","priority":0,"enqueued_at":%(noon)d,"seq":1,"deadline_at":%(late)d,'
    '"zones":["America/New_York"],"attempts_max":3,"failures_max":11},'
    '"window":{"opens_at":%(noon)d,"closes_at":%(late)d}}'
)


@pytest.mark.parametrize("version", range(1, LATEST + 1))
def test_a_callback_written_by_any_version_is_served_by_this_one(database, version):
    old = Store(database)
    assert old.migrate(to=version) == (0, version)
    times = {"noon": NOON_US, "late": NOON_US + HOUR_US}
    run(old, "INSERT INTO queues (name, last_seq) VALUES ('sales', 1)")
    run(old, OLD_ROW, **times)
    run(old, OLD_LOG, noon=NOON_US, booked=OLD_BOOKED % times)
    if version < LATEST:
        with pytest.raises(SchemaError, match=rf"has version {version}, need {LATEST}: run `callback migrate`"):
            CallbackService(old, RULES)
    assert old.migrate() == (version, LATEST)
    assert old.migrate() == (LATEST, LATEST)
    service = CallbackService(old, RULES)
    (dialing,) = claim(service, 1)
    assert dialing.id == "old"
    assert book(service, 2).booking.seq == 2
    assert tell(service, ended(dialing.dial.id, 20)).callback.state is State.DEFERRED
    old.close()


def test_a_migration_that_fails_leaves_the_version_before(database, monkeypatch):
    store = Store(database)
    store.migrate(to=1)
    monkeypatch.setitem(VERSIONS, 2, "CREATE TABLE fine (a TEXT); CREATE TABLE queues (a TEXT);")
    with pytest.raises(StoreError):
        store.migrate()
    monkeypatch.undo()
    assert store.migrate() == (1, LATEST)
    assert not sa.inspect(store.engine).has_table("fine")
    store.close()


def test_a_database_of_a_later_version_is_left_alone(store):
    run(store, "INSERT INTO callback_schema (version) VALUES (99)")
    with pytest.raises(SchemaError, match=r"has version 99, need \d: a newer program wrote it"):
        CallbackService(store, RULES)
    with pytest.raises(SchemaError, match=r"has version 99, need \d or earlier"):
        store.migrate()


def test_an_empty_database_says_what_to_do(database):
    store = Store(database)
    with pytest.raises(SchemaError, match=r"has version 0, need .: run `callback migrate`"):
        CallbackService(store, RULES)
    with (
        pytest.raises(SchemaError, match=r"tables are missing .*: run `callback migrate`"),
        store.reading() as empty,
    ):
        empty.get("x")
    store.close()


# ---- an index for every question


@pytest.mark.parametrize(
    ("query", "index", "values"),
    [
        (reads.HEAD, "ix_callbacks_line", {"queue": "sales", "now_us": 0, "limit": 1}),
        (reads.READY, "ix_callbacks_line", {"queue": "sales"}),
        (reads.DUE, "ix_callbacks_wake", {"queue": "sales", "now_us": 0, "limit": 1}),
        (reads.IN_FLIGHT, "ix_callbacks_dial", {"queue": "sales"}),
        (reads.AHEAD, "ix_callbacks_line", {"queue": "sales", "priority": 0, "enqueued_at_us": 0, "seq": 0}),
        (reads.OPEN_OF_NUMBER, "callbacks", {"number": "+12025550101"}),
    ],
    ids=["head", "ready", "due", "in_flight", "ahead", "open_of_number"],
)
def test_every_question_has_its_index_and_none_sorts(tmp_path, query, index, values):
    store = Store(str(tmp_path / "plan.db"))
    store.migrate()
    plan = speed.plan(store, query, **values)
    store.close()
    assert any(index in line and "INDEX" in line for line in plan), plan
    assert not any(line.startswith("SCAN callbacks") for line in plan), plan
    assert query is reads.OPEN_OF_NUMBER or not any("ORDER BY" in line for line in plan), plan


# ---- trouble


def limit_pages(store, pages):
    """Let the disk be full at so many pages of 4096 bytes."""

    def full(connection, _record):
        connection.execute(f"PRAGMA max_page_count={pages}")

    store.engine.dispose()
    sa.event.listen(store.engine, "connect", full)
    return full


def test_a_full_disk_is_named_and_nothing_is_lost(tmp_path):
    store = Store(str(tmp_path / "full.db"))
    store.migrate()
    service = CallbackService(store, RULES)
    booked = [book(service, 0)]
    full = limit_pages(store, scalar(store, "PRAGMA page_count") + 4)
    with pytest.raises(StoreFull, match="nothing was written; make room"):
        booked.extend(book(service, index, name="x" * 500) for index in range(1, 99))
    assert len(booked) < 99
    with store.reading() as reading:
        assert sorted(one.id for one in reading.all()) == sorted(one.id for one in booked)
    sa.event.remove(store.engine, "connect", full)
    limit_pages(store, 1_000_000)
    rest = len(booked)
    booked += [book(service, index) for index in range(rest, rest + 5)]
    assert [one.id for one in claim(service, 1, limit=99)] == [one.id for one in booked]
    store.close()


@pytest.fixture
def small_disk():
    """A disk of 12 MB that the server can reach, and how to make it larger."""
    folder = Path(tempfile.mkdtemp(prefix="callback-disk-"))
    folder.chmod(0o755)
    mount = shutil.which("mount")
    made = mount and subprocess.run([mount, "-t", "tmpfs", "-o", "size=12m", "tmpfs", folder], check=False)
    if not made or made.returncode:
        pytest.skip("a small disk of its own cannot be mounted here: needs root")
    yield folder, lambda: subprocess.run([mount, "-o", "remount,size=99m", folder], check=True)
    subprocess.run(["umount", "--lazy", folder], check=True)
    folder.rmdir()


def test_a_full_disk_of_postgresql_is_named_and_nothing_is_lost(postgres, small_disk):
    folder, enlarge = small_disk
    space = folder / "space"
    space.mkdir()
    shutil.chown(space, OWNER, OWNER)
    admin = sa.create_engine(Store(postgres.url()).engine.url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE TABLESPACE small LOCATION '{space}'"))
        connection.execute(sa.text("CREATE DATABASE full_disk TABLESPACE small"))
    store = Store(postgres.url("full_disk"))
    store.migrate()
    service, booked = CallbackService(store, RULES), []
    with pytest.raises(StoreFull, match=r"out of disk, memory or connections \(53100\): nothing was written"):
        booked.extend(book(service, index, name=secrets.token_hex(20_000)) for index in range(9999))
    assert len(booked) > 10
    with store.reading() as reading:
        assert sorted(one.id for one in reading.all()) == sorted(one.id for one in booked)
    enlarge()
    booked.append(book(service, len(booked)))
    assert [one.id for one in claim(service, 1, limit=9999)] == [one.id for one in booked]
    store.close()
    with admin.connect() as connection:
        connection.execute(sa.text("DROP DATABASE full_disk WITH (FORCE)"))
        connection.execute(sa.text("DROP TABLESPACE small"))
    admin.dispose()


def test_a_connection_lost_in_the_middle_loses_only_what_was_not_committed(postgres):
    store = Store(postgres.database())
    store.migrate()
    service = CallbackService(store, RULES)
    booked = book(service, 1)
    other = sa.create_engine(store.engine.url, isolation_level="AUTOCOMMIT")

    def cut_off():
        with store.transaction() as transaction, other.connect() as killer:
            mine = transaction._connection.execute(sa.text("SELECT pg_backend_pid()")).scalar()
            transaction.save([change_of(booked, ev.Cancelled(reason=Reason.BY_STAFF), 1)])
            killer.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": mine})
            transaction.get(booked.id)

    with pytest.raises(StoreUnavailable, match=r"connection to PostgreSQL broke .*Trying again is safe"):
        cut_off()
    other.dispose()
    assert service.get(booked.id) == booked
    assert service.cancel(booked.id, now=at(2)).callback.state is State.CANCELLED
    store.close()


def test_a_server_that_goes_down_keeps_what_it_said_it_keeps(postgres):
    store = Store(postgres.database())
    store.migrate()
    service = CallbackService(store, RULES)
    booked = [book(service, index) for index in range(3)]
    postgres.kill()
    with pytest.raises(StoreUnavailable, match="is the server up"):
        claim(service, 1)
    postgres.start()
    assert [one.id for one in claim(service, 1, limit=9)] == [one.id for one in booked]
    store.close()


def test_others_that_hold_the_store_too_long_are_named(database):
    store, other = Store(database, wait_max_s=0.01), Store(database)
    store.migrate()
    service = CallbackService(store, RULES)
    book(service, 1)
    with other.transaction() as transaction:
        transaction.lock("sales")
        with pytest.raises(StoreBusy, match="others hold"):
            book(service, 2)
    assert book(service, 2).booking.seq == 2
    store.close()
    other.close()


def test_readers_do_not_wait_for_a_writer(database):
    store, other = Store(database, wait_max_s=0.01), Store(database)
    store.migrate()
    service = CallbackService(store, RULES)
    booked = book(service, 1)
    with other.transaction() as transaction:
        transaction.save([change_of(booked, ev.Cancelled(reason=Reason.BY_STAFF), 1)])
        assert service.get(booked.id) == booked
    assert service.get(booked.id).state is State.CANCELLED
    store.close()
    other.close()


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("mysql://host/name", StoreError, "a mysql database is not supported, need sqlite or postgresql"),
        (
            "sqlite:///nowhere/at/all.db",
            StoreUnavailable,
            r"cannot be read or written .*not there, or not yours\?",
        ),
        ("nowhere/at/all.db", StoreUnavailable, "cannot be read or written"),
        ("postgresql://u:secret@/x?host=/nowhere", StoreUnavailable, r"PostgreSQL broke \(no answer\)"),
        ("://", StoreError, "no database URL"),
    ],
)
def test_a_store_that_is_not_there_is_named_without_its_password(tmp_path, monkeypatch, url, error, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message) as raised:
        Store(url).migrate()
    assert "secret" not in str(raised.value)
    assert "secret" not in repr(Store("postgresql://u:secret@h/x"))


def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("not a database, just some notes that somebody keeps here\n" * 40)
    store = Store(str(path))
    with pytest.raises(SchemaError, match="no SQLite database: another path"):
        store.check()
    store.close()


def test_a_wait_in_milliseconds_is_noticed():
    with pytest.raises(StoreError, match=r"wait_max_s=5000 must be above 0 and at most 3600 s: milliseconds\?"):
        Store("x.db", wait_max_s=5000)


def test_what_is_erased_is_gone_from_the_file(tmp_path):
    path = tmp_path / "erased.db"
    store = Store(str(path))
    store.migrate()
    service = CallbackService(store, RULES)
    booked = book(service, 1, name="the bakery", request_key="r-1")
    (dialing,) = claim(service, 1)
    tell(service, ended(dialing.dial.id, 9))
    service.cancel(booked.id, now=at(10))
    assert everything(path).count(b"2025550101") > 0
    service.erase(number(1), now=at(11))
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    assert b"2025550101" not in everything(path)
    assert b"bakery" not in everything(path)
    assert b"no_answer" in everything(path)


def everything(path):
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


def test_reading_pages_through_all_callbacks(service, monkeypatch):
    booked = {book(service, index).id for index in range(7)}
    monkeypatch.setattr(reads, "PAGE_ROWS", 3)
    with service.store.reading() as reading:
        assert {one.id for one in reading.all()} == booked
        assert reading.queues() == ["sales"]
        with pytest.raises(UnknownCallback):
            reading.get("x")


def test_a_row_comes_back_as_it_was(service):
    booked = book(service, 1, name="the bakery", zones=("America/New_York", "America/Chicago"), priority=3)
    assert service.get(booked.id) == booked
    assert replace(booked, version=9) != booked
