"""Parts of a set, tests of significance and the rules on abandoned calls, against values worked out by hand."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from amd import Party
from amd.evaluation.compliance import compliance
from amd.evaluation.measured import Measured, from_cells, to_cells
from amd.evaluation.rivals import NOT_JUDGED, beside, read_verdicts, rivals_of
from amd.evaluation.significance import holm, mcnemar, median_interval, part_against_rest, upper_bound
from amd.evaluation.slices import CALLS_MIN, PARTS_MAX, slices_of
from amd.evaluation.summary import ERRORS_MAX, PARTIES, VALUES_MAX, Tally

HUMAN, MACHINE, UNSURE, FAX, SILENCE = Party.HUMAN, Party.MACHINE, Party.UNSURE, Party.FAX, Party.SILENCE
NAN = math.nan


def call(label=HUMAN, party=HUMAN, *, row=2, after_s=1.0, columns=None, **more):
    fields = {
        "sub_state": "",
        "cause": "greeting_then_silence",
        "probability": 0.9,
        "machine_probability": 0.1,
        "decided_at_s": 2.0,
        "known_s": 3.0,
        "duration_s": 8.0,
        "from_speech_start_s": 2.0,
        "has_beep": False,
        "beep_error_s": NAN,
        "beep_known_s": NAN,
        "greeting_end_error_s": NAN,
        "contradicted": False,
        **more,
    }
    named = {"file": f"{row}.wav", "label": str(label), **(columns or {})}
    return Measured(
        row=row, file=f"{row}.wav", label=label, party=party, from_greeting_end_s=after_s, columns=named, **fields
    )


# -- tests of significance


def test_holm_gives_the_published_example():
    """Holm 1979 by way of R's p.adjust documentation: each is multiplied by how many are left, and none falls."""
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([0.5, 0.001]) == pytest.approx([0.5, 0.002])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_keeps_the_order_and_never_lowers_a_p_value(p_values):
    adjusted = holm(p_values)
    order = np.argsort(p_values, kind="stable")
    assert all(adjusted[one] <= adjusted[two] for one, two in itertools.pairwise(order))
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))
    assert min(adjusted) <= min(1, len(p_values) * min(p_values)) + 1e-12


def test_mcnemar_is_the_exact_binomial_of_the_calls_that_only_one_has_right():
    assert mcnemar(1, 9) == pytest.approx(2 * (1 + 10) / 2**10)
    assert mcnemar(5, 5) == 1.0
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(3, 12) == mcnemar(12, 3)


def test_a_part_is_compared_with_the_rest_by_fishers_test_and_not_with_the_whole():
    assert part_against_rest(3, 4, 4, 8) == pytest.approx(stats.fisher_exact([[3, 1], [1, 3]]).pvalue)
    assert part_against_rest(0, 0, 4, 8) == part_against_rest(4, 8, 4, 8) == 1.0


def test_the_upper_bound_is_clopper_and_pearsons():
    assert upper_bound(0, 100) == pytest.approx(1 - 0.05 ** (1 / 100))
    assert upper_bound(5, 100) == pytest.approx(stats.beta.ppf(0.95, 6, 95))
    assert upper_bound(7, 7) == 1.0
    assert math.isnan(upper_bound(0, 0))


def test_the_median_has_a_bootstrap_interval_that_holds_it_and_is_the_same_each_time():
    values = np.random.default_rng(5).normal(0.4, 0.2, 300)
    median, low, high = median_interval(values)
    assert low < median < high
    assert median == pytest.approx(np.median(values))
    assert high - low == pytest.approx(2 * 1.96 * 1.2533 * 0.2 / math.sqrt(300), rel=0.5)
    assert median_interval(values) == (median, low, high)
    assert median_interval(np.array([0.5]))[0] == 0.5
    assert all(map(math.isnan, median_interval(np.zeros(0))))


# -- a call as text


def test_a_call_comes_back_from_its_row_of_the_table():
    one = call(
        MACHINE, UNSURE, row=7, beep_error_s=-0.0123, contradicted=True, columns={"codec": "gsm", "note": "a,b"}
    )
    back = from_cells(to_cells(one))
    for name in ("row", "file", "label", "party", "cause", "contradicted", "has_beep", "known_s", "beep_error_s"):
        assert getattr(back, name) == getattr(one, name)
    assert math.isnan(back.greeting_end_error_s)
    assert dict(back.columns) == dict(one.columns)


def test_errors_are_kept_whole_up_to_a_bound_and_all_are_counted():
    tally = Tally.of(call(HUMAN, MACHINE, row=row) for row in range(ERRORS_MAX + 7))
    assert (len(tally.errors), tally.n_errors, tally.n_calls) == (ERRORS_MAX, ERRORS_MAX + 7, ERRORS_MAX + 7)


# -- parts


def set_of(n_calls, **columns):
    """So many people, one in ten called a machine but every second one of those with column ``bad``."""
    ones = []
    for number in range(n_calls):
        named = {name: of(number) for name, of in columns.items()}
        wrong = number % 10 == 0 or (named.get("line") == "bad" and number % 2 == 0)
        ones.append(call(HUMAN, MACHINE if wrong else HUMAN, row=number + 2, columns=named))
    return Tally.of(ones)


def test_a_part_that_differs_is_flagged_and_one_that_does_not_is_not():
    tally = set_of(400, line=lambda n: "bad" if n % 8 < 4 else "good", codec=lambda n: ("ulaw", "gsm")[n // 8 % 2])
    slices = slices_of(tally)
    bad, good = slices["line"]
    assert (bad.name, good.name, bad.n_calls) == ("bad", "good", 200)
    assert set(bad.differs) == set(good.differs) == {"right", "human_called_machine"}
    assert all(p < 1e-6 for p in bad.differs.values())
    assert all(not part.differs for part in slices["codec"])
    human = bad.shares["human_called_machine"]
    wrong = sum(n % 10 == 0 or n % 2 == 0 for n in range(400) if n % 8 < 4)
    assert (human.count, human.total) == (wrong, 200)
    assert bad.shares["machine_called_human"].total == 0


def test_one_of_many_parts_that_looks_bad_by_chance_is_not_flagged():
    """Of a hundred parts alike some have p < 0.05 by themselves; Holm's correction flags none of them."""
    rng = np.random.default_rng(3)
    parties = [MACHINE if wrong else HUMAN for wrong in rng.random(2000) < 0.2]
    columns = [
        {f"c{index}": "abcdefghij"[value] for index, value in enumerate(row)}
        for row in rng.integers(0, 10, (2000, 10))
    ]
    tally = Tally.of(call(HUMAN, party, columns=named) for party, named in zip(parties, columns, strict=True))
    parts = [part for parts in slices_of(tally).values() for part in parts]
    alone = [
        part_against_rest(part.shares["right"].count, part.n_calls, int(tally.right.sum()), 2000) for part in parts
    ]
    assert len(parts) == 100
    assert min(alone) < 0.05
    assert not any(part.differs for part in parts)


def test_numbers_are_taken_by_quarters_and_dates_by_month_when_they_are_many():
    tally = set_of(
        200,
        snr_db=lambda n: "" if n % 20 == 19 else f"{n % 40}.5",
        date=lambda n: f"2026-{n % 3 + 1:02d}-{n % 28 + 1:02d}T10:00",
        lines=lambda n: str(n % 4),
    )
    slices = slices_of(tally)
    assert [part.name for part in slices["snr_db"]] == [
        "0.5 to below 9.5",
        "9.5 to below 19.5",
        "19.5 to below 29.5",
        "29.5 to 38.5",
        "not stated",
    ]
    assert sum(part.n_calls for part in slices["snr_db"]) == 200
    assert [part.name for part in slices["date"]] == ["2026-01", "2026-02", "2026-03"]
    assert [part.name for part in slices["lines"]] == ["0", "1", "2", "3"]


def test_what_names_calls_or_is_always_the_same_makes_no_parts_and_rare_values_join():
    tally = set_of(
        VALUES_MAX + 60,
        caller=lambda n: f"x{n}",
        origin=lambda _: "recorded",
        carrier=lambda n: "rare" if n < CALLS_MIN - 1 else f"carrier {n % 30:02d}",
    )
    slices = slices_of(tally)
    assert set(slices) == {"carrier"}
    parts = slices["carrier"]
    assert len(parts) == PARTS_MAX + 1
    assert parts[-1].name == "all others (7)"
    assert sum(part.n_calls for part in parts) == VALUES_MAX + 60


# -- abandoned calls


def test_the_rules_count_live_answers_as_worked_out_by_hand():
    calls = [
        *[call(after_s=1.0)] * 90,
        *[call(after_s=2.0)] * 2,  # just in time
        *[call(after_s=2.1)] * 3,
        call(after_s=-0.5),
        call(after_s=NAN),
        *[call(HUMAN, MACHINE)] * 2,
        call(HUMAN, SILENCE),
        call(HUMAN, MACHINE, after_s=NAN),
        *[call(HUMAN, UNSURE)] * 4,
        *[call(MACHINE, HUMAN)] * 50,
    ]
    rules = compliance(Tally.of(calls))
    shares = (rules.false_positives, rules.unsure, rules.in_time, rules.late, rules.abandoned)
    counted = [(share.count, share.total) for share in shares]
    assert counted == [(4, 105), (4, 105), (93, 103), (3, 103), (6, 103)]
    assert rules.abandoned_at_most == pytest.approx(stats.beta.ppf(0.95, 7, 97))
    assert rules.false_positives_at_most == pytest.approx(stats.beta.ppf(0.95, 5, 101))


def test_a_set_without_people_has_no_rates_of_live_answers():
    rules = compliance(Tally.of([call(MACHINE, MACHINE)]))
    assert rules.abandoned.total == rules.false_positives.total == 0
    assert math.isnan(rules.abandoned_at_most)


# -- other systems


def test_verdicts_of_others_are_read_from_columns_of_the_manifest_in_their_own_names():
    tally = Tally.of(
        call(columns={"twilio_verdict": verdict, "twilio_known_s": known_s, "codec": "ulaw"})
        for verdict, known_s in (("human", "2.5"), ("machine_end_beep", "4"), ("", ""), ("unknown", ""))
    )
    (rival,) = rivals_of(tally)
    assert rival.name == "twilio"
    wanted = [HUMAN, MACHINE, None, UNSURE]
    assert [None if code == NOT_JUDGED else PARTIES[code] for code in rival.party] == wanted
    assert rival.known_s[:2].tolist() == [2.5, 4.0]
    assert np.isnan(rival.known_s[2:]).all()
    assert "twilio_verdict" not in slices_of(tally)


def test_an_unknown_verdict_names_its_column_and_what_it_is():
    tally = Tally.of([call(columns={"vendor_verdict": "person"})])
    with pytest.raises(ValueError, match="column vendor_verdict: verdict 'person' is no name of Twilio"):
        rivals_of(tally)


def test_a_table_of_verdicts_stands_beside_the_calls_that_it_names(tmp_path):
    path = tmp_path / "v.csv"
    path.write_text("file,AMDSTATUS,known_s\n2.wav,MACHINE,1.5\n9.wav,HUMAN,1\n")
    (rival,) = rivals_of(Tally.of(beside([call(row=2), call(row=3)], "their box", read_verdicts(path))))
    assert rival.name == "their box"
    assert [int(code) for code in rival.party] == [PARTIES.index(MACHINE), NOT_JUDGED]
