"""The core: a literal table, one step, and what must hold whatever happens in whatever order."""

import random
import re
from collections.abc import Iterable
from dataclasses import fields, replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from benchmarks.callback import pages, walks
from benchmarks.callback.walks import START, booked, broken, draw
from callback import events as ev
from callback.changes import CHANGES
from callback.commands import COMMANDS, Originate
from callback.diagrams import moves, moves_check, open_check, shape_check
from callback.errors import IllegalTransition, StaleFence
from callback.log import decode, encode
from callback.states import IN_CALL, TERMINAL, Outcome, Reason, State, Window
from callback.store.migrations import VERSIONS
from callback.transitions import TABLE, replay, step


def test_the_table_knows_every_state_and_every_event_has_its_change():
    assert set(TABLE) == set(State)
    assert set(CHANGES) == set(ev.EVENTS)
    assert {kind for state in TABLE for kind in TABLE[state]} == set(ev.EVENTS)
    assert len({kind.type for kind in ev.EVENTS}) == len(ev.EVENTS)


def test_nothing_leads_out_of_the_end_and_an_end_can_be_reached_from_everywhere():
    assert all(move.to is state for state, _, move in moves() if state in TERMINAL)
    ends = set(TERMINAL)
    for _ in State:
        ends |= {state for state, _, move in moves() if move.to in ends}
    assert ends == set(State)


def test_calls_are_placed_by_claims_only_and_hung_up_by_every_cancel_in_a_call():
    assert {(state, kind) for state, kind, move in moves() if Originate in move.commands} == {
        (State.WAITING, ev.Claimed)
    }
    hung_up = {
        state for state, kind, move in moves() if kind is ev.Cancelled and "hang_up" in names(move.commands)
    }
    assert hung_up == IN_CALL - {State.CONNECTED}


def names(commands: Iterable[type]) -> set[str]:
    return {command.type for command in commands}


ILLEGAL = [(state, kind) for state in State for kind in ev.EVENTS if kind not in TABLE[state]]


@pytest.mark.parametrize(("state", "kind"), ILLEGAL, ids=lambda one: getattr(one, "type", None))
def test_a_pair_that_is_not_in_the_table_is_an_error_that_says_what_is_legal(state, kind):
    rng = random.Random(1)
    _, callback = booked(rng)
    callback = replace(callback, state=state)
    with pytest.raises(IllegalTransition) as raised:
        step(callback, draw(rng, callback, START, kind), START)
    text = str(raised.value)
    assert text.startswith(f"'{kind.type}' cannot happen in state '{state}'; legal here: ")
    assert set(text.split("legal here: ")[1].split(", ")) == {legal.type for legal in TABLE[state]}


def test_the_page_and_the_schema_are_made_from_the_table():
    assert pages.PAGE.read_text(encoding="utf-8") == pages.text()
    first, log = (" ".join(VERSIONS[version].split()) for version in (1, 5))
    for schema, check in ((log, moves_check()), (first, shape_check()), (first, open_check())):
        assert f"({check})" in schema or check in schema


def test_the_diagram_shows_every_state_and_every_move_that_leads_elsewhere():
    page = pages.text()
    arrows = set(re.findall(r"^    (\w+) --> (\w+): ", page, re.MULTILINE))
    assert arrows == {(state.value, move.to.value) for state, _, move in moves() if move.to is not state}
    assert len(re.findall(r"^\| `", page, re.MULTILINE)) == sum(map(len, TABLE.values()))


def test_walks_of_the_core_break_nothing():
    walked = walks.run(240_000, seed=7)
    assert walked.problems == []
    assert {state.value for state in TERMINAL} <= set(walked.ends)
    assert {(state, kind.type) for state, kind, _ in moves() if kind not in walks.ABRUPT} <= walked.pairs
    assert 0 < walked.refused < walked.steps


def test_a_broken_step_would_be_noticed():
    rng = random.Random(3)
    _, callback = booked(rng)
    event = ev.Due()
    after, commands = step(callback, event, callback.window.opens_at)
    assert broken(callback, event, after, commands) is None
    moved = replace(after, booking=replace(after.booking, seq=2))
    assert broken(callback, event, moved, commands) == "I1 the place"
    assert broken(callback, event, replace(after, wake_at=None), commands) == "I8 never stuck"
    stuck = replace(after, state=State.OFFERED)
    assert broken(callback, event, stuck, commands) == "I5 no agent before a person"
    dials = (Originate(callback_id="c", dial_id=None),)
    assert broken(callback, event, after, dials) == "I2 one live dial"
    assert broken(callback, event, replace(after, reason=Reason.DEADLINE), commands) == "I12 one end"


class Life(RuleBasedStateMachine):
    """One callback under any events, drawn by Hypothesis; the log is replayed after every step."""

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed):
        self.rng = random.Random(seed)
        first, self.callback = booked(self.rng)
        self.log = [(first, START)]
        self.now = START
        self.problem = None

    @rule(seconds=st.integers(-7200, 7200))
    def clock_jumps(self, seconds):
        self.now += timedelta(seconds=seconds)

    @rule(kind=st.sampled_from(ev.EVENTS), data=st.data())
    def anything_happens(self, kind, data):
        legal = list(TABLE[self.callback.state])
        self.happens(data.draw(st.sampled_from(legal)) if legal and data.draw(st.booleans()) else kind)

    def happens(self, kind):
        event = draw(self.rng, self.callback, self.now, kind)
        before = self.callback
        try:
            after, commands = step(before, event, self.now)
        except (IllegalTransition, StaleFence):
            return
        self.problem = self.problem or broken(before, event, after, commands)
        self.log.append((event, self.now))
        self.callback = after

    @invariant()
    def nothing_is_broken(self):
        assert self.problem is None
        assert replay(self.log, self.callback.person) == self.callback


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
test_any_life_of_a_callback = Life.TestCase


@given(st.integers(0, 2**32), st.sampled_from(ev.EVENTS))
def test_an_event_comes_back_from_the_log_as_it_was_and_holds_nothing_personal(seed, kind):
    rng = random.Random(seed)
    first, callback = booked(rng)
    for event in (first, draw(rng, callback, START, kind)):
        text = encode(event)
        assert decode(event.type, text) == event
        assert callback.person.number.removeprefix("+") not in text


def test_an_event_of_a_later_version_is_named():
    with pytest.raises(ValueError, match=r"event 'cloned' is unknown, need one of booked, .*later version\?"):
        decode("cloned", "{}")


def test_a_log_that_does_not_start_at_the_start_is_no_log():
    with pytest.raises(IllegalTransition, match="a log starts with 'booked', not 'due'"):
        replay([(ev.Due(), START)], None)
    with pytest.raises(IllegalTransition, match="not None"):
        replay([], None)


def test_a_dial_outside_of_its_window_or_of_another_call_is_refused():
    rng = random.Random(5)
    _, callback = booked(rng)
    window = callback.window
    waiting, _ = step(callback, ev.Due(), window.opens_at)
    claim = ev.Claimed(dial_id="c-1", wake_at=window.closes_at)
    with pytest.raises(IllegalTransition, match="no dial outside calling hours"):
        step(waiting, claim, window.closes_at)
    dialing, _ = step(waiting, claim, window.opens_at)
    with pytest.raises(
        StaleFence, match=r"dial 'c-0' is not the live one of callback 'c' \(c-1\): a late event\?"
    ):
        step(dialing, ev.Answered(dial_id="c-0", wake_at=window.closes_at), window.opens_at)


def test_a_window_past_the_deadline_and_a_window_that_never_opens_are_refused():
    rng = random.Random(5)
    _, callback = booked(rng)
    late = callback.booking.deadline_at
    window = Window(opens_at=late - timedelta(hours=1), closes_at=late + timedelta(seconds=1))
    with pytest.raises(IllegalTransition, match="reaches past the deadline"):
        step(callback, ev.Rescheduled(window=window), START)
    with pytest.raises(ValueError, match=r"must be before closes_at=.*: swapped\?"):
        Window(opens_at=late, closes_at=late)


@pytest.mark.parametrize("outcome", Outcome)
def test_budgets_are_kept_apart_and_hold(outcome):
    _, callback = booked(random.Random(5))
    booking = replace(callback.booking, attempts_max=2, failures_max=2, deadline_at=START + timedelta(days=9))
    callback = replace(callback, booking=booking)
    window = Window(opens_at=START + timedelta(hours=1), closes_at=START + timedelta(hours=30))
    for attempt in (1, 2):
        callback, _ = step(callback, ev.Rescheduled(window=window), START)
        callback, _ = step(callback, ev.Due(), window.opens_at)
        dial_id = f"c-{attempt}"
        callback, _ = step(callback, ev.Claimed(dial_id=dial_id, wake_at=window.closes_at), window.opens_at)
        failed = ev.AttemptFailed(dial_id=dial_id, outcome=outcome, window=window)
        if attempt == 2 or outcome in {Outcome.BAD_NUMBER, Outcome.SUPPRESSED}:
            with pytest.raises(IllegalTransition, match=f"no attempt may follow '{outcome}'"):
                step(callback, failed, window.opens_at)
            return
        callback, _ = step(callback, failed, window.opens_at)
    assert callback.tally.attempts + callback.tally.failures == 1


def test_numbers_and_names_are_in_no_repr():
    _, callback = booked(random.Random(5))
    person = replace(callback.person, name="the bakery")
    shown = repr(replace(callback, person=person))
    assert "2025550100" not in shown
    assert "bakery" not in shown


def test_every_command_is_known_by_its_name():
    assert all(COMMANDS[kind.type] is kind for _, _, move in moves() for kind in move.commands)
    assert {field.name for field in fields(Originate)} == {"callback_id", "dial_id"}
