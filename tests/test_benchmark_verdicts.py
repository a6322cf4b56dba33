"""The verdict benchmarks: peers by their rules, costs by hand, tables and JSON of a set that is judged twice."""

import json
import pickle
import shutil

import numpy as np
import pytest
from generated import SAMPLES, float32, placed, voice, words

from amd import Party
from amd.errors import ModelError
from amd.evaluation.manifest import Call, read_manifest
from amd.evaluation.scores import wilson
from amd.models import checksum, content_of
from amd.policy import PRESETS, Policy
from amd.training.replay import PARTIES, Decided, Stack, of_probabilities, record
from amd.trees import Trees
from benchmarks import accuracy, cost, curve, rings, scoring, search, systems
from benchmarks.peers import cadence, timing
from benchmarks.peers.cadence import Rule, runs_of

FRAME_S = 0.016
RULE = Rule(gap_s=0.8, longest_s=2.0)


def mask(*seconds):
    """Silence and speech by turns; it begins with silence."""
    turns = [np.full(round(s / FRAME_S), bool(turn % 2)) for turn, s in enumerate(seconds)]
    return np.concatenate([np.zeros(0, dtype=bool), *turns])


def judged(judged_mask, rule=RULE, ticks=(1, 0)):
    return cadence.decide(runs_of(judged_mask, ticks), rule, duration_s=judged_mask.size * FRAME_S + 0.016)


def call(label, **times_s):
    return Call(
        row=2, file="a.wav", label=Party(label), times_s=times_s, columns={"file": "a.wav", "label": label}
    )


def decided(*said):
    return Decided(
        party=np.array([PARTIES.index(Party(party)) for party, _ in said], dtype=np.int8),
        known_s=np.array([known_s for _, known_s in said]),
        cause=np.zeros(len(said), dtype=np.int8),
        probability=np.full(len(said), np.nan),
    )


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """Every fourth sample, as a set of its own."""
    folder = tmp_path_factory.mktemp("sets") / "few"
    folder.mkdir()
    lines = (SAMPLES / "manifest.csv").read_text(encoding="utf-8").splitlines()
    kept = [lines[0], *lines[1::4]]
    (folder / "manifest.csv").write_text("\n".join(kept) + "\n", encoding="utf-8")
    for line in kept[1:]:
        shutil.copy(SAMPLES / line.split(",")[0], folder)
    return folder


def test_a_short_greeting_and_silence_are_a_human():
    found = judged(mask(0.48, 0.96, 2.0))
    assert found.party is Party.HUMAN
    assert found.known_s == pytest.approx(0.48 + 0.96 + 0.8 + 0.016, abs=0.02)


def test_long_speech_is_a_machine_as_soon_as_it_is_long():
    found = judged(mask(0.48, 4.0, 2.0))
    assert found.party is Party.MACHINE
    assert found.known_s == pytest.approx(0.48 + 2.0 + 0.016, abs=0.02)


def test_speech_of_a_machine_adds_up_over_pauses_that_are_too_short_for_a_human():
    assert judged(mask(0.48, 1.2, 0.6, 1.2, 0.6)).party is Party.MACHINE
    assert judged(mask(0.48, 1.2, 0.9, 1.2, 0.6)).party is Party.HUMAN


def test_nobody_by_ten_seconds_is_silence_and_so_is_the_end_of_a_silent_call():
    found = judged(mask(12.0))
    assert (found.party, found.known_s) == (Party.SILENCE, pytest.approx(10.0, abs=0.02))
    assert judged(mask(3.0)).party is Party.SILENCE
    assert judged(mask()).party is Party.SILENCE


def test_a_click_is_no_speech_to_the_rule_and_a_word_at_the_end_is_a_human():
    assert judged(mask(1.0, 0.048, 4.0)).party is Party.SILENCE
    assert judged(mask(1.0, 0.48)).party is Party.HUMAN


def test_a_mask_that_is_known_later_decides_later():
    at_once, at_ticks = judged(mask(0.48, 0.96, 2.0)), judged(mask(0.48, 0.96, 2.0), ticks=(6, 0))
    assert at_once.party is at_ticks.party
    assert 0 <= at_ticks.known_s - at_once.known_s <= 5 * FRAME_S + 1e-9


def test_times_known_never_run_ahead_of_the_frame_nor_beyond_the_audio():
    for ticks in ((1, 0), (2, 1), (6, 0)):
        known_s = cadence.known_times_s(20, *ticks)
        assert np.all(known_s >= 0.032 + FRAME_S * np.arange(20) - 1e-9)
        assert known_s.max() <= 0.032 + 19 * FRAME_S + 1e-9


def test_many_calls_at_once_get_the_verdicts_of_the_rule():
    rng = np.random.default_rng(3)
    masks = [mask(), mask(12.0), *(mask(*rng.uniform(0.05, 2.5, 9)) for _ in range(60))]
    runs = [runs_of(one, (1, 0)) for one in masks]
    durations_s = [one.size * FRAME_S + 0.016 for one in masks]
    stack = search.RuleStack(runs, durations_s)
    for rule in (RULE, Rule(gap_s=0.3, longest_s=1.0), Rule(gap_s=2.0, longest_s=5.0)):
        together = stack.decide(rule)
        for index, (one, duration_s) in enumerate(zip(runs, durations_s, strict=True)):
            alone = cadence.decide(one, rule, duration_s=duration_s)
            assert together.said(index)[:2] == (alone.party, alone.known_s)


def test_the_fifteen_times_of_two_runs():
    rows = timing.measures(mask(0.48, 0.96, 0.64, 0.32, 0.80))
    assert rows.shape[1] == len(timing.MEASURES) == 15
    last = dict(zip(timing.MEASURES, rows[-1], strict=True))
    assert last["first_speech_s"] == pytest.approx(0.48, abs=0.02)
    assert last["n_runs"] == 2
    assert last["first_run_s"] == pytest.approx(0.96, abs=0.02)
    assert last["last_run_s"] == pytest.approx(0.32, abs=0.02)
    assert last["speech_s"] == pytest.approx(1.28, abs=0.02)
    assert last["first_pause_s"] == last["longest_pause_s"] == pytest.approx(0.64, abs=0.02)
    assert last["n_long_pauses"] == 1
    assert last["gap_s"] == pytest.approx(rows.shape[0] * 0.096 - 2.40, abs=0.03)
    assert np.isnan(rows[3]).all()


def test_times_of_a_tick_rest_on_nothing_after_it():
    whole = mask(0.3, 0.7, 0.5, 0.4, 0.9, 1.1)
    rows = timing.measures(whole)
    for n_ticks in range(1, rows.shape[0]):
        assert np.array_equal(timing.measures(whole[: n_ticks * 6]), rows[:n_ticks], equal_nan=True)


def tree_text(**changed):
    """One tree: more than 2 s of speech speaks for a machine."""
    speech = timing.MEASURES.index("speech_s")
    content = {
        "format": timing.FORMAT,
        "version": "test-1",
        "measures": list(timing.MEASURES),
        "depth": 1,
        "base": 0.5,
        "trees": [[[speech, 2.0, 1, 2, 0.0], [0, 0.0, 1, 1, -3.0], [0, 0.0, 2, 2, 3.0]]],
        **changed,
    }
    return json.dumps(content | {"sha256": checksum(content)})


def read(text):
    return Trees.of(content_of(text, timing.FORMAT), timing.MEASURES)


def test_trees_answer_as_their_table_says():
    parsed = read(tree_text())
    rows = np.zeros((3, 15))
    rows[:, timing.MEASURES.index("speech_s")] = (1.0, 2.0, 2.1)
    assert parsed.log_odds(rows).tolist() == [-2.5, -2.5, 3.5]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (tree_text(measures=["other"]), "fit them again"),
        (tree_text(trees=[[[99, 2.0, 0, 0, 0.0]]]), "outside their tables"),
        (tree_text(trees=[[[0, 2.0, 7, 0, 0.0]]]), "outside their tables"),
        (tree_text().replace("0.5", "0.6"), "checksum"),
    ],
)
def test_trees_that_cannot_be_used_are_refused(text, said):
    with pytest.raises(ModelError, match=said):
        read(text)


def test_trees_and_their_stopping_rule_decide_a_call():
    parsed = read(tree_text())
    policy = Policy(human_probability_min=0.9, machine_probability_min=0.95, human_gap_min_s=0.5)
    for seconds, party in (
        ((0.5, 0.9, 2.0), Party.HUMAN),
        ((0.5, 3.0, 2.0), Party.MACHINE),
        ((4.0,), Party.SILENCE),
    ):
        rows = timing.measures(mask(*seconds))
        heard = timing.recorded(rows, timing.probabilities(parsed, rows), duration_s=sum(seconds))
        assert Stack([heard]).decide(policy).said(0).party is party


def test_the_shipped_trees_and_their_stopping_rule_can_be_read():
    parsed, policy = timing.shipped()
    assert len(json.loads(timing.SHIPPED.read_text())["trees"]) == parsed.nodes.shape[0]
    assert isinstance(policy, Policy)
    assert timing.SHIPPED.stat().st_size < 300_000


def test_the_cost_of_each_mistake():
    calls = [call("human", greeting_end_s=1.0), call("machine", speech_start_s=1.0), call("silence")]
    truths = cost.truths_of(calls)

    def both(human, machine, silence="silence"):
        return cost.mean_cost(truths, decided(human, machine, (silence, 5.0)))

    right = both(("human", 1.0), ("machine", 1.0))
    assert right == 0.0
    assert both(("machine", 1.0), ("machine", 1.0)) == cost.HUMAN_CALLED_MACHINE / 2
    assert both(("human", 1.0), ("human", 1.0)) == cost.MACHINE_CALLED_HUMAN / 2
    assert both(("unsure", 1.0), ("machine", 1.0)) == cost.UNSURE / 2
    assert both(("silence", 1.0), ("machine", 1.0)) == cost.OTHER / 2
    assert both(("human", 2.0), ("machine", 3.0)) == pytest.approx(cost.DELAY_PER_S * (1.0 + 2.0) / 2)
    assert both(("human", 0.2), ("machine", 1.0)) == 0.0
    assert both(("human", 1.0), ("machine", 1.0), silence="machine") == 0.0


def test_the_cheapest_rule_and_the_cheapest_stopping_rule_are_found():
    short, long = mask(0.48, 0.96, 3.0), mask(0.48, 4.0, 1.0)
    calls = [call("human", greeting_end_s=1.44), call("machine", speech_start_s=0.48)]
    runs = [runs_of(one, (1, 0)) for one in (short, long)]
    found, rule = search.best_rule(search.RuleStack(runs, [4.5, 5.5]), cost.truths_of(calls), mode=2)
    assert (rule.gap_s, rule.longest_s, rule.mode) == (search.GAPS_S[0], 1.0, 2)
    assert found == pytest.approx(cost.DELAY_PER_S * (0.2 + 1.0) / 2, abs=0.02)
    sure = [
        of_probabilities([0.1] * 20, gaps_s=np.arange(20) * 0.1, call=calls[0]),
        of_probabilities([0.1, 0.1, 0.75, *[0.96] * 17], gaps_s=[0.0, 0.5, *[0.0] * 18], call=calls[1]),
    ]
    _, policy = search.best_policy(Stack(sure), cost.truths_of(calls))
    assert policy.human_gap_min_s > 0.5  # at 0.5 the machine would be called human
    assert policy.machine_probability_min <= 0.95


def test_every_peer_that_can_run_here_judges_a_call():
    rng = np.random.default_rng(2)
    hello = float32(placed(6.0, [(0.5, voice(rng, 0.5, -20.0))]))
    greeting = float32(placed(8.0, [(0.4, words(rng, 6.0, -20.0))]))
    for name, peer in systems.chosen("all").items():
        for samples in (hello, greeting, np.zeros(8000, dtype=np.float32)):
            found = peer.judge(samples)
            assert isinstance(found.party, Party), name
            assert 0 <= found.known_s <= samples.size / 8000 + 1e-9, name


@pytest.mark.parametrize("name", cadence.RULES)
def test_each_mask_has_its_own_rule(name, monkeypatch):
    rule = cadence.RULES[name]
    asked = []
    for said_s, party in ((rule.longest_s - 0.2, Party.HUMAN), (rule.longest_s + 0.2, Party.MACHINE)):
        made = mask(0.48, said_s, rule.gap_s + 0.5)
        monkeypatch.setattr(cadence, "mask_of", lambda *of, made=made: asked.append(of) or (lambda _: made))
        assert cadence.judge(name, np.zeros(round(made.size * FRAME_S * 8000) + 128)).party is party
    assert asked == [(name, rule.mode)] * 2


def test_peers_are_chosen_by_name():
    assert systems.chosen("none") == {}
    assert list(systems.chosen("asterisk,amd-speech")) == ["asterisk", "amd-speech"]
    with pytest.raises(SystemExit, match="unknown"):
        systems.chosen("asterisk,acme")


def test_figures_of_calls_whose_scores_are_known():
    people = [call("human", greeting_end_s=1.0)] * 3
    scored = [
        scoring.Scored(call=people[0], party=Party.HUMAN, known_s=1.5),
        scoring.Scored(call=people[1], party=Party.HUMAN, known_s=2.5),
        scoring.Scored(call=people[2], party=Party.MACHINE, known_s=9.0),
        scoring.Scored(call=call("machine", speech_start_s=1.0), party=Party.UNSURE, known_s=7.0),
    ]
    found = scoring.figures(scored)
    assert (found.right.count, found.right.total) == (2, 4)
    assert found.human_called_machine == wilson(1, 3)
    assert found.machine_called_human == wilson(0, 1)
    assert found.unsure.count == 1
    assert (found.human_s.n, found.human_s.p50) == (2, pytest.approx(1.0))
    assert found.machine_s.n == 0
    assert scoring.as_data(found)["machine_after_first_speech_s"] == {"n": 0, "p50": None, "p90": None}
    assert found.counts["human>machine"] == 1


def test_slices_hold_every_call_once():
    calls = read_manifest(SAMPLES)
    scored = [scoring.Scored(call=one, party=one.label, known_s=1.0) for one in calls]
    for kind, parts in scoring.slices(scored).items():
        assert sum(one.right.total for one in parts.values()) == len(calls), kind
    assert set(scoring.slices(scored)["snr"]) <= {*scoring.SNR_DB, scoring.NO_CELL}


def test_accuracy_writes_the_same_json_twice_and_nothing_of_this_machine(few, tmp_path, capsys):
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    for out in (first, second):
        accuracy.run([few], peers="asterisk,amd-speech", out=out, sliced=True, jobs=1)
    assert first.read_bytes() == second.read_bytes()
    assert str(few.parent) not in first.read_text()
    data = json.loads(first.read_text())
    assert data["sets"][0]["calls"] == 7
    assert set(data["systems"]) == {
        *(f"amd, {name}" for name in PRESETS),
        "Asterisk's rules",
        "amd's speech activity + cadence rule",
    }
    assert data["systems"]["amd, balanced"]["right"]["of"] == 7
    printed = capsys.readouterr().out
    assert "amd, balanced, by scenario" in printed
    assert "amd, balanced, by codec" in printed


def test_a_set_named_twice_is_refused():
    with pytest.raises(SystemExit, match="named twice"):
        accuracy.read_sets([SAMPLES, SAMPLES])


def test_points_that_others_beat_are_not_optimal():
    def at(human, machine, human_s, name=""):
        counts = {"human_called_machine": (human, 9), "machine_called_human": (machine, 9), "unsure": (0, 9)}
        return curve.Point(name=name, policy={}, counts=counts, human_s=(human_s, 1.0), machine_s=1.0, cost=0.0)

    points = [at(1, 5, 1.0), at(1, 5, 1.0), at(2, 5, 1.0), at(2, 4, 1.0), at(9, 9, 0.1), at(1, 5, float("nan"))]
    assert curve.pareto(points) == [True, False, False, True, True, False]


def test_the_curve_has_the_presets_with_the_scores_of_the_detector(few, tmp_path):
    curve.run([few], peers="asterisk", out=tmp_path / "curve.json", jobs=1, n_checked=3)
    data = json.loads((tmp_path / "curve.json").read_text())
    points = data["points"]
    assert [peer["name"] for peer in data["peers"]] == ["Asterisk's rules"]
    found = {point["name"]: point for point in points if point["name"]}
    judged_set = accuracy.score(accuracy.read_sets([few]), {}, jobs=1)
    for name in PRESETS:
        figures = scoring.figures(judged_set[f"amd, {name}"])
        assert found[name]["right"]["count"] == figures.right.count
        assert found[name]["human_p50_s"] == pytest.approx(figures.human_s.p50, abs=1e-4)
    assert any(point["pareto"] for point in points)


def test_the_curve_notices_a_replay_that_is_not_the_detector(capsys):
    sets = accuracy.read_sets([SAMPLES], 2)
    heard = record(SAMPLES, 1, n_calls=2)
    assert curve.check(sets, heard, 2) == 0
    assert curve.check(sets, [heard[0], heard[0]], 2) > 0
    assert "replayed" in capsys.readouterr().out


def test_peers_can_be_sent_to_other_processes():
    for name, peer in pickle.loads(pickle.dumps(systems.PEERS)).items():  # noqa: S301 - our own, from above
        assert peer.title == systems.PEERS[name].title


def test_two_processes_say_what_one_says(few):
    sets, peers = accuracy.read_sets([few], 3), systems.chosen("asterisk")
    assert accuracy.score(sets, peers, jobs=2) == accuracy.score(sets, peers, jobs=1)


def test_rings_end_with_the_answer_and_are_as_loud_as_asked():
    lead = rings.ringing("US", 0.1, np.random.default_rng(3))
    sounding = lead[-1600:]
    assert np.sqrt(np.mean(sounding**2)) == pytest.approx(0.1, rel=0.02)
    power = np.abs(np.fft.rfft(sounding)) ** 2
    assert set(np.flatnonzero(power > power.max() / 4) * 5) == {440, 480}


def test_each_call_is_judged_as_it_is_and_after_the_rings_of_each_country(few, tmp_path, capsys):
    rings.run([few], n_calls=4, jobs=1, out=tmp_path / "rings.json")
    told = json.loads((tmp_path / "rings.json").read_text())["systems"]
    calls = [one for one in read_manifest(few)[:4] if one.label in (Party.HUMAN, Party.MACHINE)]
    assert list(told) == [rings.PLAIN, "US", "UK", "DE", *rings.CONTROLS]
    assert told[rings.PLAIN]["same"]["count"] == len(calls)
    assert all(one["same"]["of"] == len(calls) == one["right"]["of"] for one in told.values())
    assert all(sum(part["of"] for part in one["parts"]["noise"].values()) == len(calls) for one in told.values())
    assert f"{len(calls)} composed calls of few" in capsys.readouterr().out


def test_noise_like_a_calls_own_has_its_level_and_spectrum():
    rng = np.random.default_rng(5)
    hum = 0.01 * np.sin(2 * np.pi * 1000 * np.arange(16_000) / 8000) + 1e-4 * rng.standard_normal(16_000)
    spoken = np.concatenate([hum, 0.3 * rng.standard_normal(8000)]).astype(np.float32)
    made = rings.noise_like(spoken, 24_000, rng)
    assert np.sqrt(np.mean(made**2)) == pytest.approx(np.sqrt(np.mean(hum**2)), rel=0.1)
    assert np.argmax(np.abs(np.fft.rfft(made))) / 3 == pytest.approx(1000, abs=40)
    assert not rings.noise_like(np.zeros(8000, np.float32), 800, rng).any()


def test_controls_are_as_long_as_rings_or_leave_the_clock_alone():
    rng = np.random.default_rng(5)
    call = rng.standard_normal(8000).astype(np.float32)
    made = [changed(call, 4000, rng) for changed in rings.CONTROLS.values()]
    assert [lead.size for lead, _ in made] == [4000, 4000, 0, 0]
    assert [changed.size for _, changed in made] == [8000, 8000, 8056, 8000]
    assert 10 * np.log10(np.var(made[3][1] - call) / np.var(call)) == pytest.approx(-15, abs=2)


def test_verdicts_are_the_same_where_the_party_is():
    one, other = (
        scoring.Scored(call=call("human"), party=party, known_s=1.0) for party in (Party.HUMAN, Party.UNSURE)
    )
    assert rings.same_verdict([one, one], [one, other]).value == 0.5
