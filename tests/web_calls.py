"""A service at its desk, at noon in New York, and programs that ask it."""

import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import uvicorn
from callback_calls import NOON, RULES
from fastapi.testclient import TestClient

from callback.service import CallbackService
from callback.store import Store
from callback.web.app import create_app
from callback.web.desk import Desk
from callback.web.keys import Keys, new_key, parse_keys
from callback.web.serving import GRACE_S, Server
from callback.web.settings import Settings

STAFFED = Settings.model_validate({"queues": {"sales": {"agents": 2, "handling_s": 180}, "support": {}}})


@dataclass
class Clock:
    """Shows what it was set to."""

    now: object = field(default=NOON)

    def __call__(self):
        return self.now

    def forward(self, seconds):
        self.now += timedelta(seconds=seconds)


def made_keys(**scopes):
    """Keys by name, and the list of them that a service reads."""
    made = {name: new_key(name, words.split(",")) for name, words in scopes.items()}
    return {name: key for name, (key, _) in made.items()}, parse_keys("\n".join(line for _, line in made.values()))


def opened(path):
    store = Store(str(path))
    store.migrate()
    return store


def client_of(service, *, settings=STAFFED, keys=None, clock=None, agents=None, **more):
    """A client of an application around a service; ``client.app.state`` has its parts."""
    desk = Desk(service, settings, agents=agents, now=clock or Clock())
    known = keys if keys is None or isinstance(keys, Keys) else parse_keys(keys)
    return TestClient(create_app(desk, known, **more), base_url="http://127.0.0.1", follow_redirects=False)


def service_at(path):
    return CallbackService(opened(path), RULES)


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def problem(answer, status, kind):
    """The body of an answer that must be a problem of a kind."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["type"], body["status"]) == (f"urn:amd-callback:{kind}", status)
    assert body["detail"]
    return body


@contextmanager
def running(app):
    """The address of an application that is served over a real socket, as `callback serve` does it."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, http="h11", log_config=None, access_log=False, timeout_graceful_shutdown=GRACE_S, lifespan="on"
    )
    server = Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
