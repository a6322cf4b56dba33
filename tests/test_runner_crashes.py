"""Whole runners as real processes, killed by SIGKILL beside a telephone world that goes on: the short version."""

import pytest

from benchmarks.callback import runners
from callback.store import Store

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # of processes that have threads


def test_runners_killed_beside_a_world_that_goes_on_lose_nobody_and_call_nobody_twice(database, tmp_path):
    found = runners.crash(database, tmp_path, callbacks=16, kills=4, seed=3, speed=20.0)
    assert found["problems"] == []
    assert found["callbacks"] == sum(found["ends"].values()) == 16
    assert found["calls_placed"] >= 16


def test_what_a_runner_did_wrong_would_be_noticed(tmp_path):
    store = Store(str(tmp_path / "broken.db"))
    store.migrate()
    (booked,) = runners.book(store, 1)
    called = runners.number(0)
    seen = {"problems": [], "on": 1, "calls": {called: 2}, "talks": {called: 1}, "idle": True}
    problems = list(runners.look(store, seen, {booked: (0, runners.START, 7), "lost": (0, runners.START, 8)}))
    store.close()
    assert [problem.split()[0] for problem in problems] == ["1", "I11", "I1", booked, "I2"]
    assert not runners._person_first(["booked", "claimed", "offered"])
    assert not runners._person_first(["claimed", "human_found", "offered", "claimed", "offered"])
