"""Every verdict has a name in every vocabulary, and only names that the other system has."""

import pytest

from amd.events import Cause, Party, SubState, Verdict, Weight
from amd.vocabularies import TwilioMode, asterisk, connect, states, twilio

TWILIO_ENABLE = {"human", "machine_start", "fax", "unknown"}
TWILIO_END = {"human", "machine_end_beep", "machine_end_silence", "machine_end_other", "fax", "unknown"}
CONNECT = {
    "HUMAN_ANSWERED",
    "VOICEMAIL_BEEP",
    "VOICEMAIL_NO_BEEP",
    "SIT_TONE_BUSY",
    "SIT_TONE_INVALID_NUMBER",
    "SIT_TONE_DETECTED",
    "FAX_MACHINE_DETECTED",
    "AMD_UNRESOLVED",
    "AMD_UNANSWERED",
}
AMDSTATUS = {"HUMAN", "MACHINE", "NOTSURE", "HANGUP"}
AMDCAUSE = {"TOOLONG", "INITIALSILENCE", "HUMAN", "LONGGREETING", "MAXWORDLENGTH", "MAXWORDS", "NOAUDIODATA"}


def verdict(party, sub_state=None, cause=Cause.DEADLINE, evidence=()):
    return Verdict(
        at_s=3.2,
        known_s=3.2,
        party=party,
        sub_state=sub_state,
        cause=cause,
        probability=0.9,
        final=True,
        evidence=evidence,
    )


def test_the_list_of_states_holds_every_sub_state():
    assert {sub_state for _, sub_state in states()} == {None, *SubState}
    assert {party for party, _ in states()} == set(Party)


@pytest.mark.parametrize(("party", "sub_state"), states())
def test_every_state_and_cause_has_a_name_that_the_system_knows(party, sub_state):
    for cause in Cause:
        given = verdict(party, sub_state, cause)
        assert twilio(given) in TWILIO_ENABLE
        assert twilio(given, TwilioMode.DETECT_MESSAGE_END) in TWILIO_END
        assert connect(given) in CONNECT
        result = asterisk(given)
        assert result.amdstatus in AMDSTATUS
        name, *figures = result.amdcause.split("-")
        assert name in AMDCAUSE
        assert figures
        assert all(figure.isdigit() for figure in figures)


def test_a_human_is_a_human_everywhere():
    given = verdict(Party.HUMAN, None, Cause.GREETING_THEN_SILENCE)
    assert (twilio(given), connect(given), asterisk(given).amdstatus) == ("human", "HUMAN_ANSWERED", "HUMAN")


def test_a_dial_tone_is_nobody_and_no_machine():
    given = verdict(Party.NETWORK, SubState.DIAL_TONE, Cause.DIAL_TONE)
    assert (twilio(given), connect(given)) == ("unknown", "AMD_UNRESOLVED")


@pytest.mark.parametrize("party", [Party.SILENCE, Party.UNSURE])
def test_what_is_not_known_is_never_called_a_machine_or_a_human(party):
    for cause in Cause:
        given = verdict(party, None, cause)
        assert twilio(given) == "unknown"
        assert connect(given) == "AMD_UNRESOLVED"
        assert asterisk(given).amdstatus in {"NOTSURE", "HANGUP"}


def test_twilio_tells_how_the_greeting_ended_only_when_asked():
    ended = verdict(Party.MACHINE, SubState.ENDED_SILENCE, Cause.LONG_GREETING)
    assert twilio(ended) == "machine_start"
    assert twilio(ended, TwilioMode.DETECT_MESSAGE_END) == "machine_end_silence"


def test_asterisk_causes_carry_what_was_measured_in_milliseconds():
    evidence = (
        Weight(name="speech_s", value=0.512, log_odds=-1.0),
        Weight(name="gap_s", value=1.024, log_odds=-1.0),
    )
    human = asterisk(verdict(Party.HUMAN, None, Cause.GREETING_THEN_SILENCE, evidence))
    assert human.amdcause == "HUMAN-1024-800"
    machine = asterisk(verdict(Party.MACHINE, SubState.GREETING, Cause.LONG_GREETING, evidence))
    assert machine.amdcause == "LONGGREETING-512-1500"


def test_a_call_that_ended_before_anything_was_known_is_a_hangup():
    assert asterisk(verdict(Party.UNSURE, None, Cause.AUDIO_ENDED)).amdstatus == "HANGUP"
    assert asterisk(verdict(Party.HUMAN, None, Cause.AUDIO_ENDED)).amdstatus == "HUMAN"
