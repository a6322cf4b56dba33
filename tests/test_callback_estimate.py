"""Estimated waits: the law of the departures ahead, monotone where it should be, and never grown by time."""

import dataclasses
import json
import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmarks import waits, waits_page
from benchmarks.waitline import Centre, observe
from callback.departures import gamma_quantile, gamma_share, moments
from callback.estimate import CHANGED, NO_WAIT, EstimateError, Reason, Service, Wait, estimate_wait, tell
from callback.ordering import Contact, Kind, Place
from callback.pacing import LEAD_S, dials_allowed, is_due, lead_s

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
kinds = st.lists(st.booleans(), max_size=25)
services = st.builds(
    Service,
    agents=st.integers(1, 60),
    handling_s=st.floats(30, 900),
    patience_s=st.one_of(st.just(math.inf), st.floats(60, 1200)),
    reach=st.floats(0, 1),
)


def line(live):
    return [
        Contact(
            id=str(seq),
            place=Place(priority=0, enqueued_at=START, seq=seq),
            kind=Kind.LIVE if one else Kind.CALLBACK,
            ready=one,
        )
        for seq, one in enumerate(live)
    ]


def values(wait):
    return dataclasses.astuple(wait)


@given(st.floats(0.3, 5000), st.floats(0.001, 0.999))
def test_the_gamma_law_is_scipys(shape, share):
    exact = stats.gamma(shape)
    assert gamma_share(shape, exact.ppf(share)) == pytest.approx(share, rel=1e-7)
    assert gamma_quantile(share, 3 * shape, 9 * shape) == pytest.approx(3 * exact.ppf(share), rel=1e-7)


@given(st.integers(0, 80), st.integers(5, 100), st.floats(60, 600), st.floats(100, 1200))
def test_for_live_callers_it_is_the_sum_of_exponentials(n_ahead, agents, handling_s, patience_s):
    rates = agents / handling_s + np.arange(n_ahead + 1) / patience_s
    mean_s, variance_s2 = moments([None] * n_ahead, handling_s / agents, patience_s)
    # The closure is looser where few agents serve impatient callers: docs/waits.md.
    loose = handling_s / agents / patience_s
    assert mean_s == pytest.approx((1 / rates).sum(), rel=1e-6 + 0.02 * loose)
    assert math.sqrt(variance_s2) == pytest.approx(math.sqrt((1 / rates**2).sum()), rel=1e-6 + 0.3 * loose)


@pytest.mark.parametrize(("agents", "patience_s"), [(50, 300.0), (50, 120.0), (10, 120.0)])
@pytest.mark.parametrize("n_ahead", [0, 1, 5, 20, 60])
def test_its_percentiles_are_those_of_the_hypoexponential_law(agents, patience_s, n_ahead):
    # Exp(r), Exp(r + theta), ... up to k of them sum to -log(B) / theta, with B of the law Beta(r / theta, k).
    rate = agents / 240.0
    exact = [
        -patience_s * math.log(stats.beta(rate * patience_s, n_ahead + 1).ppf(1 - share))
        for share in (0.1, 0.5, 0.9)
    ]
    wait = estimate_wait(line([True] * n_ahead), Service(agents=agents, handling_s=240.0, patience_s=patience_s))
    assert [wait.p10_s, wait.p50_s, wait.p90_s] == pytest.approx(exact, rel=0.008)


@given(st.integers(0, 40), st.floats(0, 1))
def test_callbacks_do_not_hang_up_and_count_when_they_are_reached(n_ahead, reach):
    mean_s, variance_s2 = moments([reach] * n_ahead, 5.0, 60.0)
    assert mean_s == pytest.approx(5.0 * (1 + reach * n_ahead))
    assert variance_s2 == pytest.approx(25.0 * (1 + n_ahead * reach * (2 - reach)))


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=12), st.integers(5, 50), st.floats(120, 1200))
def test_for_any_order_of_callers_and_callbacks_the_mean_is_the_exact_one(stays, agents, patience_s):
    service_s = 240.0 / agents
    # phi(n): the expectation of exp(-n W / patience). Behind a live caller it is phi(n) - phi(n + 1) x, behind a
    # callback phi(n) (1 - stay x), with x the share by which one service shrinks it.
    shrink = [n / patience_s / (1 / service_s + n / patience_s) for n in range(len(stays) + 2)]
    phi = [1 - share for share in shrink]
    mean_s = service_s
    for stay in stays:
        mean_s += service_s * (phi[1] if stay is None else stay)
        if stay is None:
            phi = [value - after * share for value, after, share in zip(phi, phi[1:], shrink, strict=False)]
        else:
            phi = [value * (1 - stay * share) for value, share in zip(phi, shrink, strict=False)]
    found_s, _ = moments(stays, service_s, patience_s)
    assert found_s == pytest.approx(mean_s, rel=0.005)


@given(kinds, services, st.data())
def test_one_more_ahead_never_shortens_the_wait(live, service, data):
    place = data.draw(st.integers(0, len(live)))
    more = [*live[:place], data.draw(st.booleans()), *live[place:]]
    shorter, longer = (estimate_wait(line(one), service) for one in (live, more))
    # The closure's tenth percentile gives way by 4e-5 where one agent serves impatient callers.
    assert all(after >= before * (1 - 1e-3) for before, after in zip(values(shorter), values(longer), strict=True))
    assert longer.mean_s >= shorter.mean_s


@given(kinds, services)
def test_more_agents_and_shorter_calls_never_lengthen_it(live, service):
    wait = estimate_wait(line(live), service)
    quicker = estimate_wait(line(live), dataclasses.replace(service, handling_s=0.8 * service.handling_s))
    staffed = estimate_wait(line(live), dataclasses.replace(service, agents=service.agents + 1))
    assert quicker.mean_s < wait.mean_s
    assert staffed.mean_s < wait.mean_s
    assert wait.p10_s < wait.p50_s < wait.p90_s


@given(kinds, services)
def test_who_does_not_hang_up_makes_the_others_wait_longer(live, service):
    patient = dataclasses.replace(service, patience_s=math.inf, reach=1.0)
    assert estimate_wait(line(live), service).mean_s <= estimate_wait(line(live), patient).mean_s * (1 + 1e-9)


def test_a_free_agent_means_no_wait_for_the_first():
    service = Service(agents=5, handling_s=240.0, free_agents=2)
    assert estimate_wait(line([True]), service) == NO_WAIT
    assert estimate_wait(line([True, False]), service).mean_s == pytest.approx(48.0)


@given(kinds, services, st.lists(st.floats(0, 2000), max_size=6))
def test_callbacks_that_will_be_back_ahead_never_shorten_the_wait(live, service, back_s):
    wait = estimate_wait(line(live), service)
    longer = estimate_wait(line(live), service, back_s=back_s)
    assert longer.mean_s >= wait.mean_s
    if not back_s or min(back_s) >= 20 * wait.mean_s:
        assert longer == wait
    sooner = estimate_wait(line(live), service, back_s=[due_s / 2 for due_s in back_s])
    assert sooner.mean_s >= longer.mean_s


@given(st.floats(0, 60), st.floats(0, 1))
def test_a_deferred_callback_counts_when_the_wait_outlasts_it(due_s, reach):
    # W is exponential of mean 10 s: with the probability exp(-due_s / 10) it outlasts due_s, by 10 s on average.
    mean_s, variance_s2 = moments([], 10.0, math.inf, back_s=[due_s], reach=reach)
    in_time = math.exp(-due_s / 10)
    assert mean_s == pytest.approx(10 + 10 * reach * in_time, rel=1e-9)
    square_s2 = 200 + 20 * reach * in_time * (due_s + 10) + 200 * reach * in_time
    assert variance_s2 + mean_s**2 == pytest.approx(square_s2, rel=1e-9)


def test_a_callback_due_within_the_wait_counts_as_one_ahead():
    service = Service(agents=10, handling_s=200.0, reach=0.7)
    counted = estimate_wait(line([False] * 5), service, back_s=[0.0, 3000.0])
    assert counted.mean_s == pytest.approx(estimate_wait(line([False] * 6), service).mean_s)


def test_nothing_told_grows_because_a_deferred_callback_draws_near():
    service = Service(agents=10, handling_s=200.0)
    told = tell(None, line([True] * 5), service, back_s=[900.0])
    near = tell(told, line([True] * 5), service, back_s=[10.0])
    assert (near.wait, near.grown) == (told.wait, None)
    back = tell(near, line([False, *[True] * 5]), service)
    assert back.grown is Reason.MORE_AHEAD


@given(st.lists(st.tuples(kinds, services), min_size=2, max_size=8))
def test_what_is_told_grows_only_with_a_reason(states):
    told = None
    for live, service in states:
        before, told = told, tell(told, line(live), service)
        if before is None:
            continue
        grown = any(new > old for new, old in zip(values(told.wait), values(before.wait), strict=True))
        assert grown == (told.grown is not None)
        if told.grown is Reason.MORE_AHEAD:
            assert len(live) > before.n_ahead
        elif told.grown is Reason.FEWER_AGENTS:
            assert service.agents < before.agents
        elif told.grown is Reason.LONGER_CALLS:
            assert service.handling_s >= CHANGED * before.handling_s * (1 - 1e-12)


@given(kinds, services, st.lists(st.floats(0.9, 1.1), max_size=10))
def test_while_a_line_only_moves_up_nothing_told_ever_grows(live, service, drifts):
    told = tell(None, line(live), service)
    for drift in drifts:
        # Someone ahead may go; the mean of the calls wavers, as means that are measured do.
        live = live[1:] if drift < 0.95 else live
        later = tell(told, line(live), dataclasses.replace(service, handling_s=service.handling_s * drift))
        assert all(new <= old for new, old in zip(values(later.wait), values(told.wait), strict=True))
        assert later.grown is None
        told = later


@pytest.mark.parametrize(
    ("n_ahead", "fields", "reason"),
    [
        (6, {}, Reason.MORE_AHEAD),
        (5, {"agents": 9}, Reason.FEWER_AGENTS),
        (5, {"handling_s": 260.0}, Reason.LONGER_CALLS),
        (5, {"patience_s": math.inf}, None),
    ],
)
def test_what_is_told_grows_for_these_reasons_and_says_which(n_ahead, fields, reason):
    service = Service(agents=10, handling_s=200.0, patience_s=300.0)
    first = tell(None, line([True] * 5), service)
    later = tell(first, line([True] * n_ahead), dataclasses.replace(service, **fields))
    assert later.grown is reason
    assert (later.wait.mean_s > first.wait.mean_s) == (reason is not None)


def test_a_mean_that_wavers_does_not_ratchet_what_is_told_down():
    service = Service(agents=10, handling_s=200.0)
    told = tell(None, line([True] * 5), service)
    for handling_s in (190.0, 170.0, 210.0):
        later = tell(told, line([True] * 5), dataclasses.replace(service, handling_s=handling_s))
        assert later.wait == told.wait
    shorter = tell(told, line([True] * 5), dataclasses.replace(service, handling_s=150.0))
    assert shorter.wait.mean_s == pytest.approx(0.75 * told.wait.mean_s)


def test_calls_that_creep_longer_are_told_in_the_end():
    service = Service(agents=10, handling_s=200.0)
    told = tell(None, line([True] * 5), service)
    grown = []
    for _ in range(6):
        service = dataclasses.replace(service, handling_s=service.handling_s * 1.05)
        told = tell(told, line([True] * 5), service)
        grown.append(told.grown)
    assert grown == [None, None, None, None, Reason.LONGER_CALLS, None]


@pytest.mark.parametrize(
    ("fields", "slip"),
    [
        ({"agents": 0}, "closed"),
        ({"handling_s": 0.0}, "handling_s=0.0"),
        ({"handling_s": math.nan}, "handling_s=nan"),
        ({"patience_s": 0.0}, "math.inf"),
        ({"reach": 70}, "a percentage"),
        ({"free_agents": 11}, "agents=10"),
    ],
)
def test_a_staffing_that_cannot_be_is_refused(fields, slip):
    with pytest.raises(EstimateError, match=slip):
        Service(**{"agents": 10, "handling_s": 240.0, **fields})


@given(st.lists(st.floats(1, 60), min_size=1, max_size=30), st.floats(0.1, 10))
def test_the_lead_costs_least_among_all(dials_s, late_weight):
    def cost(lead):
        return sum(late_weight * max(0, dial - lead) + max(0, lead - dial) for dial in dials_s)

    chosen = cost(lead_s(dials_s, late_weight=late_weight))
    assert all(chosen <= cost(lead) * (1 + 1e-9) + 1e-9 for lead in [*dials_s, LEAD_S, 0.0])


def test_a_place_is_due_when_the_head_may_be_reached_within_the_lead():
    assert lead_s([]) == LEAD_S
    assert is_due(Wait(p10_s=1.0, p50_s=24.0, p90_s=60.0, mean_s=30.0), LEAD_S)
    assert not is_due(Wait(p10_s=1.0, p50_s=26.0, p90_s=60.0, mean_s=30.0), LEAD_S)


crews = st.fixed_dictionaries(
    {
        "free_agents": st.integers(0, 10),
        "busy_agents": st.integers(0, 40),
        "handling_s": st.floats(60, 600),
        "lead": st.floats(0, 60),
        "ready": st.integers(0, 10),
        "in_flight": st.integers(0, 10),
        "reach": st.floats(0.05, 1),
    }
)


@given(crews)
def test_more_agents_allow_no_fewer_dials_and_more_who_wait_no_more(crew):
    dials = dials_allowed(**crew)
    assert 0 <= dials <= crew["free_agents"] + crew["busy_agents"]
    assert dials_allowed(**{**crew, "free_agents": crew["free_agents"] + 1}) >= dials
    assert dials_allowed(**{**crew, "busy_agents": crew["busy_agents"] + 1}) >= dials
    assert dials_allowed(**{**crew, "ready": crew["ready"] + 1}) <= dials
    assert dials_allowed(**{**crew, "in_flight": crew["in_flight"] + 1}) == max(0, dials - 1)
    assert dials_allowed(**{**crew, "reach": min(1.0, 1.1 * crew["reach"])}) <= dials


@given(crews)
def test_the_dials_allowed_pile_up_no_more_often_than_said(crew):
    n = dials_allowed(**{**crew, "in_flight": 0})
    rng = np.random.default_rng(1)
    answered = rng.binomial(n, crew["reach"], 4000)
    comes_free = rng.binomial(crew["busy_agents"], 1 - math.exp(-crew["lead"] / crew["handling_s"]), 4000)
    short = (answered > 0) & (answered + crew["ready"] > crew["free_agents"] + comes_free)
    assert short.mean() <= 0.25 + 0.03


def test_idle_agents_are_dialled_for_one_each_or_more_where_few_answer():
    idle = {"busy_agents": 0, "handling_s": 240.0, "lead": 25.0, "ready": 0, "in_flight": 0}
    assert dials_allowed(free_agents=1, reach=1.0, **idle) == 1
    assert dials_allowed(free_agents=4, reach=1.0, **idle) == 4
    assert dials_allowed(free_agents=0, reach=1.0, **idle) == 0


@pytest.mark.parametrize(
    "centre",
    [Centre(load=0.97), Centre(load=1.2, patience_s=400.0, callbacks=0.3, reach=0.7)],
    ids=["nobody hangs up", "callbacks"],
)
def test_in_simulation_eight_of_ten_waits_are_within_the_range(centre):
    seen = observe(centre, np.random.default_rng(5), n_customers=60_000, every=40)
    service = Service(
        agents=centre.agents, handling_s=centre.handling_s, patience_s=centre.patience_s, reach=centre.reach
    )
    ranges = [estimate_wait(waits.contacts(one.live_ahead), service) for one in seen]
    inside = [wait.p10_s <= one.wait_s <= wait.p90_s for wait, one in zip(ranges, seen, strict=True)]
    assert len(inside) > 500
    assert np.mean(inside) == pytest.approx(0.8, abs=0.05)


def test_without_abandonment_the_simulated_wait_is_erlangs():
    centre = Centre(agents=10, load=0.8, handling_s=100.0)
    seen = observe(centre, np.random.default_rng(3), n_customers=100_000, every=1)
    # Of those who wait in an M/M/s line the mean wait is handling / (agents - offered load).
    assert np.mean([one.wait_s for one in seen]) == pytest.approx(100 / (10 - 8), rel=0.05)
    assert all(one.served for one in seen)


def test_the_benchmark_writes_the_same_figures_twice(tmp_path, capsys):
    files = [tmp_path / name for name in ("one.json", "two.json")]
    for file in files:
        waits.run(out=file, n_customers=400)
    assert files[0].read_bytes() == files[1].read_bytes()
    data = json.loads(files[0].read_text(encoding="utf-8"))
    assert set(data["cases"]) == {case.name for case in waits.CASES}
    for case in data["cases"].values():
        assert case["in_range"]["low"] <= case["in_range"]["value"] <= case["in_range"]["high"]
        assert sum(case[key]["value"] for key in ("in_range", "below", "above")) == pytest.approx(1, abs=2e-4)
    assert "range p10-p90" in capsys.readouterr().out


def test_the_page_shows_the_figures_of_the_last_run():
    text = waits_page.PAGE.read_text(encoding="utf-8")
    assert waits_page.page(text) == text, "run: python -m benchmarks readme"
