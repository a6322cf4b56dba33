"""The supervisor's page: whole without a script, live with one, in a real browser; and nobody's number on it."""

import json
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from browser import WIDTHS, browser, complaints, requests, show, weak_texts
from callback_calls import answered, at, book, claim, ended, number, person, rejoined, tell
from web_calls import STAFFED, Clock, bearer, client_of, made_keys, problem, running, service_at

from callback.states import Outcome
from callback.web import stream
from callback.web.access import COOKIE, SESSION_S, Access
from callback.web.board import ROWS, key_of, key_text
from callback.web.settings import Limits, Settings
from callback.web.stream import Shown, difference

PAGE = "/supervisor"
SEEN_S = 20.0


@pytest.fixture
def service(tmp_path):
    made = service_at(tmp_path / "page.db")
    with closing(made.store):
        yield made


@pytest.fixture
def line(service):
    """A day's work: one that talks, one on hold, one that is tried again, two that wait, some that ended."""
    talking = rejoined(service, 1, 0, name="A Customer")
    service.offer_next(queue="sales", agent="a-1", now=at(10))
    service.connected(talking.id, fence=talking.fence, now=at(11))
    over = book(service, 2, second=12)
    service.cancel(over.id, now=at(13))
    machine = book(service, 3, second=14, name="<b>bakery</b>")
    (dialing,) = claim(service, 15)
    tell(service, answered(dialing.dial.id, 16))
    tell(service, ended(dialing.dial.id, 20, Outcome.MACHINE, cause="long_greeting"))
    holding = rejoined(service, 4, 21)
    waiting = [book(service, index, second=30 + index) for index in (5, 6)]
    book(service, 7, second=50, queue="support")
    return {
        "talking": talking.id,
        "over": over.id,
        "machine": machine.id,
        "holding": holding.id,
        "waiting": [one.id for one in waiting],
    }


def rows(page):
    return re.findall(r'<tr id="row-(\w+)"', page)


def words(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


# ---- without a script


def test_the_page_is_whole_without_a_script(service, line):
    with client_of(service, clock=Clock(at(60))) as client:
        page = client.get(PAGE, params={"queue": "sales"})
        assert page.status_code == 200
        assert rows(page.text) == [line["machine"], line["holding"], *line["waiting"]]
        text = words(page.text)
        for told in (
            "in line 4",
            "talking 1",
            "1 of 3 machine (long greeting)",
            "on hold",
            "cancelled by the customer 1",
            "agents 2",
            "calls out 0",
        ):
            assert told in text, told
        assert "2025550" not in page.text
        assert "A Customer" not in page.text
        assert "•••••••••03" in page.text
        other = client.get(PAGE, params={"queue": "support"})
        assert "Who staffs this queue is not known" in words(other.text)
        assert len(rows(other.text)) == 1


def test_an_empty_service_and_an_empty_queue_say_so(service):
    with client_of(service, settings=Settings()) as client:
        assert "No queues yet" in client.get(PAGE).text
        problem(client.get(PAGE, params={"queue": "sales"}), 404, "unknown-queue")
    with client_of(service) as client:
        text = words(client.get(PAGE).text)
        assert "Nobody is in line" in text
        assert "None has ended since midnight" in text
        assert client.get("/").headers["location"] == PAGE


def test_a_long_line_comes_in_pages_that_neither_skip_nor_repeat(service):
    booked = [
        book(service, index, priority=index % 3, enqueued_at=at(-index) if index % 7 else None)
        for index in range(2 * ROWS + 7)
    ]
    for one in booked[::5]:
        service.reschedule(one.id, now=at(1), wait_s=900)
    order = [one.id for one in sorted(booked, key=lambda one: one.booking.key)]
    found, places, path = [], [], PAGE
    with client_of(service, clock=Clock(at(5))) as client:
        while path:
            page = client.get(path).text
            found += rows(page)
            places += [int(place) for place in re.findall(r'<td class="place">(\d+)</td>', page)]
            after = re.search(r'<a href="([^"]+)">Next</a>', page)
            path = after and after[1].replace("&amp;", "&")
        for wrong in ("x", "1~2", f"0~{10**30}~1"):
            problem(client.get(PAGE, params={"queue": "sales", "after": wrong}), 422, "invalid")
    assert found == order
    assert places == list(range(1, len(order) + 1))
    assert key_of(key_text(booked[3].booking.key)) == booked[3].booking.key


def test_the_page_of_one_callback_has_its_calls_and_history(service, line):
    with client_of(service, clock=Clock(at(60))) as client:
        text = words(client.get(f"{PAGE}/callbacks/{line['machine']}").text)
        assert "machine long greeting" in text
        assert "place in line 1" in text
        assert all(told in text for told in ("booked", "claimed", "answered", "attempt failed"))
        assert "bakery" not in text
        problem(client.get(f"{PAGE}/callbacks/nobody"), 404, "unknown-callback")
        gone = words(client.get(f"{PAGE}/callbacks/{line['over']}").text)
        assert "ended cancelled by the customer" in gone


# ---- who may look, and who may see a number


def test_the_page_asks_for_a_key_and_a_session_ends(service, line):
    keys, known = made_keys(desk="book", wall="supervise")
    with client_of(service, keys=known) as client:
        asked = client.get(PAGE, params={"queue": "sales"})
        assert (asked.status_code, asked.headers["location"]) == (
            303,
            "/supervisor/login?to=%2Fsupervisor%3Fqueue%3Dsales",
        )
        for key, status in (("cbk_wrong", 401), (keys["desk"], 403)):
            refused = client.post(f"{PAGE}/login", data={"key": key})
            assert refused.status_code == status
            assert "set-cookie" not in refused.headers
            assert key not in refused.text
        to = f"{PAGE}?queue=sales"
        let_in = client.post(f"{PAGE}/login", data={"key": keys["wall"], "to": to})
        assert (let_in.status_code, let_in.headers["location"]) == (303, to)
        cookie = let_in.headers["set-cookie"]
        assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/supervisor"))
        assert keys["wall"] not in cookie
        assert client.get(PAGE).status_code == 200
        problem(client.get(f"/v1/callbacks/{line['over']}"), 401, "no-key")  # a cookie is no key
        token = client.cookies[COOKIE]
        assert client.post(f"{PAGE}/logout").status_code == 303
        client.cookies.set(COOKIE, token, path=PAGE)
        assert client.get(PAGE).status_code == 303


@pytest.mark.parametrize(
    "to", ["https://elsewhere.test/", "//elsewhere.test", "/supervisor.elsewhere.test", "/v1"]
)
def test_signing_in_leads_nowhere_else(service, to):
    keys, known = made_keys(wall="supervise")
    with client_of(service, keys=known) as client:
        assert client.post(f"{PAGE}/login", data={"key": keys["wall"], "to": to}).headers["location"] == PAGE


def test_a_session_is_over_after_a_day_of_work():
    now = [0.0]
    keys, known = made_keys(wall="supervise")
    access = Access(known, Limits(), clock=lambda: now[0])
    token = access.begin(access.key(keys["wall"], "here"))
    assert access.visitor(token, "here").name == "wall"
    now[0] = SESSION_S + 1
    assert access.visitor(token, "here") is None
    assert access.visitor(None, "here") is None


def test_a_number_is_shown_to_who_may_see_it_on_a_click_that_is_logged_without_it(service, line, caplog):
    keys, known = made_keys(wall="supervise", boss="admin")
    show_it = f"{PAGE}/callbacks/{line['talking']}/number"
    with client_of(service, keys=known) as client:
        client.post(f"{PAGE}/login", data={"key": keys["wall"]})
        assert "Show the number" not in client.get(f"{PAGE}/callbacks/{line['talking']}").text
        problem(client.post(show_it), 403, "wrong-scope")
        client.post(f"{PAGE}/login", data={"key": keys["boss"]})
        masked = client.get(f"{PAGE}/callbacks/{line['talking']}").text
        assert "Show the number" in masked
        assert "2025550" not in masked
        assert client.get(show_it).status_code == 405
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.test"}):
            problem(client.post(show_it, headers=headers), 403, "other-site")
        caplog.clear()
        whole = client.post(show_it).text
        assert number(1) in whole
        assert "A Customer" in whole
        assert f"key boss was shown the number of callback {line['talking']}" in caplog.text
        assert "2025550" not in caplog.text
        assert "callback_numbers_shown_total 1.0" in client.get("/metrics", headers=bearer(keys["boss"])).text


# ---- the stream


def listen(url, seconds):
    """What a browser that reads an address for some seconds is sent."""
    host, port = url.removeprefix("http://").split("/")[0].split(":")
    got = b""
    with socket.create_connection((host, int(port))) as wire:
        wire.sendall(f"GET /{url.split('/', 3)[3]} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        wire.settimeout(0.2)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                part = wire.recv(65536)
            except TimeoutError:
                continue
            if not part:
                break
            got += part
    return [json.loads(one) for one in re.findall(rb"data: (.*)\n", got)]


def test_the_stream_sends_what_changed_and_at_most_twice_a_second(service, line):
    app = client_of(service, clock=Clock(at(60))).app
    with running(app) as url:
        waiting = iter(range(100, 180))
        stop = threading.Event()

        def busy():
            while not stop.is_set():
                book(service, next(waiting), second=60)
                stop.wait(0.05)

        thread = threading.Thread(target=busy)
        thread.start()
        began = time.monotonic()
        events = listen(f"{url}{PAGE}/events?queue=sales", 3.0)
        took_s = time.monotonic() - began
        stop.set()
        thread.join()
    assert len(events) >= 3
    assert list(events[0]["rows"]) == events[0]["order"][: len(events[0]["rows"])]
    assert set(line["waiting"]) <= set(events[0]["rows"])
    assert not set(line["waiting"]) & {row for one in events[1:] for row in one.get("rows", {})}
    assert len(events) <= took_s / stream.EVERY_S + 2  # of many more changes
    assert "2025550" not in json.dumps(events)


@pytest.mark.usefixtures("line")
def test_two_browsers_share_one_reader_and_none_reads_when_nobody_looks(service):
    app = client_of(service, clock=Clock(at(60)), settings=Settings(limits=Limits(streams_max=2))).app
    streams = app.state.streams
    with running(app) as url:
        path = f"{url}{PAGE}/events?queue=sales"
        with ThreadPoolExecutor(2) as pool:
            first = [pool.submit(listen, path, 3.0) for _ in range(2)]
            while streams._count < 2:
                time.sleep(0.01)
            assert [watch.watchers for watch in streams._watches.values()] == [2]
            assert listen(path, 0.5) == []  # one more than may
            got = [one.result() for one in first]
        assert all(one and one[0]["order"] for one in got)
        deadline = time.monotonic() + SEEN_S
        while streams._watches and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not streams._watches
        assert not streams._count


def test_what_differs_is_all_that_is_sent():
    before = Shown(rows={"a": "1", "b": "2"}, panels={"tiles": "x"})
    assert difference(before, before) == {}
    assert difference(before, Shown(rows={"a": "1", "b": "3"}, panels={"tiles": "x"})) == {"rows": {"b": "3"}}
    gone = difference(before, Shown(rows={"b": "2"}, panels={"tiles": "y"}))
    assert gone == {"order": ["b"], "panels": {"tiles": "y"}}


# ---- in a browser


@pytest.fixture(scope="module")
def chromium():
    with browser() as driver:
        yield driver


def until(driver, script, *args):
    """What a script returns once it is true."""
    deadline = time.monotonic() + SEEN_S
    while not (found := driver.execute_script(script, *args)):
        assert time.monotonic() < deadline, script
        time.sleep(0.05)
    return found


LIVE = "return document.getElementById('live')?.classList.contains('on')"


@pytest.mark.parametrize("size", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_can_be_read_and_says_nothing_to_the_console(service, line, chromium, size, scheme):
    with running(client_of(service, clock=Clock(at(60))).app) as url:
        for path in (PAGE, f"{PAGE}/callbacks/{line['machine']}"):
            show(chromium, url + path, size, scheme)
            if path == PAGE:
                until(chromium, LIVE)
            width = chromium.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
            assert width[0] <= width[1] == WIDTHS[size][0]
            assert weak_texts(chromium) == []
            assert complaints(chromium) == []
            assert all(one.startswith(url) for one in requests(chromium))
            assert "2025550" not in chromium.page_source
            unnamed = "return [...document.querySelectorAll('a, button, input:not([type=hidden])')].filter(one => "
            unnamed += "!(one.labels?.length || one.textContent.trim())).length"
            assert chromium.execute_script(unnamed) == 0
        chromium.get("about:blank")


def test_a_change_shows_without_a_reload_and_keeps_the_keyboard_where_it_was(service, line, chromium):
    app = client_of(service, clock=Clock(at(60))).app
    with running(app) as url:
        show(chromium, url + PAGE, "desktop", "light")
        until(chromium, LIVE)
        chromium.execute_script("window.notReloaded = true")
        first = line["waiting"][0]
        state = "return document.getElementById('row-' + arguments[0])?.dataset.state"
        assert chromium.execute_script(state, first) == "waiting"
        chromium.execute_script("document.querySelector('#row-' + arguments[0] + ' a').focus()", first)
        (dialing,) = claim(service, 61)
        assert dialing.id == first
        until(chromium, f"{state} === 'dialing'", first)
        held = "return document.activeElement.closest('tr')?.id"
        assert chromium.execute_script(held) == f"row-{first}"
        tell(service, person(dialing.dial.id, 62))
        until(chromium, f"{state} === 'rejoined'", first)
        service.cancel(line["holding"], now=at(63))
        until(chromium, "return !document.getElementById('row-' + arguments[0])", line["holding"])
        until(chromium, "return document.getElementById('panel-outcomes').textContent.includes('cancelled')")
        order = chromium.execute_script("return [...document.querySelectorAll('#rows tr')].map(row => row.id)")
        assert order == [f"row-{one}" for one in (line["machine"], *line["waiting"])]
        new = book(service, 90, second=64, priority=0, enqueued_at=at(-600))
        until(chromium, "return document.querySelector('#rows tr')?.id === 'row-' + arguments[0]", new.id)
        assert chromium.execute_script("return window.notReloaded")
        assert complaints(chromium) == []
        chromium.get("about:blank")


def test_a_name_is_no_markup_and_a_click_shows_the_number(service, line, chromium):
    with running(client_of(service, clock=Clock(at(60))).app) as url:
        show(chromium, f"{url}{PAGE}/callbacks/{line['machine']}", "phone", "light")
        assert number(3) not in chromium.page_source
        chromium.execute_script("document.querySelector('form[action$=number] button').click()")
        until(chromium, "return document.body.textContent.includes(arguments[0])", number(3))
        assert "<b>bakery</b>" in chromium.execute_script("return document.body.textContent")
        assert complaints(chromium) == []
        chromium.get("about:blank")


@pytest.mark.usefixtures("line")
def test_signing_in_works_with_the_keyboard_alone(service, chromium):
    from selenium.webdriver import ActionChains, Keys

    keys, known = made_keys(wall="supervise")
    with running(client_of(service, keys=known, clock=Clock(at(60))).app) as url:
        show(chromium, f"{url}{PAGE}?queue=sales", "phone", "dark")
        assert chromium.execute_script("return document.activeElement.id") == "key"
        assert weak_texts(chromium) == []
        ActionChains(chromium).send_keys(keys["wall"], Keys.ENTER).perform()
        until(chromium, LIVE)
        ActionChains(chromium).send_keys(Keys.TAB).perform()
        assert chromium.execute_script("return document.activeElement.className") == "skip"
        assert complaints(chromium) == []
        chromium.delete_all_cookies()
        chromium.get("about:blank")
    assert STAFFED.queues["support"] is None
