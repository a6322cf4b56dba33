"""Trees that tell a generated tone from a held vowel: checked when read, and walked as their file says."""

import dataclasses
import json
import math
import subprocess
import sys
from importlib import resources

import generated as gen
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amd import beeps
from amd.beeps import FORMAT, MEASURES, SHIPPED, STANDS_OUT_MAX_DB, parse, shipped
from amd.errors import ModelError
from amd.models import checksum

SPREAD, CLARITY = list(MEASURES).index("spread_db"), list(MEASURES).index("clarity")
STUMP = [[SPREAD, 1.0, 1, 2, 0.0], [0, 0.0, 1, 1, 2.0], [0, 0.0, 2, 2, -3.0]]
DEEP = [
    [SPREAD, 1.0, 1, 2, 0.0],
    [CLARITY, 0.8, 3, 4, 0.0],
    [0, 0.0, 2, 2, -1.0],
    [0, 0.0, 3, 3, -0.5],
    [0, 0.0, 4, 4, 1.5],
]


def content(**changes):
    made = {"format": FORMAT, "version": "test-1", "measures": list(MEASURES), "depth": 2, "base": 0.5}
    made = {**made, "trees": [STUMP, DEEP], **changes}
    return {name: value for name, value in made.items() if value is not None}


def text_of(made):
    return json.dumps({**made, "sha256": checksum(made)})


def shipped_text():
    return resources.files("amd.models").joinpath(SHIPPED).read_text(encoding="utf-8")


def logistic(log_odds):
    return 1 / (1 + math.exp(-log_odds))


@pytest.mark.parametrize(
    ("changes", "log_odds"),
    [
        ({"spread_db": 0.5, "clarity": 0.9}, 0.5 + 2.0 + 1.5),
        ({"spread_db": 0.5, "clarity": 0.7}, 0.5 + 2.0 - 0.5),
        ({"spread_db": 1.0, "clarity": 0.8}, 0.5 + 2.0 - 0.5),  # at most: the limit itself is low
        ({"spread_db": 1.1, "clarity": 0.9}, 0.5 - 3.0 - 1.0),
    ],
)
def test_the_log_odds_are_the_base_and_one_answer_of_each_tree(changes, log_odds):
    trees = parse(text_of(content()))
    assert trees.version == "test-1"
    assert trees.probability(gen.steady_tone(**changes)) == pytest.approx(logistic(log_odds))


def test_trees_with_few_nodes_stand_beside_trees_with_many():
    alone = parse(text_of(content(trees=[DEEP], base=0.0)))
    beside = parse(text_of(content(trees=[DEEP, [[0, 0.0, 0, 0, 0.25]]], base=-0.25)))
    for clarity in (0.5, 0.79, 0.81, 1.0):
        tone = gen.steady_tone(clarity=clarity)
        assert alone.probability(tone) == pytest.approx(beside.probability(tone))


def test_any_log_odds_give_a_probability():
    for base in (-1e9, -800.0, 800.0, 1e9):
        probability = parse(text_of(content(base=base))).probability(gen.steady_tone())
        assert 0 <= probability <= 1
        assert (probability > 0.5) == (base > 0)


@pytest.mark.parametrize("text", ["", "not json", "{", "\x80\x03pickle", text_of(content())[:-40]])
def test_what_is_not_json_is_a_model_error(text):
    with pytest.raises(ModelError, match="not JSON"):
        parse(text)


@pytest.mark.parametrize("text", ["[]", "null", "3", "{}", text_of(content(format="amd additive model 1"))])
def test_another_format_is_a_model_error_that_names_what_is_needed(text):
    with pytest.raises(ModelError, match=rf"format is .*need '{FORMAT}': another version's file\?"):
        parse(text)


def test_a_file_that_was_edited_or_has_no_checksum_is_a_model_error():
    edited = text_of(content()).replace("1.5", "9.5")
    for text in (edited, json.dumps(content())):
        with pytest.raises(ModelError, match=r"checksum does not fit its content: edited by hand, or cut short\?"):
            parse(text)


@pytest.mark.parametrize(
    "measures", [None, [], [*MEASURES, "shape"], list(MEASURES)[:-1], [*list(MEASURES)[1:], "length_s"]]
)
def test_measurements_that_this_version_does_not_take_are_a_model_error_that_names_them(measures):
    with pytest.raises(ModelError, match=r"asks about .*, this version measures \['length_s', "):
        parse(text_of(content(measures=measures)))


@pytest.mark.parametrize(
    "node",
    [
        [len(MEASURES), 0.0, 1, 2, 0.0],
        [-1, 0.0, 1, 2, 0.0],
        [0, 0.0, 3, 2, 0.0],
        [0, 0.0, 1, 3, 0.0],
        [0, 0.0, -1, 2, 0.0],
        [0, 0.0, 1, -2, 0.0],
    ],
    ids=str,
)
def test_trees_that_point_outside_their_tables_are_a_model_error(node):
    with pytest.raises(ModelError, match="point outside their tables"):
        parse(text_of(content(trees=[[node, *STUMP[1:]]])))


@pytest.mark.parametrize("name", ["version", "depth", "base", "trees"])
def test_a_file_that_lacks_something_is_a_model_error_that_names_it(name):
    with pytest.raises(ModelError, match=f"lacks '{name}'"):
        parse(text_of(content(**{name: None})))


@pytest.mark.parametrize(
    "changes",
    [
        {"depth": "deep"},
        {"base": [1]},
        {"trees": []},
        {"trees": 3},
        {"trees": [3]},
        {"trees": [[[0, 0.0, 0, 0]]]},
        {"trees": [[[0, "low", 0, 0, 1.0]]]},
    ],
    ids=str,
)
def test_numbers_that_cannot_be_used_are_a_model_error(changes):
    with pytest.raises(ModelError, match="numbers cannot be used"):
        parse(text_of(content(**changes)))


def test_many_tones_at_once_have_the_log_odds_that_each_has_alone():
    rows = np.array([beeps.measures(some_tone(np.random.default_rng(seed))) for seed in range(50)])
    found = shipped().log_odds(rows)
    assert found.tolist() == [float(shipped().log_odds(row[None])[0]) for row in rows]
    assert len(set(found.tolist())) > 40


def test_a_probability_is_worked_out_once():
    tone = gen.steady_tone(level_db=-20.25)
    beeps.probability.cache_clear()
    assert beeps.probability(tone) == beeps.probability(dataclasses.replace(tone)) == shipped().probability(tone)
    assert beeps.probability.cache_info()[:2] == (1, 1)  # hits, misses


def test_the_shipped_trees_are_read_once_and_are_what_their_file_says():
    trees = shipped()
    assert trees is shipped()
    assert f"{trees.version}.json" == SHIPPED
    assert len(json.loads(shipped_text())["trees"]) == trees.nodes.shape[0]


def test_every_path_of_the_shipped_trees_ends_in_a_leaf_of_its_file():
    trees, tables = shipped(), json.loads(shipped_text())["trees"]
    for nodes, answers, table in zip(trees.nodes.tolist(), trees.answers.tolist(), tables, strict=True):
        reached = {0}
        for _ in range(trees.depth):
            leaves = {at for at in reached if nodes[at] & 1023 == at}
            reached = leaves | {
                way for at in reached - leaves for way in (nodes[at] & 1023, (nodes[at] & 1023) + 1)
            }
        assert all(nodes[at] & 1023 == at for at in reached)
        assert sorted(answers[at] for at in reached) == sorted(row[4] for row in table if row[2] == row[3])


def test_the_shipped_trees_are_walked_as_their_file_says():
    content_, rng = json.loads(shipped_text()), np.random.default_rng(5)
    rows = np.array([beeps.measures(some_tone(rng)) for _ in range(20)])
    limits = np.array([node[:2] for tree in content_["trees"] for node in tree if node[2] != node[3]])
    for row in rows[:10]:  # upon limits, too
        for measure, limit in rng.choice(limits, 40):
            row[int(measure)] = limit
    for row, log_odds in zip(rows, shipped().log_odds(rows), strict=True):
        answers = []
        for tree in content_["trees"]:
            at = 0
            while tree[at][2] != at:
                measure, limit, yes, no, _ = tree[at]
                at = yes if row[measure] <= limit else no
            answers.append(tree[at][4])
        assert log_odds == pytest.approx(content_["base"] + sum(answers), abs=1e-9)


def test_every_measurement_is_taken_of_the_tone_and_is_a_number():
    tone = gen.steady_tone(freqs_hz=(620.0, 1100.0), rise_db=100.0, sweep_hz_s=-62.0)
    values = dict(zip(MEASURES, beeps.measures(tone).tolist(), strict=True))
    assert np.isfinite(list(values.values())).all()
    assert (values["length_s"], values["freq_hz"], values["is_pair"]) == (pytest.approx(0.3), 620.0, 1.0)
    assert values["rise_db"] == STANDS_OUT_MAX_DB
    assert values["sweep_share_s"] == pytest.approx(0.1)  # up or down is the same
    for name in set(values) & {field.name for field in dataclasses.fields(tone)} - {"rise_db"}:
        assert values[name] == getattr(tone, name), name


def some_tone(rng):
    """Any tone as long and high as beeps are: from a clean one in silence to a vowel within a word."""
    on, length = 8000, int(np.exp(rng.uniform(np.log(560), np.log(12000))))
    hz = float(np.exp(rng.uniform(np.log(350), np.log(3400))))
    clarity = rng.uniform(0.5, 1)
    rise_db, fall_db = rng.uniform(-5, 40, 2)
    wander_hz = np.exp(rng.uniform(np.log(0.1), np.log(60)))
    return gen.steady_tone(
        on=on,
        off=on + length,
        known=on + length + 500,
        freqs_hz=(hz,) if hz > 2200 or rng.random() < 0.7 else (hz, 1.5 * hz),
        n_frames=min(64, max(3, length // 128)),
        clarity=clarity,
        clarity_min=rng.uniform(0.45, clarity),
        spread_db=rng.exponential(1.0),
        sweep_hz_s=rng.normal(0, 200),
        wander_hz=wander_hz,
        wander_max_hz=wander_hz * rng.uniform(0.5, 4),
        second_db=rng.uniform(-35, 0),
        gaps=rng.uniform(0, 0.3),
        attack_frames=int(rng.integers(0, 5)),
        release_frames=int(rng.integers(0, 5)),
        rise_db=rise_db,
        fall_db=fall_db,
        rise_near_db=rise_db + rng.uniform(0, 10),
        fall_near_db=fall_db + rng.uniform(0, 10),
    )


PURE = {"clarity": 0.99, "clarity_min": 0.98, "spread_db": 0.1, "wander_hz": 0.3, "wander_max_hz": 0.5}
ROUGH = {"clarity": 0.6, "clarity_min": 0.47, "spread_db": 2.5, "wander_hz": 12.0, "wander_max_hz": 20.0}
OUTSIDE = dict.fromkeys(("rise_db", "fall_db", "rise_near_db", "fall_near_db"), 40.0)
WITHIN = {"rise_db": 0.0, "fall_db": 1.0, "rise_near_db": 0.0, "fall_near_db": 3.0}
SWITCHED, SWOLLEN = {"attack_frames": 1, "release_frames": 1}, {"attack_frames": 3, "release_frames": 4}


@given(seed=st.integers(0, 10_000))
def test_a_tone_that_is_pure_and_stands_out_is_never_less_likely_than_a_rough_one_within_a_word(seed):
    tone = dataclasses.replace(some_tone(np.random.default_rng(seed)), sweep_hz_s=0.0)
    clean = dataclasses.replace(tone, **PURE, **OUTSIDE, **SWITCHED)
    rough = dataclasses.replace(tone, **ROUGH, **WITHIN, **SWOLLEN)
    assert shipped().probability(clean) > shipped().probability(rough)


@given(seed=st.integers(0, 10_000))
def test_a_sweep_is_as_likely_up_as_down(seed):
    tone = some_tone(np.random.default_rng(seed))
    other_way = dataclasses.replace(tone, sweep_hz_s=-tone.sweep_hz_s)
    assert shipped().probability(other_way) == shipped().probability(tone)


@given(seed=st.integers(0, 10_000), by_db=st.floats(0.0, 60.0))
def test_silence_around_a_tone_is_no_reason_however_deep(seed, by_db):
    tone = dataclasses.replace(some_tone(np.random.default_rng(seed)), **OUTSIDE)
    deeper = dataclasses.replace(tone, **dict.fromkeys(OUTSIDE, STANDS_OUT_MAX_DB + by_db))
    assert shipped().probability(deeper) == shipped().probability(tone)


@pytest.mark.parametrize("freqs_hz", [(440.0,), (850.0,), (1000.0,), (1400.0,), (2600.0,), (620.0, 1100.0)])
def test_a_clean_tone_in_silence_was_generated(freqs_hz):
    second_db = -30.0 if len(freqs_hz) == 1 else 0.0
    assert shipped().probability(gen.steady_tone(freqs_hz=freqs_hz, second_db=second_db)) > 0.9


@pytest.mark.parametrize("freqs_hz", [(440.0,), (620.0,), (850.0,), (520.0, 640.0)])
def test_a_rough_tone_within_a_word_was_not_generated(freqs_hz):
    held = gen.steady_tone(off=8000 + 1200, freqs_hz=freqs_hz, second_db=-3.0, n_frames=7)
    voice = dataclasses.replace(held, **ROUGH, **WITHIN, **SWOLLEN)
    assert shipped().probability(voice) < 0.1


def test_the_trees_need_no_library_to_be_walked():
    code = "import sys; from amd import beeps; beeps.shipped(); print(*sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = {name.split(".")[0] for name in out.split()}
    assert "amd" in loaded
    assert loaded.isdisjoint({"sklearn", "joblib", "pandas", "matplotlib", "torch"})
