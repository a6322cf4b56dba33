import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest
from dialer_rig import Answers, Fails, Rings
from fake_ami import IN_USE, RINGING, SECRET, UNAVAILABLE, FakeAmi, FakeMember, FakeQueue
from fake_ami import USER as AMI_USER
from fake_ari import PASSWORD, USER, FakeAri
from fake_ari_world import CLEARED, Bridge, Channel

from callback.agents import Accepted
from callback.dialers.app_queue import ALONE_S, AppQueue, AppQueueRules, leg_of
from callback.dialers.app_queue_ami import Ami, AmiAccess, AmiRefused
from callback.dialers.ari_link import AriAccess
from callback.dialing import DialerDown, DialingError
from callback.ordering import Kind, line_up
from callback.states import Outcome

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
AGENT = "PJSIP/1001"
OFFER = {"queue": "sales", "callback_id": "callback-1", "dial_id": "dial-1"}
LEG = leg_of(AGENT, "callback-1")
LIMIT_S = 20.0


async def until(is_so) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not is_so():
            await asyncio.sleep(0.002)


class Centre:
    """A fake Asterisk, both ways in, and workers of ours."""

    def __init__(self) -> None:
        self.ami = FakeAmi()
        self.ari = FakeAri()
        self.queue = self.ami.queues["sales"] = FakeQueue(members=[FakeMember(AGENT)])
        self.member = self.queue.members[0]
        self.now_s = 0.0

    def worker(self, number: int = 1, *, secret: str = SECRET, **rules) -> AppQueue:
        return AppQueue(
            AmiAccess(host="127.0.0.1", port=self.ami.port, user=AMI_USER, secret=secret, back_off_max_s=0.2),
            AriAccess(url=self.ari.url, app=f"agents-{number}", user=USER, password=PASSWORD),
            AppQueueRules(**rules),
            now=lambda: NOW,
            now_s=lambda: self.now_s,
        )

    def pauses(self) -> list[tuple[bool, str]]:
        return [(member.paused, member.reason) for queue in self.ami.queues.values() for member in queue.members]


def run(scenario, **rules) -> Centre:
    """Run ``scenario(centre, agents)`` on a fresh fake."""

    async def main() -> Centre:
        centre = Centre()
        await centre.ami.start()
        await centre.ari.start()
        agents = centre.worker(**rules)
        try:
            await agents.start()
            await scenario(centre, agents)
        finally:
            await agents.stop()
            await centre.ami.stop()
            await centre.ari.stop()
        assert centre.ari.faults == []
        return centre

    return asyncio.run(main())


def test_who_is_free_and_who_is_not():
    async def scenario(centre, agents):
        centre.queue.members += [
            FakeMember("PJSIP/1002", last_call_s=NOW_S - 500),
            FakeMember("PJSIP/1003", last_call_s=NOW_S - 900, login_s=NOW_S - 9000),
            FakeMember("Local/1004@agents", status=0, last_call_s=NOW_S - 700),
            FakeMember("PJSIP/2001", status=IN_USE),
            FakeMember("PJSIP/2002", status=RINGING),
            FakeMember("PJSIP/2003", in_call=True),
            FakeMember("PJSIP/2004", last_call_s=NOW_S - 5, wrapup_s=30),
            FakeMember("PJSIP/3001", status=UNAVAILABLE),
            FakeMember("PJSIP/3002", paused=True, reason="lunch"),
            FakeMember("PJSIP/3003", paused=True, reason="lunch", last_call_s=NOW_S - 5, wrapup_s=30),
        ]
        staffing = await agents.staffing("sales")
        assert staffing.free == (AGENT, "PJSIP/1003", "Local/1004@agents", "PJSIP/1002")
        assert staffing.n_busy == 4

    run(scenario)


def test_live_callers_stand_in_the_order_of_app_queue_and_keep_their_time():
    async def scenario(centre, agents):
        centre.queue.callers = [("171.1", 10, 5), ("171.2", 90, 0), ("171.3", 30, 0)]
        live = (await agents.staffing("sales")).live
        assert [contact.id for contact in live] == ["171.1", "171.2", "171.3"]
        assert list(line_up(live)) == list(live)
        waits = [(NOW - contact.place.enqueued_at).total_seconds() for contact in live]
        assert waits == [90, 90, 30]  # the first was let ahead of who waits for 90 s
        assert {contact.kind for contact in live} == {Kind.LIVE}
        centre.queue.callers = [("171.2", 91, 0), ("171.3", 30, 0)]  # the clock did not move: Wait is rounded
        again = (await agents.staffing("sales")).live
        assert [NOW - contact.place.enqueued_at for contact in again] == [
            timedelta(seconds=90),
            timedelta(seconds=30),
        ]

    run(scenario)


def test_handling_time_and_patience_are_learned():
    async def scenario(centre, agents):
        first = await agents.staffing("sales")
        assert (first.handling_s, first.patience_s) == (240.0 + 15.0, None)
        centre.queue.talk_time_s = 180
        assert (await agents.staffing("sales")).handling_s == 180.0 + 15.0
        for talk_s in (100, 200, 300) * 3:
            centre.ami.tell("AgentComplete", Queue="sales", HoldTime=40, TalkTime=talk_s, Reason="caller")
        for _ in range(9):
            centre.ami.tell("QueueCallerAbandon", Queue="sales", Position=1, OriginalPosition=2, HoldTime=60)
        centre.ami.tell("AgentComplete", Queue="sales", HoldTime="soon", TalkTime="long")  # is passed over
        centre.ami.tell("AgentComplete", Queue="support", HoldTime=1, TalkTime=1)
        assert (await agents.staffing("sales")).handling_s == 180.0 + 15.0  # of nine
        centre.ami.tell("AgentComplete", Queue="sales", HoldTime=40, TalkTime=200, Reason="agent")
        learned = await agents.staffing("sales")
        assert (learned.handling_s, learned.patience_s) == (200.0 + 15.0, None)
        centre.ami.tell("QueueCallerAbandon", Queue="sales", Position=1, OriginalPosition=2, HoldTime=60)
        assert (await agents.staffing("sales")).patience_s == (10 * 40 + 10 * 60) / 10

    run(scenario, wrapup_s=15.0)


def test_a_queue_goes_by_another_name():
    async def scenario(_, agents):
        assert (await agents.staffing("Verkauf")).free == (AGENT,)
        with pytest.raises(DialingError, match=r"support.*queues.conf"):
            await agents.staffing("support")

    run(scenario, queues={"Verkauf": "sales"})


def test_an_agent_accepts_and_is_the_queues_again_afterwards():
    async def scenario(centre, agents):
        centre.ami.queues["support"] = FakeQueue(members=[FakeMember(AGENT)])
        centre.ari.will(AGENT, Rings(), Answers(after_s=3))
        assert await agents.offer(AGENT, **OFFER) == Accepted(leg=LEG)
        assert centre.pauses() == [(True, f"callback {LEG}")] * 2
        assert centre.ari.world.channels[LEG].state == "Up"
        staffing = await agents.staffing("sales")
        assert (staffing.free, staffing.n_busy) == ((), 1)
        await agents.over(AGENT, callback_id="callback-1")
        await agents.over(AGENT, callback_id="callback-1")
        assert centre.pauses() == [(False, "")] * 2
        assert centre.ari.world.channels == {}
        assert (await agents.staffing("sales")).free == (AGENT,)

    run(scenario)


@pytest.mark.parametrize("steps", [(Rings(),), (Rings(), Fails(after_s=1, outcome=Outcome.REFUSED))])
def test_an_agent_who_does_not_answer_or_declines_is_let_go(steps):
    async def scenario(centre, agents):
        centre.ari.will(AGENT, *steps)
        assert await agents.offer(AGENT, **OFFER) is None
        assert centre.pauses() == [(False, "")]
        assert centre.ari.world.channels == {}

    run(scenario, offer_max_s=5.0)


def test_a_pause_of_the_agents_own_is_left_alone():
    async def scenario(centre, agents):
        other = FakeMember(AGENT, paused=True, reason="training")
        centre.ami.queues["support"] = FakeQueue(members=[other])
        centre.ari.will(AGENT, Answers())
        assert await agents.offer(AGENT, **OFFER) is not None
        assert centre.pauses() == [(True, f"callback {LEG}"), (True, "training")]
        await agents.over(AGENT, callback_id="callback-1")
        assert centre.pauses() == [(False, ""), (True, "training")]
        centre.member.paused, centre.member.reason = True, "lunch"
        assert await agents.offer(AGENT, **OFFER) is None
        assert centre.member.reason == "lunch"
        assert centre.ari.placed[AGENT] == 1

    run(scenario)


def test_an_agent_whom_the_queue_rings_just_then_is_not_rung_twice():
    async def scenario(centre, agents):
        centre.ami.after_pause = lambda member: setattr(member, "status", RINGING)
        assert await agents.offer(AGENT, **OFFER) is None
        assert centre.ari.placed[AGENT] == 0
        assert centre.pauses() == [(False, "")]

    run(scenario)


def test_of_two_workers_one_gets_the_agent():
    async def scenario(centre, agents):
        second = centre.worker(2)
        await second.start()
        try:
            centre.ari.will(AGENT, Rings(), Answers(after_s=1))
            centre.ari.will(AGENT, Rings(), Answers(after_s=1))
            offers = [
                agents.offer(AGENT, **OFFER),
                second.offer(AGENT, **{**OFFER, "callback_id": "callback-2"}),
            ]
            answers = await asyncio.gather(*offers)
            assert sum(answer is not None for answer in answers) == 1
            assert centre.ari.placed[AGENT] == 1
            winner = next(answer for answer in answers if answer is not None)
            assert centre.pauses() == [(True, f"callback {winner.leg}")]
        finally:
            await second.stop()

    run(scenario)


def test_an_offer_is_withdrawn_before_and_while_it_rings():
    async def scenario(centre, agents):
        offer = asyncio.create_task(agents.offer(AGENT, **OFFER))
        await until(lambda: LEG in centre.ari.world.channels)
        await agents.withdraw(AGENT, callback_id="callback-1")
        assert await offer is None
        assert centre.pauses() == [(False, "")]
        assert centre.ari.world.channels == {}
        withdrawals = []

        def withdraw(_):
            withdrawals.append(asyncio.create_task(agents.withdraw(AGENT, callback_id="callback-1")))

        centre.ami.after_pause = withdraw
        assert await agents.offer(AGENT, **OFFER) is None
        await asyncio.gather(*withdrawals)
        assert centre.ari.placed[AGENT] == 1  # only the first time it rang
        assert centre.pauses() == [(False, "")]
        await agents.withdraw(AGENT, callback_id="never-offered")
        assert centre.ari.world.channels == {}

    run(scenario)


def test_a_withdrawal_by_another_worker_ends_the_ringing():
    async def scenario(centre, agents):
        second = centre.worker(2)
        await second.start()
        try:
            offer = asyncio.create_task(agents.offer(AGENT, **OFFER))
            await until(lambda: LEG in centre.ari.world.channels)
            await second.withdraw(AGENT, callback_id="callback-1")
            assert await offer is None
            assert centre.pauses() == [(False, "")]
        finally:
            await second.stop()

    run(scenario)


@pytest.mark.parametrize("leg", ["gone", "alone", "ringing", "talking"])
def test_what_a_dead_worker_left_is_found_by_its_reason(leg, caplog):
    async def scenario(centre, agents):
        world = centre.ari.world
        centre.member.paused, centre.member.reason = True, f"callback {LEG}"
        if leg != "gone":
            state = "Ringing" if leg == "ringing" else "Up"
            world.channels[LEG] = Channel(LEG, AGENT, "dead", state=state, in_stasis=True)
        if leg == "talking":
            world.bridges["talk"] = Bridge("talk", "", [world.channels[LEG]])
        for waited_s, still in ((0.0, True), (ALONE_S - 1, True), (ALONE_S, leg in {"ringing", "talking"})):
            centre.now_s = waited_s
            staffing = await agents.staffing("sales")
            assert (staffing.free, staffing.n_busy) == ((), 1)
            assert centre.member.paused is still
            assert (LEG in world.channels) is (still and leg != "gone")
        assert ("left by its worker" in caplog.text) is (leg in {"gone", "alone"})
        for channel in list(world.channels.values()):
            world.destroy(channel, CLEARED)

    run(scenario)


def test_the_manager_is_reached_again(caplog):
    async def scenario(centre, agents):
        centre.ami.break_links()
        await until(lambda: not centre.ami.writers)
        await until(lambda: centre.ami.writers)
        assert (await agents.staffing("sales")).free == (AGENT,)

    run(scenario)
    assert "link lost" in caplog.text


def test_a_manager_that_is_silent_or_does_not_let_in_is_said():
    async def scenario(centre, _):
        with pytest.raises(DialerDown, match="Authentication failed"):
            await centre.worker(2, secret="wrong").start()  # noqa: S106 -- the wrong one
        access = AmiAccess(host="127.0.0.1", port=centre.ami.port, user=AMI_USER, secret=SECRET, reply_max_s=0.2)
        ami = Ami(access, lambda _: None)
        await ami.start()
        with pytest.raises(AmiRefused, match="unknown command"):
            await ami.act("Frobnicate")
        with pytest.raises(ValueError, match="line break"):
            await ami.act("QueuePause", Interface="a\r\nAction: Originate")
        centre.ami.silent = True
        with pytest.raises(DialerDown, match="did not answer to QueueStatus"):
            await ami.ask_list("QueueStatus")
        await ami.stop()
        with pytest.raises(DialerDown):
            await ami.act("Ping")

    run(scenario)


def test_neither_secret_nor_caller_is_logged(caplog):
    caplog.set_level(logging.DEBUG)

    async def scenario(centre, agents):
        centre.queue.callers = [("171.1", 10, 0)]
        centre.ari.will(AGENT, Answers())
        await agents.staffing("sales")
        await agents.offer(AGENT, **OFFER)
        centre.ami.break_links()
        await until(lambda: not centre.ami.writers)

    run(scenario)
    assert caplog.text
    for secret in (SECRET, PASSWORD, "2025550188", "someone"):
        assert secret not in caplog.text


def test_rules_that_cannot_be_meant_are_refused():
    with pytest.raises(ValueError, match="milliseconds"):
        AppQueueRules(offer_max_s=20_000)
