"""What stood before a tone: how long ago, and how many held notes."""

import pytest

from amd.past import ALONE_MAX_S, PAST_TONES, Past

NOTE = {"level_db": -20.0, "clarity": 0.95, "steady": True}


def past(*spans_s, **changes):
    made = Past()
    for on_s, off_s in spans_s:
        made.add(round(on_s * 8000), round(off_s * 8000), **{**NOTE, **changes})
    return made


def test_a_tone_is_alone_since_the_last_one_as_loud():
    assert past().alone_s(8000, -20.0) == ALONE_MAX_S
    assert past((0.2, 0.5)).alone_s(8000, -20.0) == pytest.approx(0.5)
    assert past((0.2, 0.5), level_db=-31.0).alone_s(8000, -20.0) == pytest.approx(0.5)
    assert past((0.2, 0.5), level_db=-33.0).alone_s(8000, -20.0) == ALONE_MAX_S
    assert past((0.2, 1.1)).alone_s(8000, -20.0) == 0
    assert past((0.2, 0.5)).alone_s(80_000, -20.0) == ALONE_MAX_S


@pytest.mark.parametrize(
    ("changes", "n"),
    [({}, 2), ({"steady": False}, 0), ({"clarity": 0.7}, 0), ({"level_db": -33.0}, 0), ({"level_db": 0.0}, 2)],
)
def test_notes_are_held_pure_and_as_loud(changes, n):
    assert past((0.2, 0.5), (0.6, 0.8), (0.8, 0.85), **changes).n_notes(8000, -20.0) == n


def test_what_is_long_past_is_forgotten():
    assert past((0.2, 0.5)).n_notes(round(6.3 * 8000), -20.0) == 0
    many = past(*((0.1 * i, 0.1 * i + 0.1) for i in range(50)))
    assert many.n_notes(40_000, -20.0) == PAST_TONES
