"""Workers that die, for real and in a small world, and several that claim at once: the short version."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.callback import kills, races, world
from benchmarks.callback.kills import Dialer
from callback.errors import AlreadyBooked
from callback.service import CallbackService
from callback.store import Store

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # of processes that have threads


def test_a_world_whose_workers_die_at_any_write_keeps_every_promise():
    counts, problems = world.lived(30, seed=5, crash_share=0.2)
    assert problems == []
    assert counts["crashes"] > 50
    assert counts["ended completed"] > 0
    assert sum(count for name, count in counts.items() if name.startswith("ended ")) == counts["booked"] >= 30


@settings(max_examples=2)
@given(st.integers(1, 2**31))
def test_any_small_world_keeps_every_promise(seed):
    _, problems = world.lived(8, seed=seed, crash_share=0.3)
    assert problems == []


def test_a_kill_at_any_boundary_loses_nothing_and_dials_nobody_twice(database, tmp_path):
    store = Store(database)
    store.migrate()
    store.close()
    path = tmp_path / "dialer.txt"
    problems = list(kills.kills(database, path, 12, seed=100))
    found = kills.figures(path, problems)
    assert found["problems"] == []
    assert found["kills"] == 12
    assert len(found["killed_at"]) >= 4
    assert found["dials"] > 5


def test_a_broken_promise_would_be_noticed(tmp_path):
    url = str(tmp_path / "broken.db")
    store = Store(url)
    store.migrate()
    store.close()
    path = tmp_path / "dialer.txt"
    dialer = Dialer(path=path)
    dialer.note("booked", "never-written")
    dialer.note("placed", "d-1", "+12025550100", world.START.isoformat())
    dialer.note("placed", "d-2", "+12025550100", world.START.isoformat())
    problems = list(kills.kills(url, path, 0, seed=1))
    assert problems == ["I2 dial d-2 placed twice, or beside another", "I11 never-written was booked and is lost"]


def test_four_processes_claim_nobody_twice_and_nobody_out_of_line(database):
    found = races.race(database, processes=4, seconds=0.5, rows=2000)
    assert found["problems"] == []
    assert found["claims"] > 10
    assert len(found["by_process"]) == 4


def test_two_bookings_of_one_number_at_once_give_one_place(database):
    """The second one waits for the first, or loses to the schema; either way it is told of the place there is."""
    store = Store(database)
    store.migrate()
    service = CallbackService(store, world.RULES)
    readers, writers = os.pipe()
    pids = []
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            own = CallbackService(Store(database), world.RULES)
            try:
                own.book("+12025550101", queue="sales", now=world.START)
                os.write(writers, b"b")
            except AlreadyBooked:
                os.write(writers, b"a")
            finally:
                os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    os.close(writers)
    told = os.read(readers, 16)
    os.close(readers)
    assert sorted(told) == sorted(b"baaa")
    assert len(list_of(service)) == 1
    store.close()


def list_of(service):
    with service.store.reading() as reads:
        return list(reads.all())


def test_worlds_differ_by_their_seed_only():
    first, again, other = (world.lived(4, seed=seed)[0] for seed in (1, 1, 2))
    assert first == again != other
