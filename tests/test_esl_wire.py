"""The event socket's wire format: messages however they are cut, and commands that hold what they should."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire import bytewise, cut

from callback.dialers.esl_record import ended_by, ended_in, entry_of_cause, hook, uuid_of
from callback.dialers.esl_wire import EslFault, Framer, command, read_event, read_headers, variables
from callback.dialers.placings import check_number
from callback.states import Outcome

EVENT = "Event-Name: DTMF\nUnique-ID: u-1\nDTMF-Digit: %23\n\n"
JOB = "Event-Name: BACKGROUND_JOB\nJob-UUID: j-1\nContent-Length: 15\n\n-ERR USER_BUSY\n"
STREAM = (
    b"Content-Type: auth/request\n\n"
    b"Content-Type: command/reply\nReply-Text: +OK accepted\n\n"
    + f"Content-Length: {len(EVENT)}\nContent-Type: text/event-plain\n\n{EVENT}".encode()
    + b"Content-Type: api/response\nContent-Length: 6\n\ntrue\n\n"
    + f"Content-Length: {len(JOB)}\nContent-Type: text/event-plain\n\n{JOB}".encode()
)


def read(pieces):
    framer = Framer()
    return [message for piece in pieces for message in framer.feed(piece)]


def test_messages_are_the_same_whole_and_byte_by_byte():
    whole = read([STREAM])
    assert [message.kind for message in whole] == [
        "auth/request",
        "command/reply",
        "text/event-plain",
        "api/response",
        "text/event-plain",
    ]
    assert (whole[1].answer, whole[3].answer) == ("+OK accepted", "true")
    assert read_event(whole[2].body)["DTMF-Digit"] == "#"
    assert read_event(whole[4].body).body == "-ERR USER_BUSY\n"
    assert read(bytewise(STREAM)) == whole


@given(st.lists(st.integers(0, 10_000), max_size=8))
def test_messages_are_the_same_however_they_are_cut(places):
    assert read(cut(STREAM, places)) == read([STREAM])


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 70_000,
        b"Content-Type: api/response\nContent-Length: 99999999\n\n",
        b"Content-Type: api/response\nContent-Length: -1\n\n",
        b"no colon\n\n",
        b"A" * 70_000,
    ],
)
def test_what_is_no_event_socket_is_a_fault(data):
    with pytest.raises(EslFault):
        read([data])


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_command_is_one_command(text, value):
    try:
        data = command(text, {"name": value})
    except ValueError:
        return
    assert data.decode().count("\n\n") == 1
    assert data.endswith(b"\n\n")
    assert len(data.decode().splitlines()) == 3


@given(st.text(max_size=20))
def test_a_number_that_passes_is_digits(text):
    try:
        number = check_number(text)
    except ValueError:
        return
    assert number[0] == "+"
    assert number[1:].isascii()
    assert number[1:].isdecimal()


def test_variables_have_names():
    with pytest.raises(ValueError, match="channel variable"):
        variables({"a}b": "1"})


def test_a_header_that_comes_twice_is_the_last():
    assert read_headers("A: 1\nA: 2\n") == {"A": "2"}


NOW = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "failed", "cause", "talked"),
    [
        ({"hangup_cause_q850": "17"}, Outcome.BUSY, "Q.850 17", False),
        ({"hangup_cause_q850": "17", "sip_term_status": "607"}, Outcome.SUPPRESSED, "SIP 607", False),
        ({"hangup_cause_q850": "31"}, Outcome.NETWORK, "Q.850 31", False),
        ({"hangup_cause_q850": "31", "progress_uepoch": "5"}, Outcome.NO_ANSWER, "Q.850 31", False),
        ({"hangup_cause_q850": "31", "progress_media_uepoch": "5"}, Outcome.NO_ANSWER, "Q.850 31", False),
        ({"hangup_cause_q850": "16", "answer_uepoch": "7", "sip_term_status": "486"}, None, "Q.850 16", False),
        ({"hangup_cause_q850": "16", "answer_uepoch": "7", "bridge_uepoch": "9"}, None, "Q.850 16", True),
        ({"hangup_cause_q850": "16", "answer_uepoch": "7", "amd_callback_talked": "true"}, None, "Q.850 16", True),
        ({}, Outcome.NETWORK, "Q.850 0", False),
    ],
)
def test_ends_by_their_variables(values, failed, cause, talked):
    ended = ended_by(values, "d-1", NOW)
    assert (ended.failed, ended.cause, ended.talked, ended.at) == (failed, cause, talked, NOW)


@pytest.mark.parametrize(
    ("cause", "failed"),
    [
        ("USER_BUSY", Outcome.BUSY),
        ("UNALLOCATED_NUMBER", Outcome.BAD_NUMBER),
        ("GATEWAY_DOWN", Outcome.NETWORK),
        ("CALL_REJECTED", Outcome.REFUSED),
    ],
)
def test_an_entry_of_a_cause_reads_as_its_class(cause, failed):
    assert ended_in(entry_of_cause(cause, NOW), "d-1", NOW).failed is failed


@pytest.mark.parametrize("entry", ["", "error/ORIGINATOR_CANCEL", "sofia/gateway/carrier/+12025550123"])
def test_a_dial_without_an_end_is_our_networks(entry):
    ended = ended_in(entry, "d-1", NOW)
    assert (ended.failed, ended.cause) == (Outcome.NETWORK, "not known to FreeSWITCH")


def test_the_hook_is_expanded_when_the_call_ends_and_not_before():
    assert hook(uuid_of("d-1")).count(r"\${") == hook(uuid_of("d-1")).count("$") == 8
