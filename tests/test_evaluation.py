"""Scores against published and hand-computed values, and manifests that say which row is wrong."""

import csv
import dataclasses
import io
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

import amd
from amd import (
    Cause,
    Contradiction,
    EndedBy,
    GreetingEnded,
    ManifestError,
    Party,
    SubState,
    ToneHeard,
    ToneKind,
    Until,
    Verdict,
)
from amd.evaluation.manifest import Call, check_times, read_manifest
from amd.evaluation.run import COLUMNS, Judged, judge_set, per_call_csv, summarise
from amd.evaluation.scores import accuracy, confusion, quantiles, rate, wilson
from amd.evaluation.text import score_lines, title
from amd.recordings import Failure, Reading, Result, classify

SAMPLES = Path(__file__).parents[1] / "datasets" / "samples"
BALANCED = amd.PRESETS["balanced"]
HUMAN, MACHINE, UNSURE, FAX = Party.HUMAN, Party.MACHINE, Party.UNSURE, Party.FAX


# -- scores


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, Statistics in Medicine 17:857, table I
        (15, 148, 0.0624, 0.1605),
        (1, 29, 0.0061, 0.1718),
        (0, 20, 0.0000, 0.1611),
        (29, 29, 0.8830, 1.0000),
    ],
)
def test_the_interval_of_a_share_is_the_published_one(count, total, low, high):
    share = wilson(count, total)
    assert (round(share.low, 4), round(share.high, 4)) == (low, high)
    assert share.value == count / total
    assert (share.count, share.total) == (count, total)


def test_the_interval_of_734_of_764_is_the_published_one_to_its_last_digit():
    """arXiv 2604.09675 gives 94.5-97.2; the lower end is 94.4498, which is 94.4 when it is rounded once."""
    share = wilson(734, 764)
    assert share.low == pytest.approx(0.944498, abs=1e-6)
    assert (share.low, share.high) == (pytest.approx(0.945, abs=6e-4), pytest.approx(0.972, abs=5e-4))
    assert str(share) == "96.1 % (734/764; 95 % interval 94.4-97.2)"


@given(st.integers(1, 10_000), st.data())
def test_an_interval_lies_within_0_and_1_holds_the_share_and_mirrors(total, data):
    count = data.draw(st.integers(0, total))
    share, mirrored = wilson(count, total), wilson(total - count, total)
    assert 0.0 <= share.low <= share.value + 1e-12
    assert share.value - 1e-12 <= share.high <= 1.0
    assert share.low < share.high
    assert share.low == pytest.approx(1 - mirrored.high, abs=1e-9)
    assert wilson(count, total, confidence=0.99).low <= share.low + 1e-12


@pytest.mark.parametrize("total", [1, 7, 28, 1000])
def test_none_and_all_of_some_have_an_interval_of_one_side(total):
    z2 = 1.959963984540054**2
    none, every = wilson(0, total), wilson(total, total)
    assert (none.value, none.low) == (0.0, pytest.approx(0.0, abs=1e-12))
    assert none.high == pytest.approx(z2 / (total + z2))
    assert (every.value, every.high) == (1.0, pytest.approx(1.0, abs=1e-12))
    assert every.low == pytest.approx(total / (total + z2))


def test_a_share_of_nothing_is_no_number_and_says_so():
    share = wilson(0, 0)
    assert all(map(math.isnan, (share.value, share.low, share.high)))
    assert str(share) == "none to count"


@pytest.mark.parametrize(("count", "total"), [(764, 734), (1, 0), (-1, 5), (0, -1)])
def test_swapped_or_negative_counts_are_an_error(count, total):
    with pytest.raises(ValueError, match=f"count={count} must be from 0 to total={total}: swapped"):
        wilson(count, total)


def test_quantiles_are_interpolated_between_sorted_values():
    found = quantiles([5.0, 1.0, 4.0, 2.0, 3.0])
    assert (found.n, found.p50) == (5, 3.0)
    assert (found.p90, found.p95) == (pytest.approx(4.6), pytest.approx(4.8))
    one = quantiles([2.5])
    assert (one.n, one.p50, one.p90, one.p95) == (1, 2.5, 2.5, 2.5)


def test_quantiles_of_nothing_are_no_numbers():
    found = quantiles([])
    assert found.n == 0
    assert all(map(math.isnan, (found.p50, found.p90, found.p95)))


def test_a_confusion_counts_labels_first_and_gives_accuracy_and_rates():
    labels = [HUMAN, HUMAN, HUMAN, HUMAN, MACHINE, MACHINE, FAX]
    parties = [HUMAN, HUMAN, MACHINE, UNSURE, MACHINE, HUMAN, FAX]
    counts = confusion(labels, parties)
    assert counts == {
        (HUMAN, HUMAN): 2,
        (HUMAN, MACHINE): 1,
        (HUMAN, UNSURE): 1,
        (MACHINE, MACHINE): 1,
        (MACHINE, HUMAN): 1,
        (FAX, FAX): 1,
    }
    assert (accuracy(counts).count, accuracy(counts).total) == (4, 7)
    wrong_people, wrong_machines = rate(counts, HUMAN, MACHINE), rate(counts, MACHINE, HUMAN)
    assert (wrong_people.count, wrong_people.total) == (1, 4)
    assert (wrong_machines.count, wrong_machines.total) == (1, 2)
    assert rate(counts, Party.SILENCE, HUMAN).total == 0


def test_labels_and_verdicts_of_different_number_are_an_error():
    with pytest.raises(ValueError, match="zip"):
        confusion([HUMAN], [HUMAN, MACHINE])


# -- manifests


def labeled_set(folder, text, *, encoding="utf-8", files=("a.wav", "b.wav")):
    folder.mkdir(exist_ok=True)
    for file in files:
        shutil.copy(SAMPLES / "human-01.wav", folder / file)
    (folder / "manifest.csv").write_bytes(text.encode(encoding))
    return folder


def refused(folder):
    with pytest.raises(ManifestError) as raised:
        read_manifest(folder)
    said = str(raised.value)
    assert said.startswith(str(folder / "manifest.csv"))
    return said.removeprefix(str(folder / "manifest.csv"))


def test_a_manifest_gives_files_labels_times_and_all_its_columns(tmp_path):
    text = (
        "file,label,speech_start_s,greeting_end_s,beep_on_s,beep_off_s,origin,carrier\n"
        "a.wav,human,0.697, 1.237 ,,,recorded,north\n"
        " b.wav , machine,0,2.5,3,3.5,composed,\n"
    )
    first, second = read_manifest(labeled_set(tmp_path / "set", text))
    assert (first.row, first.file, first.label) == (2, "a.wav", HUMAN)
    assert first.times_s == {"speech_start_s": 0.697, "greeting_end_s": 1.237}
    assert (first.columns["origin"], first.columns["carrier"]) == ("recorded", "north")
    assert (second.row, second.file, second.label) == (3, "b.wav", MACHINE)
    assert second.times_s == {
        "speech_start_s": 0.0,
        "greeting_end_s": 2.5,
        "beep_on_s": 3.0,
        "beep_off_s": 3.5,
    }


@pytest.mark.parametrize("label", [str(party) for party in Party if party is not UNSURE])
def test_every_party_but_unsure_is_a_label(tmp_path, label):
    (call,) = read_manifest(labeled_set(tmp_path / "set", f"file,label\na.wav,{label}\n"))
    assert call.label is Party(label)


def test_only_file_and_label_are_needed_in_any_order_of_columns(tmp_path):
    (call,) = read_manifest(labeled_set(tmp_path / "set", "label,file\r\nfax,a.wav\r\n"))
    assert (call.file, call.label, call.times_s) == ("a.wav", FAX, {})


def test_a_byte_order_mark_as_spreadsheets_write_it_is_accepted(tmp_path):
    (call,) = read_manifest(labeled_set(tmp_path / "set", "file,label\na.wav,human\n", encoding="utf-8-sig"))
    assert call.columns == {"file": "a.wav", "label": "human"}


def test_a_file_in_a_folder_of_the_set_is_found(tmp_path):
    folder = labeled_set(tmp_path / "set", "file,label\ninside/a.wav,human\n")
    (folder / "inside").mkdir()
    shutil.copy(SAMPLES / "human-01.wav", folder / "inside" / "a.wav")
    assert read_manifest(folder)[0].file == "inside/a.wav"


def test_a_missing_manifest_is_an_error_that_says_what_a_set_is(tmp_path):
    said = refused(tmp_path)
    assert "is missing" in said
    assert "file,label" in said


@pytest.mark.parametrize(
    ("header", "missing", "found"),
    [
        ("file,party", "label", "file, party"),
        ("path,label", "file", "path, label"),
        ("path;label", "file and label", "path;label"),
        ("", "file and label", "nothing"),
    ],
)
def test_a_missing_column_is_an_error_that_names_it_and_what_is_there(tmp_path, header, missing, found):
    said = refused(labeled_set(tmp_path / "set", f"{header}\na.wav,human\n" if header else ""))
    assert f"column {missing} is missing" in said
    assert said.endswith(f"found: {found}")


@pytest.mark.parametrize("text", ["file,label\n", "file,label", "file,label\n\n\n"])
def test_a_manifest_without_rows_is_an_error(tmp_path, text):
    assert "no rows" in refused(labeled_set(tmp_path / "set", text))


@pytest.mark.parametrize(
    ("row", "slip"),
    [
        ("b.wav,person,", "label 'person' is unknown"),
        ("b.wav,unsure,", "label 'unsure' is unknown"),
        ("b.wav,Human,", "label 'Human' is unknown"),
        ("b.wav,,", "label '' is unknown"),
        ("b.wav", "label '' is unknown"),
        (",human,", "no file is named"),
        ("  ,human,", "no file is named"),
        ("c.wav,human,", "there is no file c.wav"),
        (".,human,", "there is no file ."),
        ("a.wav,machine,", "a.wav is named before, in row 2"),
        ("b.wav,human,soon", "speech_start_s='soon' must be seconds"),
        ("b.wav,human,-0.5", "speech_start_s='-0.5' must be seconds"),
        ("b.wav,human,nan", "speech_start_s='nan' must be seconds"),
        ("b.wav,human,inf", "speech_start_s='inf' must be seconds"),
        ('b.wav,human,"0,5"', "speech_start_s='0,5' must be seconds"),
    ],
)
def test_a_bad_row_is_an_error_that_names_the_row_and_the_slip(tmp_path, row, slip):
    said = refused(labeled_set(tmp_path / "set", f"file,label,speech_start_s\na.wav,human,1.5\n{row}\n"))
    assert said.startswith(" row 3: ")
    assert slip in said


def test_an_unknown_label_is_told_with_those_there_are(tmp_path):
    said = refused(labeled_set(tmp_path / "set", "file,label\na.wav,voicemail\n"))
    assert "human, machine, fax, network, silence" in said
    assert "unsure" not in said


@pytest.mark.parametrize("name", ["greeting_end_s", "beep_on_s", "beep_off_s"])
def test_every_time_is_checked(tmp_path, name):
    assert name in refused(labeled_set(tmp_path / "set", f"file,label,{name}\na.wav,human,-1\n"))


def test_a_manifest_that_is_not_utf_8_is_an_error_of_the_manifest(tmp_path):
    folder = labeled_set(tmp_path / "set", "file,label,caller\na.wav,human,Jürgen\n", encoding="latin-1")
    assert "UTF-8" in refused(folder).upper()


def call_at(file="a.wav", label=HUMAN, **times_s):
    columns = {"file": file, "label": str(label)}
    return Call(row=7, file=file, label=label, times_s=times_s, columns=columns)


def test_a_time_beyond_the_recording_is_an_error_that_names_the_row():
    check_times(call_at(greeting_end_s=5.9), 5.9)
    with pytest.raises(ManifestError) as raised:
        check_times(call_at(speech_start_s=0.5, greeting_end_s=6.3), 5.9)
    said = str(raised.value)
    assert said.startswith("row 7: ")
    assert "greeting_end_s=6.3" in said
    assert "a.wav (5.90 s)" in said


@pytest.mark.parametrize(("value", "fits"), [(1237.0, True), (5900.0, True), (5901.0, False), (60_000.0, False)])
def test_milliseconds_are_suspected_only_where_they_would_fit(value, fits):
    with pytest.raises(ManifestError) as raised:
        check_times(call_at(greeting_end_s=value), 5.9)
    assert ("milliseconds?" in str(raised.value)) is fits


# -- a judged set

SET = {
    # file: (label, speech_start_s, greeting_end_s, beep_on_s, beep_off_s): two labels are wrong on purpose
    "human-01.wav": ("human", 0.697, 1.237, "", ""),
    "human-03.wav": ("machine", 0.563, 0.883, "", ""),
    "machine-02.wav": ("machine", 0.208, 3.563, 3.863, 4.563),
    "machine-08.wav": ("machine", 0.630, 2.680, 3.180, 3.000),
    "machine-05.wav": ("human", 0.920, 6.360, "", ""),
    "fax-02.wav": ("fax", "", "", "", ""),
}
HEADER = "file,label,speech_start_s,greeting_end_s,beep_on_s,beep_off_s,origin,note\n"


def write_set(folder, rows=SET):
    folder.mkdir()
    lines = [HEADER]
    for file, row in rows.items():
        shutil.copy(SAMPLES / file, folder / file)
        lines.append(",".join(map(str, [file, *row, "synthetic", '"a, b"'])) + "\n")
    (folder / "manifest.csv").write_text("".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def judged_set(tmp_path_factory):
    judged, failures = judge_set(write_set(tmp_path_factory.mktemp("sets") / "set"), BALANCED, jobs=1)
    assert failures == []
    return judged


def test_a_set_is_judged_in_its_order_each_call_to_its_end(judged_set):
    assert [one.call.file for one in judged_set] == list(SET)
    by_end = Reading(policy=dataclasses.replace(BALANCED, until=Until.END))
    for one in judged_set:
        assert one.result.events == classify(SAMPLES / one.call.file, by_end).events
    assert [str(one.result.party) for one in judged_set] == [
        "human",
        "human",
        "machine",
        "machine",
        "machine",
        "fax",
    ]


def test_a_greeting_that_goes_on_long_after_the_verdict_is_scored_at_its_end(tmp_path):
    greeting, rate_hz = soundfile.read(SAMPLES / "machine-04.wav", start=5584, stop=41_264)
    call = np.concatenate([np.tile(greeting, 4), np.zeros(4 * rate_hz)])
    (tmp_path / "manifest.csv").write_text(
        f"file,label,greeting_end_s\nx.wav,machine,{4 * greeting.size / 8000}\n"
    )
    soundfile.write(tmp_path / "x.wav", call, rate_hz)
    judged, _ = judge_set(tmp_path, dataclasses.replace(BALANCED, until=Until.VERDICT), jobs=1)
    assert judged[0].result.known_s < 10.0
    error_s = summarise(judged).greeting_end_error
    assert error_s.n == 1
    assert error_s.p50 < 0.3


def test_the_summary_of_a_set_has_the_counts_made_by_hand(judged_set):
    summary = summarise(judged_set)
    assert summary.n_calls == 6
    assert summary.origins == ("synthetic",)
    assert summary.confusion == {
        (HUMAN, HUMAN): 1,
        (MACHINE, HUMAN): 1,
        (MACHINE, MACHINE): 2,
        (HUMAN, MACHINE): 1,
        (FAX, FAX): 1,
    }
    assert (summary.accuracy.count, summary.accuracy.total) == (4, 6)
    assert (summary.human_called_machine.count, summary.human_called_machine.total) == (1, 2)
    assert (summary.machine_called_human.count, summary.machine_called_human.total) == (1, 3)
    assert (summary.unsure.count, summary.unsure.total) == (0, 6)
    assert (summary.beeps.count, summary.beeps.total) == (1, 2)  # the other one's end is 0.5 s off
    known_s = {one.call.file: one.result.known_s for one in judged_set}
    assert summary.human_from_greeting_end.n == 1
    assert summary.human_from_greeting_end.p50 == pytest.approx(known_s["human-01.wav"] - 1.237)
    assert summary.machine_from_speech_start.n == 2
    assert summary.machine_from_speech_start.p50 == pytest.approx(
        (known_s["machine-02.wav"] - 0.208 + known_s["machine-08.wav"] - 0.630) / 2
    )
    assert summary.from_speech_start.n == 5


def verdict(party, known_s, sub_state=None):
    return Verdict(
        at_s=known_s - 0.1,
        known_s=known_s,
        party=party,
        sub_state=sub_state,
        cause=Cause.LONG_GREETING,
        probability=0.9,
        final=True,
    )


def judged_as(label, party, known_s, *events, origin=None, sub_state=None, **times_s):
    found = verdict(party, known_s, sub_state)
    columns = {"file": "x.wav", "label": str(label)}
    if origin is not None:
        columns["origin"] = origin
    result = Result(
        file="set/x.wav",
        party=party,
        sub_state=sub_state,
        cause=found.cause,
        probability=found.probability,
        decided_at_s=found.at_s,
        known_s=known_s,
        duration_s=20.0,
        events=(found, *events),
        verdict=found,
    )
    call = Call(row=2, file="x.wav", label=label, times_s=times_s, columns=columns)
    return Judged(call=call, result=result)


def beep(off_s, kind=ToneKind.BEEP):
    return ToneHeard(at_s=off_s, known_s=off_s + 0.1, kind=kind, on_s=off_s - 0.4, off_s=off_s, freqs_hz=(1000.0,))


def ended(at_s):
    return GreetingEnded(at_s=at_s, known_s=at_s + 2.0, by=EndedBy.SILENCE)


def test_latency_of_people_counts_from_the_end_of_their_greeting_and_only_when_they_were_called_people():
    times_s = {"speech_start_s": 0.5, "greeting_end_s": 1.0}
    summary = summarise(
        [
            judged_as(HUMAN, HUMAN, 2.0, **times_s),
            judged_as(HUMAN, HUMAN, 4.0, **times_s),
            judged_as(HUMAN, MACHINE, 9.0, **times_s),
            judged_as(HUMAN, UNSURE, 9.5, **times_s),
            judged_as(MACHINE, HUMAN, 2.5, **times_s),
            judged_as(HUMAN, HUMAN, 7.0),
        ]
    )
    assert (summary.human_from_greeting_end.n, summary.human_from_greeting_end.p50) == (2, 2.0)
    assert (summary.human_from_greeting_end.p90, summary.human_from_greeting_end.p95) == (
        pytest.approx(2.8),
        pytest.approx(2.9),
    )
    assert summary.machine_from_speech_start.n == 0
    assert (summary.from_speech_start.n, summary.from_speech_start.p50) == (5, 3.5)
    assert (summary.unsure.count, summary.unsure.total) == (1, 6)
    assert (summary.accuracy.count, summary.accuracy.total) == (3, 6)


def test_latency_of_machines_counts_from_their_first_speech():
    summary = summarise(
        [
            judged_as(MACHINE, MACHINE, 4.0, speech_start_s=1.0, greeting_end_s=6.0),
            judged_as(MACHINE, UNSURE, 9.0, speech_start_s=1.0, greeting_end_s=6.0),
        ]
    )
    assert (summary.machine_from_speech_start.n, summary.machine_from_speech_start.p50) == (1, 3.0)
    assert summary.human_from_greeting_end.n == 0


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ((beep(5.0),), 1),
        ((beep(5.09),), 1),
        ((beep(4.91),), 1),
        ((beep(5.11),), 0),
        ((beep(4.89),), 0),
        ((beep(3.0), beep(5.0)), 1),
        ((beep(5.0, ToneKind.BUSY),), 0),
        ((), 0),
    ],
)
def test_a_beep_is_found_when_its_end_is_within_a_tenth_of_a_second(events, found):
    summary = summarise([judged_as(MACHINE, MACHINE, 4.0, *events, beep_on_s=4.6, beep_off_s=5.0)])
    assert (summary.beeps.count, summary.beeps.total) == (found, 1)


def test_the_error_of_a_greeting_end_counts_where_a_machine_gave_no_beep():
    summary = summarise(
        [
            judged_as(MACHINE, MACHINE, 4.0, ended(6.3), greeting_end_s=6.0),
            judged_as(MACHINE, MACHINE, 4.0, ended(5.5), greeting_end_s=6.0),
            judged_as(MACHINE, MACHINE, 4.0, ended(9.0), greeting_end_s=6.0, beep_on_s=8.5, beep_off_s=9.0),
            judged_as(HUMAN, MACHINE, 4.0, ended(9.0), greeting_end_s=1.0),
            judged_as(MACHINE, MACHINE, 4.0, greeting_end_s=6.0),
        ]
    )
    assert summary.greeting_end_error.n == 2
    assert summary.greeting_end_error.p50 == pytest.approx(0.4)


def test_calls_with_contradictions_and_all_origins_are_counted():
    against = Contradiction(
        at_s=6.0,
        known_s=6.0,
        decided=HUMAN,
        suggested=MACHINE,
        cause=Cause.BEEP,
        probability=0.99,
    )
    summary = summarise(
        [
            judged_as(HUMAN, HUMAN, 2.0, against, against, origin="recorded"),
            judged_as(HUMAN, HUMAN, 2.0, origin="composed"),
            judged_as(HUMAN, HUMAN, 2.0),
        ]
    )
    assert summary.contradictions == 1
    assert summary.origins == ("composed", "not stated", "recorded")
    assert "3 calls (composed, not stated, recorded)" in title(summary, "set", "balanced", "m-1")


def test_what_cannot_be_measured_is_said_and_not_printed_as_a_number():
    lines = dict(score_lines(summarise([judged_as(HUMAN, HUMAN, 2.0)])))
    assert lines["machine called human"] == "none to count"
    assert lines["human verdict after greeting end"] == "none to measure"
    assert not any("nan" in value for value in lines.values())


def test_a_broken_file_of_a_set_is_a_failure_and_the_rest_is_scored(tmp_path):
    folder = write_set(tmp_path / "set")
    (folder / "machine-02.wav").write_text("no call")
    told = []
    judged, failures = judge_set(folder, BALANCED, jobs=1, told=told.append)
    assert [type(outcome) for outcome in told] == [Result, Result, Failure, Result, Result, Result]
    (failure,) = failures
    assert failure.file == str(folder / "machine-02.wav")
    assert str(folder / "machine-02.wav") in failure.reason
    assert [one.call.file for one in judged] == [file for file in SET if file != "machine-02.wav"]
    assert summarise(judged).n_calls == 5


def test_a_set_with_a_time_beyond_its_recording_is_an_error_that_names_the_row(tmp_path):
    rows = {"human-01.wav": SET["human-01.wav"], "fax-02.wav": ("fax", 697, "", "", "")}
    with pytest.raises(ManifestError, match=r"row 3: speech_start_s=697.*fax-02\.wav.*milliseconds\?"):
        judge_set(write_set(tmp_path / "set", rows), BALANCED, jobs=1)


def test_the_table_of_calls_round_trips_through_csv(judged_set):
    text = per_call_csv(judged_set)
    reader = csv.DictReader(io.StringIO(text, newline=""))
    rows = list(reader)
    assert reader.fieldnames == [
        *COLUMNS,
        "speech_start_s",
        "greeting_end_s",
        "beep_on_s",
        "beep_off_s",
        "origin",
        "note",
    ]
    assert [row["file"] for row in rows] == list(SET)
    for row, one in zip(rows, judged_set, strict=True):
        result = one.result
        assert row["label"] == str(one.call.label)
        assert (row["party"], row["cause"]) == (str(result.party), str(result.cause))
        assert row["sub_state"] == (str(result.sub_state) if result.sub_state else "")
        assert row["right"] == str(one.call.label is result.party)
        for name in ("probability", "decided_at_s", "known_s", "duration_s"):
            assert float(row[name]) == pytest.approx(getattr(result, name), abs=6e-5)
        for name, column in (("from_speech_start_s", "speech_start_s"), ("from_greeting_end_s", "greeting_end_s")):
            known = one.call.times_s.get(column)
            assert (row[name] == "") is (known is None)
            assert known is None or float(row[name]) == pytest.approx(result.known_s - known, abs=6e-4)
        assert (row["note"], row["origin"]) == ("a, b", "synthetic")
        assert {name: row[name] for name in ("speech_start_s", "beep_off_s")} == {
            name: one.call.columns[name] for name in ("speech_start_s", "beep_off_s")
        }
        assert None not in row


def test_the_table_of_no_calls_is_its_header():
    assert per_call_csv([]) == ",".join(COLUMNS) + "\n"


def test_a_column_of_the_manifest_named_as_a_field_of_the_result_keeps_what_was_written():
    one = judged_as(MACHINE, MACHINE, 4.0, sub_state=SubState.GREETING)
    one.call.columns["events"] = "two trunks lost"
    (row,) = csv.DictReader(io.StringIO(per_call_csv([one]), newline=""))
    assert row["events"] == "two trunks lost"


def test_text_with_commas_quotes_and_line_ends_survives_the_table():
    one = judged_as(MACHINE, MACHINE, 4.0)
    one.call.columns["note"] = 'said "hello, you"\nand more'
    (row,) = csv.DictReader(io.StringIO(per_call_csv([one]), newline=""))
    assert row["note"] == 'said "hello, you"\nand more'
