"""A runner keeps the order of the line, paces its calls, shares the work, and outlives trouble."""

import asyncio
import doctest
import itertools
import logging
import random
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from callback_calls import number
from callback_world import QUEUE, play, rules
from dialer_rig import Answers, Fails, HangsUp, Rings
from prometheus_client import CollectorRegistry
from rig_simulated import SimulatedRig

from callback.clock import Clock
from callback.dialers.customers import Customers, Habits, ScriptError, read_sound, read_sounds
from callback.dialing import DialerDown
from callback.errors import StoreUnavailable
from callback.live import LiveError, LiveQueue
from callback.metrics import Metrics
from callback.ordering import Place
from callback.runner import Campaign, Runner
from callback.runner.campaign import CampaignError, Learned
from callback.states import Outcome, State

ROOT = Path(__file__).parents[1]
HUMAN = (Rings(after_s=1.0), Answers(after_s=2.0, sample="human-02.wav"), HangsUp(after_s=30.0))
STAYS = (Rings(after_s=1.0), Answers(after_s=2.0, sample="human-02.wav"), HangsUp(after_s=90.0))


def run(scene, url, **more):
    asyncio.run(play(SimulatedRig(), str(url), scene, **more))


@pytest.fixture
def url(tmp_path):
    return tmp_path / "callbacks.db"


def all_ended(world):
    return all(world.get(one).ended and world.get(one).dial is None for one in world.booked)


def agents(world, *names):
    for name in names:
        world.agents.add_agent(name, QUEUE)


def test_who_holds_is_offered_in_the_order_of_the_line_whoever_answered_first(url):
    async def scene(world):
        agents(world, "a-1", "a-2", "a-3")
        for caller in range(3):
            world.agents.join(f"other-{caller}", QUEUE, talk_s=500.0)
        world.agents.tick()
        for index, wait_s in enumerate((20.0, 10.0, 1.0)):
            script = (Rings(), Answers(after_s=wait_s, sample="human-02.wav"), HangsUp(after_s=100.0))
            world.rig.will(number(index), *script)
            world.book(index)
        await world.run()
        await world.until(lambda: all(world.get(one).state is State.REJOINED for one in world.booked), "holds")
        world.free()
        await world.until(lambda: len(world.agents.offers) == 3, "three offers")
        reached = [world.attempts(one)[0].reached_at for one in world.booked]
        assert reached == sorted(reached, reverse=True)  # the last in line answered first
        assert [callback_id for _, callback_id in world.agents.offers] == [one.id for one in world.booked]

    run(scene, url, rules=rules())


def test_a_retry_keeps_its_place_ahead_of_those_who_came_later(url):
    async def scene(world):
        agents(world, "a-1", "a-2")
        for caller in range(2):
            world.agents.join(f"other-{caller}", QUEUE, talk_s=500.0)
        world.agents.tick()
        world.rig.will(number(0), Rings(), Fails(after_s=1.0, outcome=Outcome.BUSY))
        world.rig.will(number(0), *STAYS)
        world.rig.will(number(1), *STAYS)
        first, second = world.book(0), world.book(1)
        await world.run()
        await world.until(lambda: all(world.get(one).state is State.REJOINED for one in world.booked), "holds")
        world.free()
        await world.until(lambda: len(world.agents.offers) == 2, "two offers")
        assert world.outcomes(first)[0] is Outcome.BUSY
        assert [callback_id for _, callback_id in world.agents.offers] == [first.id, second.id]

    run(scene, url, rules=rules(attempts_max=2))


@pytest.mark.parametrize("ahead", [True, False])
def test_live_callers_stand_in_the_same_line(url, ahead):
    async def scene(world):
        agents(world, "a-1")
        world.agents.join("other", QUEUE, talk_s=25.0)
        world.agents.tick()
        world.rig.will(number(1), *STAYS)
        if ahead:
            world.agents.join("live", QUEUE, talk_s=20.0)
        booked = world.book()
        if not ahead:
            world.agents.join("live", QUEUE, talk_s=20.0)
        await world.run()
        await world.until(lambda: world.get().state is State.REJOINED, "hold")
        order = []
        end_s = world.clock.s() + 300
        while len(order) < 2 and world.clock.s() < end_s:
            (staffing,) = [await world.agents.staffing(QUEUE)]
            if staffing.free and staffing.live:  # the contact centre serves them when the agent is theirs
                waits = world.get().state in {State.REJOINED, State.OFFERED}
                holds = [booked.booking.key] if waits else []
                place = staffing.live[0].place
                if not holds or (place.priority, place.enqueued_at, place.seq) < holds[0]:
                    world.agents.tick()
            order = [*(["live"] if "live" in world.agents.served else []), *world.agents.taken]
            if len(order) == 1:
                first = order[0]
            await asyncio.sleep(0.01)
        assert first == ("live" if ahead else booked.id)
        assert set(order) == {"live", booked.id}

    run(scene, url, rules=rules())


def test_an_agent_who_lets_a_call_pass_is_not_asked_again_at_once(url):
    async def scene(world):
        agents(world, "a-1", "a-2")
        world.rig.will(number(1), *STAYS)
        world.book()
        await world.run()
        await world.until(lambda: all_ended(world), "the end")
        assert [agent for agent, _ in world.agents.offers] == ["a-1", "a-2"]
        assert world.log().count("offer_missed") == 1

    run(scene, url, rules=rules(), answers=lambda agent, _callback: agent == "a-2")


def test_the_only_agent_is_asked_again_after_a_rest(url):
    asked_s = []

    async def scene(world):
        agents(world, "a-1")
        world.rig.will(number(1), *STAYS)
        world.book()

        def answers(_agent, _callback):
            asked_s.append(world.clock.s())
            return len(asked_s) == 2

        world.agents._answers = answers
        await world.run()
        await world.until(lambda: all_ended(world), "the end")
        assert len(asked_s) == 2
        assert asked_s[1] - asked_s[0] >= world.campaign.missed_rest_s

    run(scene, url, rules=rules())


def test_no_more_calls_are_on_than_agents_can_take(url):
    async def scene(world):
        agents(world, "a-1", "a-2")
        world.campaign, most = Campaign(queue=QUEUE), 0
        for index in range(8):
            world.rig.will(number(index), *HUMAN)
            world.book(index)
        await world.run()

        def ended():
            nonlocal most
            with world.store.reading() as reads:
                most = max(most, reads.in_flight(QUEUE))
            return all_ended(world)

        await world.until(ended, "the end")
        assert 1 <= most <= 2
        assert all(world.outcomes(one) == [Outcome.HUMAN] for one in world.booked)

    run(scene, url, rules=rules())


def test_without_agents_nobody_is_called(url):
    async def scene(world):
        world.rig.will(number(1), *HUMAN)
        world.book()
        await world.run()
        await world.clock.sleep(20)
        assert world.get().state is State.WAITING
        assert world.rig.placed(number(1)) == 0

    run(scene, url, rules=rules())


def test_a_runner_that_drains_claims_no_more_and_finishes_what_is_on(url):
    async def scene(world):
        agents(world, "a-1")
        world.campaign = Campaign(queue=QUEUE, claims_max=1)
        for index in range(2):
            world.rig.will(number(index), *HUMAN)
            world.book(index)
        runner = await world.run()
        await world.until(lambda: world.get().state is State.DETECTING, "screening")
        await runner.drain(grace_s=200.0)
        first, second = map(world.get, world.booked)
        assert (first.state, second.state) == (State.COMPLETED, State.WAITING)
        assert world.rig.placed(number(1)) == 0

    run(scene, url, rules=rules())


class Away:
    """A dialer that cannot be reached until told otherwise."""

    def __init__(self, dialer, clock):
        self._dialer = dialer
        self._clock = clock
        self.away = True
        self.tried_s = []

    def __getattr__(self, name):
        return getattr(self._dialer, name)

    async def originate(self, placing):
        self.tried_s.append(self._clock.s())
        if self.away:
            raise DialerDown("away")
        await self._dialer.originate(placing)


def test_a_dialer_that_is_away_pauses_claims_for_longer_each_time_and_costs_no_attempt(url):
    async def scene(world):
        agents(world, "a-1")
        world.rig.will(number(1), *HUMAN)
        world.book()
        dialer = Away(world.rig.dialer, world.clock)
        await world.run(dialer)
        await world.until(lambda: len(dialer.tried_s) == 5, "five tries")
        gaps_s = [later - earlier for earlier, later in itertools.pairwise(dialer.tried_s)]
        assert gaps_s[3] >= 8.0
        assert gaps_s[3] > gaps_s[0]
        dialer.away = False
        await world.until(lambda: all_ended(world), "the end")
        assert world.get().state is State.COMPLETED
        assert (world.get().tally.attempts, world.get().tally.failures) == (1, 5)

    run(scene, url, rules=rules(failures_max=20))


def test_a_store_that_is_away_for_a_moment_costs_nothing(url):
    async def scene(world):
        agents(world, "a-1")
        world.rig.will(number(1), *HUMAN)
        world.book()
        rng, told = random.Random(5), world.service.report

        def report(one, *, now):
            done = told(one, now=now) if rng.random() < 0.7 else None
            if rng.random() < 0.4 or done is None:
                raise StoreUnavailable("the connection broke")
            return done

        world.service.report = report
        await world.run()
        await world.until(lambda: all_ended(world), "the end")
        assert world.outcomes() == [Outcome.HUMAN]
        assert world.rig.placed(number(1)) == 1

    run(scene, url, rules=rules())


@pytest.mark.parametrize("written", [True, False])
def test_an_agents_word_that_may_or_may_not_be_written_down_leaves_the_customer_first_in_line(url, written):
    async def scene(world):
        agents(world, "a-1")
        world.rig.will(number(1), *STAYS)
        world.book()
        connected, first = world.service.connected, [True]

        def connect(callback_id, *, fence, now):
            if not first:
                return connected(callback_id, fence=fence, now=now)
            first.clear()
            if written:
                connected(callback_id, fence=fence, now=now)
            raise StoreUnavailable("the connection broke")

        world.service.connected = connect
        await world.run()
        await world.until(lambda: all_ended(world), "the end")
        assert world.outcomes() == [Outcome.HUMAN]
        assert world.rig.bridged(number(1))
        assert len(world.agents.offers) == 2
        await world.until(world.agents.idle, "an agent who is free again")

    run(scene, url, rules=rules(lease_s=10.0))


def test_a_contact_centre_that_fails_for_a_while_stops_nothing_and_its_words_reach_no_log(url, caplog):
    async def scene(world):
        agents(world, "a-1")
        world.rig.will(number(1), *HUMAN)
        world.book()
        staffing, faults = world.agents.staffing, [OSError(f"no answer for {number(1)}") for _ in range(5)]

        async def fails(queue):
            if faults:
                raise faults.pop()
            return await staffing(queue)

        world.agents.staffing = fails
        await world.run()
        await world.until(lambda: all_ended(world), "the end")
        assert world.get().state is State.COMPLETED

    run(scene, url, rules=rules())
    assert "why=OSError" in caplog.text
    assert number(1)[1:] not in caplog.text


def test_a_claim_whose_lease_is_nearly_over_is_not_placed(url):
    async def scene(world):
        agents(world, "a-1")
        world.rig.will(number(1), *HUMAN)
        world.book()
        claim, slow = world.service.claim_due, [True]

        def claim_slowly(*args, **more):
            claimed = claim(*args, **more)
            if claimed and slow:
                slow.clear()
                threading.Event().wait(6.0 / world.clock.speed)  # more than half a lease
            return claimed

        world.service.claim_due = claim_slowly
        await world.run()
        await world.until(lambda: all_ended(world), "the end")
        assert world.outcomes() == [Outcome.NETWORK, Outcome.HUMAN]
        assert world.rig.placed(number(1)) == 1

    run(scene, url, rules=rules(lease_s=10.0))


def test_what_a_runner_measures(url):
    registry = CollectorRegistry()

    def value(name, **labels):
        return registry.get_sample_value(name, {"queue": QUEUE, **labels})

    async def scene(world):
        agents(world, "a-1")
        world.rig.will(number(1), Rings(), Fails(after_s=1.0, outcome=Outcome.BUSY))
        world.rig.will(number(1), *HUMAN)
        joined = world.clock.now() - timedelta(minutes=30)
        world.booked.append(world.service.book(number(1), queue=QUEUE, now=world.clock.now(), enqueued_at=joined))
        await world.run()
        await world.until(lambda: all_ended(world), "the end")
        await world.until(lambda: value("callback_outcomes_total", outcome="human"), "the last figure")
        assert value("callback_attempts_total") == 2
        assert value("callback_outcomes_total", outcome="busy") == 1
        assert value("callback_verdicts_total", outcome="human", cause="greeting_then_silence") == 1
        assert 0.5 < value("callback_verdict_seconds_sum", outcome="human") < 5
        assert value("callback_wait_seconds_sum") > 1800  # since they joined the line, not since they booked
        assert value("callback_hold_seconds_count") == 1
        assert value("callback_offers_total") == 1
        assert value("callback_agent_reserved_before_person_seconds_total") == 0
        assert value("callback_overtaken_total") == 0
        await world.until(lambda: registry.get_sample_value("callback_calls") == 0, "no call")

    run(scene, url, rules=rules(attempts_max=2), meter=Metrics(registry))


def test_an_agent_asked_too_early_would_be_measured():
    registry, at = CollectorRegistry(), datetime(2026, 1, 5, 17, tzinfo=UTC)
    Metrics(registry).offered(QUEUE, reached_at=at + timedelta(seconds=7), offered_at=at)
    name = "callback_agent_reserved_before_person_seconds_total"
    assert registry.get_sample_value(name, {"queue": QUEUE}) == 7.0


def test_those_who_want_to_know_are_told_until_they_have_heard(url):
    told, deaf = [], [True]

    async def notify(callback, key):
        if deaf:
            deaf.clear()
            raise ConnectionError("nobody listens")
        told.append((str(callback.state), key))

    async def scene(world):
        agents(world, "a-1")
        world.rig.will(number(1), *HUMAN)
        world.book()
        await world.run()

        def heard():
            with world.store.reading() as reads:
                return all_ended(world) and reads.outbox_size() == 0

        await world.until(heard, "the last word")
        assert told[-1][0] == "completed"
        assert len({key for _, key in told}) == len(told) >= 2

    run(scene, url, rules=rules(), notify=notify)


def test_errands_of_another_queue_are_left_to_its_own_runner(url):
    async def scene(world):
        agents(world, "a-1")
        other = world.service.book(number(7), queue="support", now=world.clock.now())
        (claimed,) = world.service.claim_due(world.clock.now(), queue="support")
        await world.run()
        await world.until(lambda: world.service.get(other.id).state is State.RECONCILING, "a lost lease")
        await world.clock.sleep(5)
        found = world.service.get(other.id)
        assert (found.state, found.dial.id) == (State.RECONCILING, claimed.callback.dial.id)
        assert claimed.callback.dial.id not in world.rig.exchange.refused

    run(scene, url, rules=rules(lease_s=5.0))


class Memory:
    """Knows a greeting once a call has shown it to be a machine's."""

    def __init__(self):
        self.made = []
        self.concluded = []
        self.known = False

    def __call__(self, callback_id, dial_id):
        self.made.append((callback_id, dial_id, threading.current_thread().name))
        return self

    def hear(self, samples):
        return self.known and samples.size > 0

    def conclude(self, decision):
        self.concluded.append((str(decision.outcome), decision.cause))
        self.known = self.known or decision.outcome is Outcome.MACHINE


def test_a_greeting_is_remembered_from_one_call_to_the_next(url):
    memory = Memory()

    async def scene(world):
        agents(world, "a-1")
        for _ in range(2):
            world.rig.will(number(1), Rings(), Answers(sample="machine-01.wav"), HangsUp(after_s=60.0))
        booked = world.book()
        await world.run()
        await world.until(lambda: len(memory.concluded) == 2, "two machines")
        assert [(one, dial) for one, dial, _ in memory.made] == [(booked.id, f"{booked.id}-{n}") for n in (1, 2)]
        assert all(name.startswith("callback-store") for _, _, name in memory.made)
        assert memory.concluded == [("machine", "long_greeting"), ("machine", "known_greeting")]

    run(scene, url, rules=rules(attempts_max=2), recognise=memory)


def test_no_number_reaches_a_log(url, caplog):
    caplog.set_level(logging.DEBUG, logger="callback")

    async def scene(world):
        agents(world, "a-1")
        world.rig.will(number(1), Rings(), Fails(after_s=1.0, outcome=Outcome.NETWORK))
        world.rig.will(number(1), *HUMAN)
        world.book()
        await world.run()
        await world.until(lambda: all_ended(world), "the end")

    run(scene, url, rules=rules())
    verdict = next(record for record in caplog.records if getattr(record, "event", "") == "verdict")
    assert verdict.fields["outcome"] is Outcome.HUMAN
    assert "outcome=human cause=greeting_then_silence" in verdict.getMessage()
    assert number(1)[1:] not in caplog.text


def test_two_runners_share_the_work_and_call_nobody_twice(database):
    async def scene(world):
        agents(world, "a-1", "a-2", "a-3", "a-4")
        for index in range(10):
            world.rig.will(number(index), *HUMAN)
            world.book(index)
        await world.run()
        await world.run(world.rig.another())
        placed = [set(), set()]

        def ended():
            for mine, runner in zip(placed, world.runners, strict=True):
                mine.update(runner.calls.held)
            return all_ended(world)

        await world.until(ended, "the end")
        assert all(placed)
        for index, one in enumerate(world.booked):
            assert world.outcomes(one) == [Outcome.HUMAN]
            assert world.rig.placed(number(index)) == 1
        assert world.agents.without_person == []

    run(scene, database, rules=rules())


@pytest.mark.parametrize("seed", [1, 2])
def test_runners_that_are_killed_at_any_moment_lose_nobody_and_call_nobody_twice(database, seed):
    rng = random.Random(seed)

    async def scene(world):
        agents(world, "a-1", "a-2", "a-3")
        for index in range(8):
            for _ in range(12):
                wait_s, hang_up_s = rng.uniform(0.5, 10), rng.uniform(3, 30)
                script = rng.choice(
                    [
                        (Rings(), Answers(after_s=wait_s, sample="human-02.wav"), HangsUp(after_s=hang_up_s)),
                        (Rings(), Answers(after_s=wait_s, sample="human-04.wav"), HangsUp(after_s=hang_up_s + 30)),
                        (Rings(), Fails(after_s=wait_s, outcome=Outcome.BUSY)),
                    ]
                )
                world.rig.will(number(index), *script)
            world.book(index)
        await world.run()
        for _ in range(8):
            await world.clock.sleep(rng.uniform(1, 15))
            await world.kill()
            await world.run(world.rig.another())
        await world.until(lambda: all_ended(world), "the end")
        calls = list(world.rig.exchange.lines.values())
        for one in world.booked:
            assert world.get(one).state in {State.COMPLETED, State.EXHAUSTED}
        for index, one in enumerate(world.booked):
            mine = [line for line in calls if line.placing.number == number(index)]
            assert len({line.placing.dial_id for line in mine}) == len(mine)
            spans = [(line.started_s, line.ended_s) for line in mine]
            assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))
            talked = [line for line in mine if line.talked]
            assert len(talked) == (world.get(one).state is State.COMPLETED)
        assert world.agents.without_person == []
        await world.until(world.agents.idle, "agents who are free again")

    run(scene, database, rules=rules(attempts_max=6, failures_max=60, lease_s=5.0))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"queue": ""}, "must have a name"),
        ({"queue": "sales", "ring_max_s": 30_000}, "milliseconds"),
        ({"queue": "sales", "claims_max": 0}, "1 or more"),
    ],
)
def test_a_campaign_that_cannot_be_says_why(wrong, words):
    with pytest.raises(CampaignError, match=words):
        Campaign(**wrong)


def test_a_runner_needs_something_to_run(url):
    async def scene(world):
        with pytest.raises(CampaignError, match="needs a campaign"):
            Runner(world.service, world.rig.dialer, world.agents, [])

    run(scene, url)


def test_a_queue_learns_from_its_last_calls():
    learned = Learned()
    for _ in range(300):
        learned.ended(person_after_s=None)
    assert learned.reach < 0.05
    for second in range(200):
        learned.ended(person_after_s=10.0 + second % 5)
    assert learned.reach > 0.95
    assert learned.lead_s == 12.0


def test_a_clock_may_run_fast_and_agrees_with_others_of_the_same_start():
    start = datetime(2026, 1, 5, 17, tzinfo=UTC)
    one, other = (Clock(start=start, speed=100.0, since=0.0) for _ in range(2))
    assert abs((one.now() - other.now()).total_seconds()) < 60
    assert one.now() > start
    with pytest.raises(ValueError, match="must be from 1"):
        Clock(speed=0.1)
    before = one.s()
    asyncio.run(one.sleep(1.0))
    assert one.s() - before >= 1.0
    assert Place(priority=0, enqueued_at=one.now(), seq=1).enqueued_at > start


def test_the_document_runs_as_it_stands(tmp_path, monkeypatch):
    (tmp_path / "datasets").symlink_to(ROOT / "datasets")
    monkeypatch.chdir(tmp_path)
    found = doctest.testfile(str(ROOT / "docs" / "runner.md"), module_relative=False)
    assert found.attempted > 10
    assert found.failed == 0


def test_customers_do_the_same_for_the_same_seed_and_another_thing_each_call():
    sounds = read_sounds(ROOT / "datasets" / "samples")
    one, again, other = (Customers(sounds, seed=seed) for seed in (1, 1, 2))
    calls = [[repr(customers.script(number(1))) for _ in range(20)] for customers in (one, again, other)]
    assert calls[0] == calls[1] != calls[2]
    assert len(set(calls[0])) > 5


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Habits(person=70.0), "percentages"),
        (lambda: Habits(ring_s=(9.0, 2.0)), "swapped"),
        (lambda: read_sounds(ROOT / "docs"), "another folder"),
        (lambda: read_sound(ROOT / "README.md"), "cannot be read"),
    ],
)
def test_customers_that_cannot_be_say_why(make, words):
    with pytest.raises(ScriptError, match=words):
        make()


def test_agents_and_callers_are_there_once():
    centre = LiveQueue(clock=Clock())
    centre.add_agent("a-1", QUEUE)
    centre.join("live", QUEUE, talk_s=1.0, patience_s=0.0)
    with pytest.raises(LiveError, match="at work already"):
        centre.add_agent("a-1", QUEUE)
    with pytest.raises(LiveError, match="in line already"):
        centre.join("live", QUEUE, talk_s=1.0)
    assert centre.hung_up == []
    centre.tick()
    assert centre.hung_up == ["live"]
