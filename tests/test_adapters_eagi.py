"""``amd-eagi`` as Asterisk runs it: a process with pipes."""

import re

import pytest
import soundfile
from fake_asterisk import FakeAsterisk
from generated import SAMPLES

from amd.adapters.agi import set_variable
from amd.adapters.eagi import main
from amd.policy import PRESETS
from amd.recordings import Reading, classify
from amd.vocabularies import asterisk


def slin(name):
    samples, rate_hz = soundfile.read(SAMPLES / name, dtype="int16")
    assert rate_hz == 8000
    return samples.tobytes()


@pytest.mark.parametrize(
    ("name", "status", "cause"),
    [("human-01.wav", "HUMAN", r"HUMAN-\d+-800"), ("machine-02.wav", "MACHINE", r"LONGGREETING-\d+-1500")],
)
def test_a_call_sets_the_variables_that_amd_sets_from_the_verdict_of_its_recording(name, status, cause):
    expected = asterisk(classify(SAMPLES / name, Reading()).verdict)
    with FakeAsterisk("--policy", "balanced") as peer:
        peer.hear_all(slin(name) + bytes(64_000))
        assert peer.serve() == 0
        assert peer.console == ""
    assert list(peer.variables) == ["AMDSTATUS", "AMDCAUSE"]
    assert peer.variables == {"AMDSTATUS": expected.amdstatus, "AMDCAUSE": expected.amdcause}
    assert expected.amdstatus == status
    assert re.fullmatch(cause, expected.amdcause)


@pytest.mark.parametrize("how", ["hang_up", "end_audio", "close_commands"])
def test_a_hangup_before_anything_was_said_is_a_hangup(how):
    with FakeAsterisk() as peer:
        peer.hear(bytes(80_000))  # more than the pipe holds: what is left was read, so the script is up
        getattr(peer, how)()
        status = peer.serve()
    if how == "close_commands":  # nobody answers any more
        assert (status, peer.commands[:1]) == (0, ["SET VARIABLE AMDSTATUS HANGUP"])
    else:
        assert status == 0
        assert peer.variables["AMDSTATUS"] == "HANGUP"


def test_without_any_audio_the_clock_brings_the_verdict():
    with FakeAsterisk("--max-s", "1.5") as peer:
        assert peer.serve() == 0
    assert peer.variables["AMDSTATUS"] == "NOTSURE"
    found = re.fullmatch(r"INITIALSILENCE-(\d+)-\d+", peer.variables["AMDCAUSE"])
    assert 1000 <= int(found[1]) <= 1500


def test_plain_agi_has_no_audio_and_says_so():
    with FakeAsterisk(enhanced=False) as peer:
        assert peer.serve() == 0
        assert "start it with EAGI()" in peer.console
    assert peer.variables == {"AMDSTATUS": "NOTSURE", "AMDCAUSE": "NOAUDIODATA-0"}


def test_a_command_that_asterisk_refuses_is_told_on_the_console():
    with FakeAsterisk("--max-s", "1") as peer:
        peer.answer = "511 Command Not Permitted on a dead channel or intercept routine"
        assert peer.serve() == 1
        assert "did not set AMDSTATUS" in peer.console


def test_what_is_not_asterisk_is_told_so():
    with FakeAsterisk(environment="hello\n") as peer:
        assert peer.serve() == 1
        assert "not started by Asterisk" in peer.console
    assert peer.commands == []


@pytest.mark.parametrize("arguments", [("--policy", "bold"), ("--max-s", "0"), ("--max-s", "soon")])
def test_wrong_arguments_are_told_and_nothing_is_set(arguments, capsys):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    told = capsys.readouterr()
    assert (left.value.code, told.out) == (2, "")
    assert "usage: amd-eagi" in told.err


def test_every_value_that_can_be_set_needs_no_quotes():
    for name in ("human-01.wav", "machine-01.wav", "network-01.wav", "silence-01.wav", "fax-01.wav"):
        result = asterisk(classify(SAMPLES / name, Reading(policy=PRESETS["fast"])).verdict)
        for variable, value in (("AMDSTATUS", result.amdstatus), ("AMDCAUSE", result.amdcause)):
            assert set_variable(variable, value) == f"SET VARIABLE {variable} {value}\n".encode()
