"""Twilio, as far as our dialer speaks with it: its REST interface on loopback, signed callbacks, and its list.

What it does where it matters: a call that is created twice is placed twice; callbacks are sent once and not again;
a call that is over cannot be changed (21220); ``<Start><Stream>`` goes on when a call is told something else.
"""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
from collections import Counter, defaultdict, deque
from email.utils import format_datetime

from aiohttp import ClientError, ClientSession, web
from dialer_rig import Mischief
from fake_twilio_call import FakeCall

from callback.dialers.twilio_signature import HEADER, sign

ACCOUNT = "AC" + "0" * 32
TOKEN = "a token of tests"  # noqa: S105
CREATE = {"To", "From", "Timeout", "Twiml", "StatusCallback", "StatusCallbackMethod", "StatusCallbackEvent"}
SWAP_S = 0.05
OFF_S = 4.0


class FakeTwilio:
    """The service."""

    token = TOKEN

    def __init__(self, *, now, speed) -> None:
        self.now = now
        self.speed = speed
        self.script = defaultdict(deque)
        self.calls: dict[str, FakeCall] = {}
        self.last: dict[str, FakeCall] = {}
        self.placed: Counter[str] = Counter()
        self.requests: list[str] = []
        self.answers: deque[web.Response] = deque()
        """What is answered to the next requests for a call, whatever they are."""
        self.off = False
        self.faults: list[object] = []
        """What no dialer may cause."""
        self.tasks: set[asyncio.Task] = set()
        self.url = ""

    async def start(self):
        app = web.Application()
        account = "/2010-04-01/Accounts/{account}"
        app.router.add_get(account + ".json", self._account)
        app.router.add_post(account + "/Calls.json", self._create)
        app.router.add_get(account + "/Calls.json", self._list)
        app.router.add_get(account + "/Calls/{sid}.json", self._fetch)
        app.router.add_post(account + "/Calls/{sid}.json", self._update)
        app.router.add_post(account + "/Calls/{sid}/Streams.json", self._stream)
        app.middlewares.append(self._check)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.session = ClientSession()

    async def stop(self):
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.session.close()
        await self._runner.cleanup()

    def spawn(self, work):
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task):
        self.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.faults.append(task.exception())

    def break_off(self):
        """Nothing goes through for a while, in no direction."""
        self.off = True
        asyncio.get_running_loop().call_later(OFF_S / self.speed, lambda: setattr(self, "off", False))

    # --- its REST interface

    @web.middleware
    async def _check(self, request, handler):
        self.requests.append(f"{request.method} {request.path_qs}")
        if self.off:
            return _lost(request)
        given = request.headers.get("Authorization", "")
        if (
            given != "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
            or request.match_info.get("account") != ACCOUNT
        ):
            return _error(401, 20003, "Authenticate")
        return await handler(request)

    async def _account(self, _):
        return web.json_response({"sid": ACCOUNT, "status": "active"})

    async def _create(self, request):
        form = await request.post()
        number = form["To"]
        assert set(form) <= CREATE, set(form) - CREATE
        assert len(form["Twiml"]) <= 4000
        if self.answers:
            return self.answers.popleft()
        if re.fullmatch(r"\+[1-9]\d{2,14}", number) is None:
            return _error(400, 21211, "Invalid 'To' Phone Number")
        steps, mischief = self.script[number].popleft() if self.script[number] else ((), None)
        if mischief is Mischief.LOSE_REQUEST:
            return _lost(request)
        if mischief is Mischief.REJECT:
            return _error(500, 20500, "Internal Server Error")
        self.placed[number] += 1
        call = FakeCall(self, "CA" + secrets.token_hex(16), form, steps, mischief)
        self.calls[call.sid] = self.last[number] = call
        self.spawn(call.live())
        return (
            _lost(request) if mischief is Mischief.LOSE_REPLY else web.json_response(self._json(call), status=201)
        )

    def _json(self, call):
        return {
            "sid": call.sid,
            "account_sid": ACCOUNT,
            "to": call.number,
            "from": call.form["From"],
            "status": call.status,
            "direction": "outbound-api",
            "date_created": format_datetime(call.created_at),
            "start_time": None if call.answered_at is None else format_datetime(call.answered_at),
            "end_time": None if call.ended_at is None else format_datetime(call.ended_at),
        }

    async def _list(self, request):
        day = request.query["StartTime>"]
        found = [call for call in self.calls.values() if call.created_at.date().isoformat() >= day]
        page = [self._json(call) for call in reversed(found)][: int(request.query["PageSize"])]
        return web.json_response({"calls": page, "next_page_uri": None})

    async def _fetch(self, request):
        call = self.calls.get(request.match_info["sid"])
        return _error(404, 20404, "Not found") if call is None else web.json_response(self._json(call))

    async def _update(self, request):
        call, form = self.calls.get(request.match_info["sid"]), await request.post()
        if call is None:
            return _error(404, 20404, "Not found")
        if call.over.is_set() or ("Twiml" in form and call.status != "in-progress"):
            return _error(400, 21220, "Call is not in-progress. Cannot redirect.")
        if "Twiml" in form:
            call.redirect(form["Twiml"])
        else:
            assert form["Status"] == "completed"
            call.end("completed" if call.answered_at else "canceled")
        return web.json_response(self._json(call))

    async def _stream(self, request):
        call, form = self.calls.get(request.match_info["sid"]), await request.post()
        if call is None or call.status != "in-progress":
            return _error(404, 20404, "Not found")
        assert form["Track"] == "inbound_track"
        call.stream(form["Url"], form["Name"])
        return web.json_response({"sid": "MZ" + "0" * 32, "status": "in-progress"}, status=201)

    # --- what it tells

    async def post(self, url, form):
        """Send a signed request; return the TwiML that came, or None."""
        if self.off:
            return None
        form = {name: str(value) for name, value in {"AccountSid": ACCOUNT, **form}.items()}
        headers = {HEADER: sign(TOKEN, url, form.items()), "I-Twilio-Idempotency-Token": secrets.token_hex(8)}
        try:
            async with self.session.post(url, data=form, headers=headers) as reply:
                text = await reply.text()
                if reply.status not in (200, 204):
                    self.faults.append((reply.status, url))
                return text or None
        except ClientError:
            return None

    def tell(self, call, status, **more):
        """A status callback, as the mischief of the call has it."""
        form = {
            "CallSid": call.sid,
            "To": call.number,
            "From": call.form["From"],
            "CallStatus": status,
            "Timestamp": format_datetime(self.now()),
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(call.told),
            **more,
        }
        call.told += 1
        final = call.over.is_set()
        if call.mischief is Mischief.LATE and not final:
            call.held.append(form)
        elif call.mischief is Mischief.SHUFFLE and not call.held:
            call.held.append(form)
            self.spawn(self._release(call))
        else:
            twice = [form] * (2 if call.mischief is Mischief.DUPLICATE else 1)
            held, call.held = call.held, []
            call.outbox.extend([*twice, *held])
            call.news.set()

    async def _release(self, call):
        await asyncio.sleep(SWAP_S)
        held, call.held = call.held, []
        call.outbox.extend(held)
        call.news.set()


def _error(status, code, message):
    body = {
        "code": code,
        "message": message,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    return web.json_response(body, status=status)


def _lost(request):
    """Break the connection instead of answering."""
    request.transport.abort()
    return web.Response()
