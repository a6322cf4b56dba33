"""Two systems on the same calls: paired counts by hand, other systems' names, clear errors."""

import json

import pytest

from amd import Cause, ManifestError, Party, Verdict, VocabularyError, vocabularies
from amd.cli import main
from amd.evaluation.comparing import compare
from amd.evaluation.rivals import read_verdicts
from amd.vocabularies import NAMES, party_of

HUMAN, MACHINE = Party.HUMAN, Party.MACHINE


def table(path, header, rows):
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.fixture
def two(tmp_path):
    """Ten people and ten machines; B misses what A has right in six, and A in one."""
    ours, theirs = [], []
    for number in range(20):
        label = "human" if number < 10 else "machine"
        other = "machine" if number < 10 else "human"
        ours.append(f"{number}.wav,{label},{other if number == 19 else label},{2 + number / 100}")
        said = {"human": "HUMAN", "machine": "MACHINE"}[other if number in (0, 1, 2, 3, 12, 13) else label]
        theirs.append(f"{number}.wav,{said},{1 + number / 100}")
    a = table(tmp_path / "ours.csv", "file,label,party,known_s", ours)
    b = table(tmp_path / "box.csv", "file,AMDSTATUS,known_s", theirs)
    return a, b


def test_paired_counts_are_those_made_by_hand(two):
    found = compare(*map(read_verdicts, two))
    everything, people = found.paired["all calls"], found.paired["people"]
    assert (everything.n_calls, everything.first.count, everything.second.count) == (20, 19, 14)
    assert (everything.only_first, everything.only_second) == (6, 1)
    assert everything.p_value == pytest.approx(2 * (1 + 7) / 2**7)
    assert (people.n_calls, people.only_first, people.only_second) == (10, 4, 0)
    assert people.p_value == pytest.approx(2 / 2**4)
    lost = found.paired["people not called machines"]
    assert (lost.only_first, lost.only_second) == (4, 0)
    machines = found.paired["machines not called people"]
    assert (machines.only_first, machines.only_second) == (2, 1)
    later = found.later["people"]
    assert later.n_calls == 6
    assert (later.median_s, later.low_s, later.high_s) == pytest.approx((-1.0, -1.0, -1.0))


def test_the_order_of_the_rows_is_nothing_to_it(two, tmp_path):
    header, *rows = two[1].read_text().splitlines()
    mixed = table(tmp_path / "mixed.csv", header, [*rows[7:], *reversed(rows[:7])])
    assert compare(read_verdicts(two[0]), read_verdicts(mixed)) == compare(*map(read_verdicts, two))


def test_swapping_the_two_mirrors_the_comparison(tmp_path):
    rows = [f"{n}.wav,human,{'human' if n % 3 else 'machine'},{n}" for n in range(30)]
    others = [f"{n}.wav,human,{'human' if n % 4 else 'unsure'},{2 * n}" for n in range(30)]
    a = read_verdicts(table(tmp_path / "a.csv", "file,label,party,known_s", rows))
    b = read_verdicts(table(tmp_path / "b.csv", "file,label,party,known_s", others))
    there, back = compare(a, b), compare(b, a)
    assert there.paired["people"].only_first == back.paired["people"].only_second > 0
    assert there.paired["people"].p_value == back.paired["people"].p_value
    assert there.later["people"].median_s == -back.later["people"].median_s


def test_calls_of_one_table_only_and_without_a_label_are_counted_apart(tmp_path):
    a = table(tmp_path / "a.csv", "file,label,party", ["1.wav,human,human", "2.wav,,human", "3.wav,human,human"])
    b = table(tmp_path / "b.csv", "file,party", ["1.wav,machine", "2.wav,human", "9.wav,human", "8.wav,human"])
    found = compare(read_verdicts(a), read_verdicts(b))
    assert (found.n_only_first, found.n_only_second, found.n_unlabeled) == (1, 2, 1)
    assert found.paired["all calls"].n_calls == 1


@pytest.mark.parametrize(
    ("name", "party"),
    [
        ("machine_end_silence", "machine"),
        ("machine_start", "machine"),
        ("unknown", "unsure"),
        ("NOTSURE", "unsure"),
        ("HANGUP", "unsure"),
        ("VOICEMAIL_BEEP", "machine"),
        ("AMD_UNANSWERED", "network"),
        ("SIT_TONE_BUSY", "network"),
        ("FAX_MACHINE_DETECTED", "fax"),
        ("HUMAN_ANSWERED", "human"),
        ("network", "network"),
    ],
)
def test_every_system_s_names_are_known(name, party):
    assert party_of(name) is Party(party)


def test_what_we_say_in_their_names_is_read_back_as_we_said_it():
    """Names lose what a vocabulary lacks, and never make a person of a machine."""
    for party, sub_state in vocabularies.states():
        verdict = Verdict(
            at_s=1, known_s=1, party=party, sub_state=sub_state, cause=Cause.DEADLINE, probability=0.9, final=True
        )
        for name in (
            vocabularies.twilio(verdict),
            vocabularies.twilio(verdict, vocabularies.TwilioMode.DETECT_MESSAGE_END),
            vocabularies.connect(verdict),
            vocabularies.asterisk(verdict).amdstatus,
        ):
            assert (NAMES[name] is HUMAN) is (party is HUMAN)
            assert NAMES[name] is party or party not in (HUMAN, MACHINE)


@pytest.mark.parametrize(
    ("header", "row", "slip"),
    [
        ("name,party", "1.wav,human", "needs the columns file and party or verdict or AnsweredBy"),
        ("file,answer", "1.wav,human", "found: file, answer"),
        ("file,party", "1.wav,person", "row 2: verdict 'person' is no name"),
        ("file,party,label", "1.wav,human,voicemail", "row 2: label 'voicemail' is unknown"),
        ("file,party,known_s", "1.wav,human,soon", "row 2: .*soon.*: times are in seconds"),
        ("file,party", "1.wav,human\n1.wav,human", "row 3: 1.wav is named before"),
    ],
)
def test_a_table_that_cannot_be_used_says_which_row_and_why(tmp_path, header, row, slip):
    with pytest.raises((ManifestError, VocabularyError), match=slip):
        read_verdicts(table(tmp_path / "t.csv", header, [row]))


def test_labels_that_differ_and_tables_without_a_call_in_common_are_errors(tmp_path):
    a = read_verdicts(table(tmp_path / "a.csv", "file,label,party", ["1.wav,human,human"]))
    b = read_verdicts(table(tmp_path / "b.csv", "file,label,party", ["1.wav,machine,human"]))
    with pytest.raises(ManifestError, match=r"1\.wav is labeled human in one table and machine in the other"):
        compare(a, b)
    c = read_verdicts(table(tmp_path / "c.csv", "file,label,party", ["2.wav,machine,human"]))
    with pytest.raises(ManifestError, match="0 calls in common: other names of files"):
        compare(a, c)
    d = read_verdicts(table(tmp_path / "d.csv", "file,party", ["1.wav,human"]))
    with pytest.raises(ManifestError, match="1 calls in common: neither table labels any"):
        compare(d, d)


def test_the_command_prints_counts_and_writes_json_and_markdown(two, capsys):
    a, b = map(str, two)
    assert main(["compare", a, b]) == 0
    out = capsys.readouterr().out
    assert [line.split() for line in out.splitlines() if line.startswith("all calls")] == [
        ["all", "calls", "20", "95.0", "%", "70.0", "%", "6", "1", "0.125"]
    ]
    assert "All calls are in both." in out
    assert main(["compare", a, b, "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["paired"]["all calls"]["only_first"] == 6
    assert (told["first"], told["second"]) == ("ours", "box")
    assert main(["compare", a, b, "--format", "md"]) == 0
    assert "| all calls | 20 | 95.0 % | 70.0 % | 6 | 1 | 0.125 |" in capsys.readouterr().out


def test_json_knows_no_number_that_is_none(tmp_path, capsys):
    a = str(table(tmp_path / "a.csv", "file,label,party", ["1.wav,human,human"]))
    assert main(["compare", a, a, "--format", "json"]) == 0
    out = capsys.readouterr().out
    assert "NaN" not in out
    assert json.loads(out)["later"]["people"]["median_s"] is None


def test_a_mapping_and_columns_can_be_given(tmp_path, capsys):
    path = table(tmp_path / "t.csv", "file,label,old,new", ["1.wav,human,live,vm", "2.wav,machine,vm,vm"])
    argv = ["compare", str(path), str(path), "--first", "old", "--second", "new"]
    assert main(argv) == 1
    assert "row 2: verdict 'live' is no name" in capsys.readouterr().err
    assert main([*argv, "--map", "live=human", "--map", "vm=machine", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["first"], told["second"]) == ("old", "new")
    assert (told["paired"]["all calls"]["only_first"], told["paired"]["all calls"]["only_second"]) == (1, 0)


@pytest.mark.parametrize("text", ["live", "=human", "live=person"])
def test_a_mapping_that_is_none_is_wrong_usage(text, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["compare", "a.csv", "b.csv", "--map", text])
    assert stop.value.code == 2
    assert "must be NAME=PARTY" in capsys.readouterr().err
