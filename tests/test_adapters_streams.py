"""AudioSocket and AGI: byte streams. Every case is read whole, byte by byte, and with what trails."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire import FAULT, audio_of, bytewise, cut, frame, told

from amd.adapters.agi import AgiReader, Answer, EagiAudioDecoder, Hangup, set_variable
from amd.adapters.audiosocket import HEADER_BYTES, RATES_HZ, AudioSocketDecoder
from amd.adapters.media import Audio, Dtmf, PeerFault, Started, Stopped
from amd.audio import RATE_HZ, Encoding
from amd.errors import WireError

CALL = uuid.UUID("5f3b7a52-2c9e-4b5e-9d55-0c1f8f1f8d11")
HELLO = frame(0x01, CALL.bytes)
STARTED = Started(call_id=str(CALL))
CLOSED, HANGUP = Stopped(reason="closed"), Stopped(reason="hangup")


def slin(data, rate_hz=RATE_HZ):
    return Audio(data=data, encoding=Encoding.PCM16, rate_hz=rate_hz)


AUDIOSOCKET = {
    "nothing": (b"", [CLOSED]),
    "a call that is hung up": (
        HELLO + frame(0x10, b"ab" * 160) + frame(0x00),
        [STARTED, slin(b"ab" * 160), HANGUP],
    ),
    "the end without a hangup": (HELLO + frame(0x10, b"ab"), [STARTED, slin(b"ab"), CLOSED]),
    "a short last frame": (
        frame(0x10, b"ab" * 160) + frame(0x10, b"cd"),
        [slin(b"ab" * 160), slin(b"cd"), CLOSED],
    ),
    "an empty frame": (frame(0x10), [CLOSED]),
    "the longest frame": (frame(0x12, bytes(65_534)), [slin(bytes(65_534), 16_000), CLOSED]),
    "keys": (frame(0x03, b"#") + frame(0x03, b"a"), [Dtmf(digit="#"), Dtmf(digit="A"), CLOSED]),
    "a fault of Asterisk's": (frame(0xFF, b"\x02"), [PeerFault(code="02"), CLOSED]),
    "a fault without a code": (frame(0xFF), [PeerFault(code="none"), CLOSED]),
    "a kind of the future": (frame(0x42, b"what") + frame(0x10, b"ab"), [slin(b"ab"), CLOSED]),
    "half a header at the end": (frame(0x10, b"ab") + b"\x10\x00", [slin(b"ab"), CLOSED]),
    "half a frame at the end": (frame(0x10, b"ab") + frame(0x10, b"cdef")[:5], [slin(b"ab"), CLOSED]),
    "half a sample": (HELLO + frame(0x10, b"abc"), [STARTED, FAULT]),
    "a UUID as text": (frame(0x01, str(CALL).encode()), [FAULT]),
    "two keys in one": (frame(0x10, b"ab") + frame(0x03, b"12"), [slin(b"ab"), FAULT]),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", [CLOSED]),
}


@pytest.mark.parametrize("case", AUDIOSOCKET)
def test_audiosocket_is_read_whole_and_byte_by_byte(case):
    data, expected = AUDIOSOCKET[case]
    assert told(AudioSocketDecoder(), [data]) == expected
    assert told(AudioSocketDecoder(), bytewise(data)) == expected


@pytest.mark.parametrize("trail", [frame(0x10, b"ab"), b"\x00", b"\xff" * 9, frame(0x01, b"short")])
def test_nothing_counts_after_a_hangup(trail):
    data = HELLO + frame(0x00)
    for pieces in ([data + trail], [data, trail], bytewise(data + trail)):
        assert told(AudioSocketDecoder(), pieces) == [STARTED, HANGUP]


@pytest.mark.parametrize(("kind", "rate_hz"), RATES_HZ.items())
def test_the_kind_of_an_audio_frame_is_its_rate(kind, rate_hz):
    assert AudioSocketDecoder().feed(frame(kind, b"abcd")) == (slin(b"abcd", rate_hz),)


def test_a_broken_audiosocket_stays_broken_and_says_why():
    decoder = AudioSocketDecoder()
    with pytest.raises(WireError, match="must have 16") as first:
        decoder.feed(frame(0x01, b"short"))
    with pytest.raises(WireError) as again:
        decoder.feed(HELLO)
    assert again.value is first.value


def test_text_is_no_audiosocket():
    with pytest.raises(WireError, match="a websocket"):
        AudioSocketDecoder().feed("text")


FRAMES = st.lists(
    st.builds(frame, st.sampled_from([0, 1, 3, 0x10, 0x12, 0xFF, 0x42]), st.binary(max_size=20)), max_size=6
).map(b"".join)
PLACES = st.lists(st.integers(0, 10_000), max_size=8)


@given(st.one_of(st.binary(max_size=200), FRAMES), PLACES)
def test_any_cut_of_any_bytes_gives_the_same_from_audiosocket(data, places):
    whole = told(AudioSocketDecoder(), [data])
    decoder = AudioSocketDecoder()
    assert told(decoder, cut(data, places)) == whole
    assert told(AudioSocketDecoder(), bytewise(data)) == whole


@given(st.binary(min_size=1, max_size=64))
def test_audiosocket_keeps_at_most_one_frame(data):
    decoder = AudioSocketDecoder()
    decoder.feed(b"\x10\xff\xfe")
    for _ in range(20):
        try:
            decoder.feed(data * 500)
        except WireError:
            break
        assert len(decoder._rest) < HEADER_BYTES + 65_536


ENVIRONMENT = (
    b"agi_request: amd-eagi\nagi_channel: PJSIP/trunk-00000001\nagi_language: en\nagi_type: PJSIP\n"
    b"agi_uniqueid: 1700000000.1\nagi_version: 20.5.0\nagi_callerid: 2025550101\nagi_enhanced: 1.0\n"
    b"agi_arg_1: --policy\n\n"
)
BEGUN = Started(call_id="1700000000.1")
AGI = {
    "an environment": (ENVIRONMENT, [BEGUN]),
    "no id": (b"agi_request: amd-eagi\n\n", [Started()]),
    "carriage returns": (
        b"agi_uniqueid: 1.2\r\n\r\n200 result=1\r\n",
        [Started(call_id="1.2"), Answer(code=200, result="1")],
    ),
    "answers": (
        ENVIRONMENT
        + b"200 result=1\n200 result=0 (some text) endpos=7\n511 Command Not Permitted on a dead channel\n",
        [BEGUN, Answer(code=200, result="1"), Answer(code=200, result="0"), Answer(code=511, result=None)],
    ),
    "a usage text": (
        ENVIRONMENT
        + b"520-Invalid command syntax.  Proper usage follows:\nUsage: ...\n520 End of proper usage.\n",
        [BEGUN, Answer(code=520, result=None)],
    ),
    "a hangup": (ENVIRONMENT + b"HANGUP\n", [BEGUN, Hangup()]),
    "half an answer": (ENVIRONMENT + b"200 resu", [BEGUN]),
    "not from Asterisk": (b"hello\n", [FAULT]),
    "a line without an end": (ENVIRONMENT + b"2" * 5000, [BEGUN, FAULT]),
    "an environment without an end": (b"agi_arg: x\n" * 300, [FAULT]),
}


def agi_told(pieces):
    reader = AgiReader()
    told_so_far = []
    try:
        for piece in [*pieces, b""]:
            told_so_far += reader.feed(piece)
    except WireError:
        told_so_far.append(FAULT)
    return told_so_far


@pytest.mark.parametrize("case", AGI)
def test_agi_is_read_whole_and_byte_by_byte(case):
    data, expected = AGI[case]
    assert agi_told([data]) == expected
    assert agi_told(bytewise(data)) == expected


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=100).map(lambda rest: ENVIRONMENT + rest)), PLACES)
def test_any_cut_of_any_bytes_gives_the_same_from_agi(data, places):
    assert agi_told(cut(data, places)) == agi_told([data])


def test_no_number_of_a_caller_is_in_what_agi_tells():
    assert "2025550101" not in repr(agi_told([ENVIRONMENT]))


@pytest.mark.parametrize(
    ("name", "value"), [("A B", "1"), ("A", "1\n2"), ("A", ""), ("", "1"), ("A", '"'), ("1A", "1")]
)
def test_a_variable_that_would_need_quotes_is_refused(name, value):
    with pytest.raises(WireError, match="letters"):
        set_variable(name, value)


@given(st.binary(max_size=2000), PLACES)
def test_eagi_audio_is_the_bytes_in_frames_of_20_ms(data, places):
    events = told(EagiAudioDecoder(), cut(data, places))
    assert events == told(EagiAudioDecoder(), [data])
    assert audio_of(events) == data[: len(data) // 2 * 2]
    assert events[-1] == CLOSED
    assert all(event.n_samples == 160 for event in events[:-2])
