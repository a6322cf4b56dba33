"""The line: one order for live callers and callbacks, and a place that stays."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback.ordering import Contact, Kind, Place, ahead, line_up, next_ready, position

START = datetime(2026, 1, 5, 9, tzinfo=UTC)


@st.composite
def lines(draw):
    drawn = draw(
        st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), st.booleans(), st.booleans()), max_size=12)
    )
    return [
        Contact(
            id=f"c{seq}",
            place=Place(priority=priority, enqueued_at=START + timedelta(seconds=after_s), seq=seq),
            kind=Kind.LIVE if live else Kind.CALLBACK,
            ready=live or ready,
        )
        for seq, (priority, after_s, live, ready) in enumerate(drawn)
    ]


@given(lines(), st.randoms(use_true_random=False))
def test_the_order_is_by_priority_then_time_then_seq_whatever_they_are(line, random):
    shuffled = list(line)
    random.shuffle(shuffled)
    keys = [(one.place.priority, one.place.enqueued_at, one.place.seq) for one in line_up(shuffled)]
    assert keys == sorted(keys)
    assert [position(shuffled, one.place) for one in line_up(shuffled)] == list(range(1, len(line) + 1))


@given(lines())
def test_agents_get_the_first_who_is_ready_until_none_is(line):
    offered = []
    left = list(line)
    while (found := next_ready(left)) is not None:
        offered.append(found)
        left.remove(found)
    assert all(one.ready for one in offered)
    assert not any(one.ready for one in left)
    assert [one.place for one in offered] == sorted(one.place for one in offered)


@given(lines(), st.data())
def test_those_behind_never_change_a_position(line, data):
    if not line:
        return
    me = data.draw(st.sampled_from(line))
    behind = [one for one in line if one.place > me.place]
    without = [one for one in line if one not in behind]
    assert position(line, me.place) == position(without, me.place) == 1 + len(ahead(line, me.place))


def test_a_place_is_never_changed():
    place = Place(priority=0, enqueued_at=START, seq=1)
    with pytest.raises(AttributeError):
        place.seq = 2


def test_what_cannot_be_a_line_is_refused():
    place = Place(priority=0, enqueued_at=START, seq=1)
    caller = Contact(id="a", place=place, kind=Kind.LIVE, ready=True)
    with pytest.raises(ValueError, match="tie"):
        line_up([caller, Contact(id="b", place=place, kind=Kind.LIVE, ready=True)])
    later = Place(priority=0, enqueued_at=START, seq=2)
    with pytest.raises(ValueError, match="same id"):
        line_up([caller, Contact(id="a", place=later, kind=Kind.LIVE, ready=True)])
    with pytest.raises(ValueError, match="always are"):
        Contact(id="a", place=place, kind=Kind.LIVE, ready=False)
    with pytest.raises(ValueError, match="priority='high'"):
        Place(priority="high", enqueued_at=START, seq=1)
    with pytest.raises(ValueError, match="no time zone"):
        Place(priority=0, enqueued_at=datetime(2026, 1, 5), seq=1)
