"""How properties are drawn: the same ones in every run, no verdict from how fast a machine is; databases."""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "ci",
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ci")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background job: what we start must hear it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres():
    """A server of our own; in CI there must be one."""
    from benchmarks.callback.postgres import Server, binaries

    if binaries() is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs PostgreSQL: apt-get install postgresql")
        pytest.skip("no PostgreSQL here: apt-get install postgresql")
    server = Server(["fsync=off"])  # what outlives a power cut is tested apart
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    """The URL of an empty database, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        return str(tmp_path / "callbacks.db")
    return request.getfixturevalue("postgres").database()


@pytest.fixture
def store(database):
    from callback.store import Store

    opened = Store(database)
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def service(store):
    from callback_calls import RULES

    from callback.service import CallbackService

    return CallbackService(store, RULES)
