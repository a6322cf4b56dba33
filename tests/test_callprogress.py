"""What a tone means, heard through every floor below: SIT, fax, busy, reorder, ringback, beep."""

import generated as gen
import numpy as np
import pytest

from amd.callprogress import BELL_SIT, CallProgress, is_generated
from amd.events import SubState, ToneKind
from amd.national import PATTERNS
from amd.tones import Tone

LEVEL_DB = -20.0
NOISE_DB = -40.0
SHORT_S, LONG_S = 0.274, 0.380
LOW_HZ, HIGH_HZ, THIRD_HZ = (913.8, 1370.6), (985.2, 1428.5), 1776.7

# Category, lengths and frequencies of the three tones (short or long, low or high), after the Bell System's table.
BELL = (
    (SubState.SIT_INTERCEPT, "SSL", "LLL"),
    (SubState.SIT_VACANT_CODE, "LSL", "HLL"),
    (SubState.SIT_REORDER, "SLL", "LHL"),
    (SubState.SIT_REORDER, "SLL", "HLL"),
    (SubState.SIT_NO_CIRCUIT, "LLL", "HHL"),
    (SubState.SIT_NO_CIRCUIT, "LLL", "LLL"),
)


def heard(*pieces, seed=0, noise_db=NOISE_DB, gain_db=0.0):
    samples = np.concatenate(pieces) * 10 ** (gain_db / 20)
    return gen.listen(samples + gen.noise(np.random.default_rng(seed), samples.size / 8000, noise_db)).tones


def kinds(*pieces, **kwargs):
    return [str(tone.kind) for tone in heard(*pieces, **kwargs)]


def tone(freqs_hz, seconds, level_db=LEVEL_DB):
    return gen.tone(freqs_hz if isinstance(freqs_hz, tuple) else (freqs_hz,), seconds, level_db)


def sit(freqs_hz, lengths_s, gap_s=0.0):
    pieces = [
        [tone(freq_hz, length_s), gen.silence(gap_s)]
        for freq_hz, length_s in zip(freqs_hz, lengths_s, strict=True)
    ]
    return np.concatenate([piece for pair in pieces for piece in pair])


def bell(lengths, pitches, gap_s=0.0, off=1.0, stretch=1.0):
    freqs_hz = [(HIGH_HZ if pitch == "H" else LOW_HZ)[i] for i, pitch in enumerate(pitches[:2])] + [THIRD_HZ]
    lengths_s = [(LONG_S if length == "L" else SHORT_S) * stretch for length in lengths]
    return sit([freq_hz * off for freq_hz in freqs_hz], lengths_s, gap_s)


def cycles(freqs_hz, on_s, off_s, n):
    return np.concatenate([np.concatenate([tone(freqs_hz, on_s), gen.silence(off_s)])] * n)


def speech(seconds, seed=1):
    return gen.words(np.random.default_rng(seed), seconds, -22.0, 130.0)


PAUSE = gen.silence(0.6)


@pytest.mark.parametrize("gap_s", [0.0, 0.004])
@pytest.mark.parametrize(("category", "lengths", "pitches"), BELL)
def test_a_bell_sit_has_the_category_of_its_lengths_and_pitches(category, lengths, pitches, gap_s):
    (found,) = heard(PAUSE, bell(lengths, pitches, gap_s), PAUSE)
    assert found.kind is ToneKind.SIT
    assert found.sub_state is category
    assert found.on / 8000 == pytest.approx(0.6, abs=0.03)
    total_s = sum(LONG_S if length == "L" else SHORT_S for length in lengths) + 2 * gap_s
    assert found.off / 8000 == pytest.approx(0.6 + total_s, abs=0.03)


@pytest.mark.parametrize(("category", "lengths", "pitches"), BELL)
@pytest.mark.parametrize(("off", "stretch"), [(0.998, 0.95), (1.002, 1.05), (0.998, 1.05)])
def test_a_bell_sit_keeps_its_category_at_the_edges_of_its_tolerance(category, lengths, pitches, off, stretch):
    (found,) = heard(PAUSE, bell(lengths, pitches, off=off, stretch=stretch), PAUSE)
    assert (found.kind, found.sub_state) == (ToneKind.SIT, category)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("category", "lengths", "pitches"), BELL)
def test_a_bell_sit_keeps_its_category_in_noise_and_at_any_gain(category, lengths, pitches, seed):
    gain_db = -6.0 * seed
    (found,) = heard(
        PAUSE, bell(lengths, pitches), PAUSE, seed=seed, noise_db=LEVEL_DB - 15 + gain_db, gain_db=gain_db
    )
    assert (found.kind, found.sub_state) == (ToneKind.SIT, category)


@pytest.mark.parametrize(("category", "lengths", "pitches"), BELL)
def test_a_bell_sit_keeps_its_category_wherever_it_starts_within_a_hop(category, lengths, pitches):
    lost = []
    for late in range(0, 128, 4):
        found = heard(gen.silence(0.6 + late / 8000), bell(lengths, pitches), PAUSE, seed=late)
        if [tone.sub_state for tone in found] != [category]:
            lost.append((late, [str(tone.sub_state) for tone in found]))
    assert lost == []


def test_the_table_of_categories_is_bells():
    assert {(lengths[:2], pitches[:2]): category for category, lengths, pitches in BELL} == BELL_SIT


@pytest.mark.parametrize("contradiction", [("SSL", "HHL"), ("LSL", "LLL"), ("LLL", "HLL")])
def test_lengths_and_pitches_that_disagree_give_no_category(contradiction):
    (found,) = heard(PAUSE, bell(*contradiction), PAUSE)
    assert (found.kind, found.sub_state) == (ToneKind.SIT, SubState.SIT_GENERIC)


@pytest.mark.parametrize("length_s", [0.26, 0.33, 0.4])
@pytest.mark.parametrize("gap_s", [0.0, 0.01, 0.03])
@pytest.mark.parametrize("freqs_hz", [(950, 1400, 1800), (900, 1400, 1800), (925, 1380, 1800)])
def test_the_sit_of_itu_and_of_germany_has_no_category(freqs_hz, gap_s, length_s):
    (found,) = heard(PAUSE, sit(freqs_hz, [length_s] * 3, gap_s), PAUSE)
    assert (found.kind, found.sub_state) == (ToneKind.SIT, SubState.SIT_GENERIC)
    np.testing.assert_allclose(found.freqs_hz, freqs_hz, atol=8)


def test_a_sit_that_repeats_is_told_each_time():
    once = sit((950, 1400, 1800), [0.33] * 3)
    assert kinds(PAUSE, once, gen.silence(1.0), once, PAUSE) == ["sit", "sit"]


def test_a_sit_after_an_answer_mid_ring_or_before_an_announcement_is_a_sit():
    once = bell("SSL", "LLL")
    assert kinds(tone((440.0, 480.0), 0.6), gen.silence(1.0), once, gen.silence(0.3), speech(1.5)) == [
        "ringback",
        "sit",
    ]


@pytest.mark.parametrize("freq_hz", [913.8, 950.0, 985.2])
@pytest.mark.parametrize("after", [PAUSE, np.concatenate([gen.silence(0.2), speech(1.0)])])
def test_the_first_tone_of_a_sit_alone_is_never_a_sit(freq_hz, after):
    assert set(kinds(PAUSE, tone(freq_hz, 0.33), after)) <= {"beep"}


@pytest.mark.parametrize(
    "freqs_hz",
    [(950, 1400), (1800, 1400, 950), (950, 1800, 1400), (950, 950, 950), (1400, 1800), (950, 1400, 1400)],
)
def test_an_incomplete_or_shuffled_sit_is_never_a_sit(freqs_hz):
    assert set(kinds(PAUSE, sit(freqs_hz, [0.33] * len(freqs_hz)), gen.silence(1.0))) <= {"beep"}


def test_three_tones_far_apart_are_no_sit():
    assert "sit" not in kinds(PAUSE, sit((950, 1400, 1800), [0.33] * 3, gap_s=0.3), PAUSE)


@pytest.mark.parametrize("freq_hz", [1070.0, 1100.0, 1130.0])
def test_half_a_second_of_1100_hz_before_anyone_spoke_is_a_calling_fax(freq_hz):
    (found,) = heard(PAUSE, tone(freq_hz, 0.5), PAUSE)
    assert found.kind is ToneKind.FAX_CNG
    assert found.on / 8000 == pytest.approx(0.6, abs=0.03)
    assert found.off / 8000 == pytest.approx(1.1, abs=0.03)


def test_half_a_second_of_1100_hz_after_a_greeting_is_a_beep():
    assert kinds(PAUSE, speech(1.5), gen.silence(0.5), tone(1100, 0.5), PAUSE) == ["beep"]


@pytest.mark.parametrize(("freq_hz", "seconds"), [(1100, 0.3), (1100, 0.8), (1000, 0.5), (1200, 0.5)])
def test_what_is_not_quite_a_calling_fax_is_a_beep(freq_hz, seconds):
    assert kinds(PAUSE, tone(freq_hz, seconds), PAUSE) == ["beep"]


@pytest.mark.parametrize("before", [PAUSE, np.concatenate([PAUSE, speech(1.0), PAUSE])])
@pytest.mark.parametrize("seconds", [2.6, 3.0, 4.0])
def test_an_answering_fax_is_told_once_and_while_it_sounds(seconds, before):
    found = heard(before, tone(2100, seconds), PAUSE)
    assert [tone.kind for tone in found] == [ToneKind.FAX_CED]
    assert found[0].on == pytest.approx(before.size, abs=240)
    assert found[0].known < before.size + 2.0 * 8000


@pytest.mark.parametrize("reversal_s", [None, 0.45])
def test_the_answer_tone_of_a_modern_fax_is_told_once(reversal_s):
    times_s = gen.times_s(3.3)
    answer = tone(2100, 3.3) * (1 + 0.2 * np.sin(2 * np.pi * 15 * times_s))  # ITU-T V.8: 15 Hz, 20 %
    if reversal_s is not None:
        answer *= np.where(times_s // reversal_s % 2, -1.0, 1.0)
    assert kinds(PAUSE, answer, PAUSE) == ["fax_ced"]


def test_a_long_beep_of_another_frequency_is_no_fax():
    assert "fax_ced" not in kinds(PAUSE, tone(2000, 3.0), PAUSE)


BUSY, REORDER, EITHER = {"busy"}, {"reorder"}, {"busy", "reorder"}
# FACTS of the field, country by country; EITHER where another country's other tone is the same.
CADENCES = {
    "US busy": ((480.0, 620.0), (0.5, 0.5), BUSY),
    "US reorder": ((480.0, 620.0), (0.25, 0.25), REORDER),
    "UK busy": ((400.0,), (0.375, 0.375), BUSY),
    "UK congestion": ((400.0,), (0.4, 0.35, 0.225, 0.525), REORDER),
    "DE busy": ((425.0,), (0.48, 0.48), BUSY),
    "DE congestion": ((425.0,), (0.24, 0.24), REORDER),
    "FR busy": ((440.0,), (0.5, 0.5), BUSY),
    "ES busy": ((425.0,), (0.2, 0.2), EITHER),
    "ES congestion": ((425.0,), (0.2, 0.2, 0.2, 0.2, 0.2, 0.6), REORDER),
    "IT NL PL busy": ((425.0,), (0.5, 0.5), BUSY),
    "IT congestion": ((425.0,), (0.2, 0.2), EITHER),
    "NL congestion": ((425.0,), (0.25, 0.25), EITHER),
    "BR MX SE busy": ((425.0,), (0.25, 0.25), EITHER),
    "BR congestion": ((425.0,), (0.25, 0.25, 0.75, 0.25), REORDER),
    "SE congestion": ((425.0,), (0.25, 0.75), REORDER),
    "RU busy": ((425.0,), (0.35, 0.35), BUSY),
    "RU congestion": ((425.0,), (0.175, 0.175), REORDER),
    "AU busy": ((425.0,), (0.375, 0.375), BUSY),
    "IN busy": ((400.0,), (0.75, 0.75), BUSY),
    "JP busy": ((400.0,), (0.5, 0.5), BUSY),
    "CN busy": ((450.0,), (0.35, 0.35), BUSY),
    "CN congestion": ((450.0,), (0.7, 0.7), REORDER),
}


def rounds(name, n_rounds):
    freqs_hz, steps_s, _ = CADENCES[name]
    pieces = [
        sum((tone(hz, step_s) for hz in freqs_hz), start=0.0) if index % 2 == 0 else gen.silence(step_s)
        for index, step_s in enumerate(steps_s)
    ]
    return np.concatenate(pieces * n_rounds)


@pytest.mark.parametrize("name", CADENCES)
@pytest.mark.parametrize("gain_db", [0.0, -25.0])
def test_every_country_s_cadence_is_named_once_and_as_nothing_else(name, gain_db):
    found = heard(PAUSE, rounds(name, 7), gen.silence(1.5), noise_db=NOISE_DB + gain_db, gain_db=gain_db)
    named = [str(tone.kind) for tone in found if tone.kind is not ToneKind.RINGBACK]
    assert len(named) == 1
    assert named[0] in CADENCES[name][2]


@pytest.mark.parametrize("name", CADENCES)
def test_a_cadence_is_known_by_its_fifth_tone(name):
    found = heard(PAUSE, rounds(name, 7), gen.silence(1.5))
    known_s = next(tone.known / 8000 for tone in found if str(tone.kind) in EITHER)
    steps_s = CADENCES[name][1] * 5
    assert known_s <= 0.6 + sum(steps_s[:9]) + 0.1


@pytest.mark.parametrize("name", CADENCES)
@pytest.mark.parametrize("entered", [0.3, 0.7])
def test_a_cadence_that_is_entered_anywhere_is_named(name, entered):
    audio = rounds(name, 8)
    cut_off = audio[round(entered * audio.size / 8) :]
    assert len(EITHER & set(kinds(cut_off, PAUSE))) == 1


@pytest.mark.parametrize("name", CADENCES)
def test_a_cadence_before_anyone_spoke_is_never_a_beep(name):
    assert "beep" not in kinds(PAUSE, rounds(name, 5), PAUSE)


@pytest.mark.parametrize("name", CADENCES)
def test_two_tones_are_no_cadence_yet(name):
    two = rounds(name, 2)[: round(sum(CADENCES[name][1][:3] or CADENCES[name][1]) * 8000)]
    assert not EITHER & set(kinds(PAUSE, two, gen.silence(2.0)))


def test_busy_bursts_are_not_told_as_rings():
    for name in ("DE busy", "FR busy", "IN busy", "US busy"):
        assert "ringback" not in kinds(PAUSE, rounds(name, 4)[: -round(0.9 * CADENCES[name][1][-1] * 8000)])


def test_every_cadence_of_the_table_is_tried_here():
    tried = {(freqs_hz, steps_s) for freqs_hz, steps_s, _ in CADENCES.values()}
    assert {(row.freqs_hz, row.steps_s) for row in PATTERNS} == tried


RINGS = [(440.0, 480.0), (400.0, 450.0), (425.0,), (440.0,), (450.0,), (400.0,)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("freqs_hz", RINGS)
def test_the_tail_of_a_ring_is_a_ring_and_never_a_beep(freqs_hz, seed):
    (found,) = heard(tone(freqs_hz, 0.6), gen.silence(1.0), seed=seed)
    assert found.kind is ToneKind.RINGBACK
    assert found.off / 8000 == pytest.approx(0.6, abs=0.03)


@pytest.mark.parametrize("seconds", [0.07, 0.15, 0.3, 0.6, 1.2, 2.0])
@pytest.mark.parametrize("freqs_hz", RINGS)
@pytest.mark.parametrize("start_s", [0.0, 0.7])
def test_no_piece_of_a_ring_is_a_beep(freqs_hz, seconds, start_s):
    assert set(kinds(gen.silence(start_s), tone(freqs_hz, seconds), gen.silence(1.0))) <= {"ringback"}


BEEPS = (
    (660, 0.23),
    (746, 0.34),
    (879, 0.75),
    (825, 0.3),
    (1000, 0.5),
    (1400, 0.2),
    (1336, 0.75),
    (2500, 0.1),
    (425, 0.5),
)


@pytest.mark.parametrize(("freq_hz", "seconds"), BEEPS)
def test_a_tone_after_a_greeting_is_a_recording_beep_in_its_place(freq_hz, seconds):
    (found,) = heard(PAUSE, speech(1.5), gen.silence(0.5), tone(freq_hz, seconds), PAUSE)
    assert found.kind is ToneKind.BEEP
    assert found.on / 8000 == pytest.approx(2.6, abs=0.025)
    assert found.off / 8000 == pytest.approx(2.6 + seconds, abs=0.025)
    assert found.freqs_hz[0] == pytest.approx(freq_hz, abs=8)


@pytest.mark.parametrize("seed", range(6))
def test_speech_alone_has_no_tone_with_a_meaning(seed):
    assert kinds(PAUSE, speech(4.0, seed), PAUSE, seed=seed) == []


@pytest.mark.parametrize("seed", range(3))
def test_tones_are_told_in_order_and_never_before_they_ended(seed):
    call = (
        tone((440.0, 480.0), 0.6),
        PAUSE,
        speech(1.0),
        PAUSE,
        tone(1000, 0.3),
        PAUSE,
        sit((950, 1400, 1800), [0.33] * 3),
        PAUSE,
    )
    found = heard(*call, seed=seed)
    assert [str(tone.kind) for tone in found] == ["ringback", "beep", "sit"]
    assert [tone.known for tone in found] == sorted(tone.known for tone in found)
    assert all(tone.on < tone.off <= tone.known for tone in found)


def test_a_tone_that_waits_for_its_neighbours_is_named_when_the_call_ends():
    samples = np.concatenate([PAUSE, tone(950, 0.33), gen.silence(0.055)])
    assert kinds(samples) in (["beep"], [])
    progress = CallProgress()
    (waiting,) = gen.tones_of(np.concatenate([PAUSE, tone(950, 0.33), PAUSE]))
    assert progress.step(now=waiting.known, ended=waiting, sounding=None, pending=False, spoken=True) == []
    assert [found.kind for found in progress.finish(waiting.known, ended=None, spoken=True)] == [ToneKind.BEEP]
    assert progress.finish(waiting.known, ended=None, spoken=True) == []


def steady(**changes):
    edges = {"on": 8000, "off": 10_400, "known": 10_800, "rise_db": 40.0, "fall_db": 40.0}
    facts = {"freqs_hz": (1000.0,), "level_db": -20.0, "spread_db": 0.1, "wander_hz": 0.5}
    return Tone(**{**edges, **facts, **changes})


def name(tone, *, spoken=True):
    progress = CallProgress()
    found = progress.step(now=tone.known, ended=tone, sounding=None, pending=False, spoken=spoken)
    return [str(heard.kind) for heard in found + progress.finish(tone.known, ended=None, spoken=spoken)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["beep"]),
        ({"spread_db": 1.99}, ["beep"]),
        ({"spread_db": 2.01}, []),
        ({"wander_hz": 3.9}, ["beep"]),
        ({"wander_hz": 4.1}, []),
        ({"rise_db": 6.1}, ["beep"]),
        ({"rise_db": 5.9}, []),
        ({"fall_db": 5.9}, []),
        ({"freqs_hz": (341.0,)}, ["beep"]),
        ({"freqs_hz": (339.0,)}, []),
        ({"freqs_hz": (3449.0,)}, ["beep"]),
        ({"freqs_hz": (3451.0,)}, []),
        ({"freqs_hz": (697.0, 1209.0)}, []),  # a key that was pressed
        ({"off": 8000 + 12_799}, ["beep"]),
        ({"off": 8000 + 12_801}, []),
        ({"off": 8000 + 481}, ["beep"]),
        ({"off": 8000 + 479}, []),
        # where vowels are, a long one as above, and a short one steadier and further above its surroundings
        ({"freqs_hz": (700.0,), "off": 8000 + 2500, "spread_db": 1.4, "rise_db": 4.1}, ["beep"]),
        ({"freqs_hz": (700.0,), "off": 8000 + 2500, "spread_db": 1.6}, []),
        ({"freqs_hz": (700.0,), "off": 8000 + 1100, "spread_db": 0.59, "rise_db": 7.6}, ["beep"]),
        ({"freqs_hz": (700.0,), "off": 8000 + 1100, "spread_db": 0.61}, []),
        ({"freqs_hz": (700.0,), "off": 8000 + 1100, "wander_hz": 1.61}, []),
        ({"freqs_hz": (700.0,), "off": 8000 + 1100, "rise_db": 7.4}, []),
    ],
)
def test_a_beep_is_steady_alone_and_neither_short_nor_long(changes, expected):
    assert name(steady(**changes)) == expected


def test_a_low_tone_is_a_beep_only_after_somebody_spoke():
    assert name(steady(freqs_hz=(600.0,))) == ["beep"]
    assert name(steady(freqs_hz=(600.0,)), spoken=False) == []
    assert name(steady(freqs_hz=(700.0,)), spoken=False) == ["beep"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"wander_hz": 10.0, "off": 8000 + 3000}, False),
        ({"wander_hz": 10.0, "off": 8000 + 4001}, True),  # half a second
        ({"rise_db": 0.0, "off": 8000 + 1200}, False),
        ({"off": 8000 + 1200, "wander_hz": 1.9}, True),
    ],
)
def test_a_held_vowel_is_not_generated_and_a_tone_is(changes, expected):
    assert is_generated(steady(**changes)) == expected


def test_a_sit_is_recognised_after_a_tone_that_began_another():
    begun = tone(890.0, 0.33)
    whole = np.concatenate([tone(950.0, 0.33), tone(1400.0, 0.33), tone(1800.0, 0.33)])
    assert kinds(PAUSE, begun, whole, PAUSE).count("sit") == 1
