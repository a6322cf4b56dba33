"""Websocket media: JSON and binary messages of each vendor, good and bad."""

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire import audio_of, media, told

from amd.adapters import json_media, l16
from amd.adapters.audiohook import AudioHookDecoder
from amd.adapters.chan_websocket import FORMATS, ChanWebsocketDecoder
from amd.adapters.json_media import JsonMediaDecoder
from amd.adapters.l16 import L16Decoder, content_rate
from amd.adapters.media import (
    MESSAGE_MAX_BYTES,
    Audio,
    Dtmf,
    MediaEvent,
    Paused,
    PeerFault,
    Reply,
    Resumed,
    Started,
    Stopped,
    Track,
)
from amd.adapters.systems import SYSTEMS, system_of
from amd.audio import Encoding
from amd.errors import WireError

CLOSED, HANGUP = Stopped(reason="closed"), Stopped(reason="hangup")
TWILIO_START = {
    "event": "start",
    "sequenceNumber": "1",
    "streamSid": "MZ1",
    "start": {
        "streamSid": "MZ1",
        "accountSid": "AC1",
        "callSid": "CA1",
        "tracks": ["inbound"],
        "customParameters": {"campaign": "spring"},
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
    },
}
TELNYX_START = {
    "event": "start",
    "sequence_number": "1",
    "stream_id": "32DE0DEA",
    "start": {
        "call_control_id": "v2:T02",
        "media_format": {"encoding": "PCMA", "sample_rate": 8000, "channels": 1},
    },
}
PLIVO_START = {
    "event": "start",
    "sequenceNumber": 0,
    "start": {
        "callId": "c-1",
        "streamId": "s-1",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-l16", "sampleRate": 16000},
    },
}
VONAGE_START = {"event": "websocket:connected", "content-type": "audio/l16;rate=16000", "campaign": "spring"}
JAMBONZ_START = {"callSid": "j-1", "from": "2025550101", "sampleRate": 8000, "mixType": "stereo"}


def audiohook(kind, seq=1, **parameters):
    return json.dumps(
        {"version": "2", "type": kind, "id": "session-1", "seq": seq, "serverseq": 0, "parameters": parameters}
    )


OFFERS = [
    {"type": "audio", "format": "PCMU", "channels": ["external", "internal"], "rate": 8000},
    {"type": "audio", "format": "PCMU", "channels": ["external"], "rate": 8000},
]
OPEN = audiohook("open", conversationId="conversation-1", participant={"ani": "+12025550101"}, media=OFFERS)


def mulaw(data, **more):
    return Audio(data=data, encoding=Encoding.MULAW, rate_hz=8000, **more)


def test_twilio_tells_start_audio_with_its_time_keys_and_stop():
    events = told(
        JsonMediaDecoder(json_media.TWILIO),
        [
            json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}),
            json.dumps(TWILIO_START),
            media(b"a" * 160, track="inbound", chunk="1", timestamp="0"),
            media(b"b" * 160, track="outbound", chunk="1", timestamp="5"),
            media(b"c" * 80, track="inbound", chunk="2", timestamp="20"),
            json.dumps({"event": "mark", "mark": {"name": "m"}}),
            json.dumps({"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": "7"}}),
            json.dumps({"event": "stop", "stop": {"callSid": "CA1"}}),
            media(b"late", track="inbound"),
            "{",
        ],
    )
    assert events == [
        Started(call_id="CA1", stream_id="MZ1", fields=(("campaign", "spring"),)),
        mulaw(b"a" * 160, at_sample=0),
        mulaw(b"b" * 160, at_sample=40, track=Track.NEAR),
        mulaw(b"c" * 80, at_sample=160),
        Dtmf(digit="7"),
        HANGUP,
    ]


def test_signalwire_speaks_as_twilio_does():
    messages = [json.dumps(TWILIO_START), media(b"a" * 160, track="inbound", timestamp="20")]
    assert told(JsonMediaDecoder(json_media.SIGNALWIRE), messages) == told(
        JsonMediaDecoder(json_media.TWILIO), messages
    )


def test_plivo_sends_16_bit_audio_at_the_rate_it_names():
    decoder = JsonMediaDecoder(json_media.PLIVO)
    events = told(decoder, [json.dumps(PLIVO_START), media(b"ab" * 320, track="inbound", timestamp=1700000000040)])
    assert events == [
        Started(call_id="c-1", stream_id="s-1"),
        Audio(data=b"ab" * 320, encoding=Encoding.PCM16, rate_hz=16_000, at_sample=1700000000040 * 16),
        CLOSED,
    ]


def test_telnyx_chunks_are_put_in_order_and_faults_told():
    order = [1, 3, 2, 2, 4, 6, 5, 8, 9]
    messages = [media(bytes([n]) * 2, track="inbound", chunk=str(n), timestamp=str(20 * n)) for n in order]
    fault = json.dumps({"event": "error", "payload": {"code": 100004, "title": "invalid_media"}})
    events = told(JsonMediaDecoder(json_media.TELNYX), [json.dumps(TELNYX_START), *messages, fault])
    assert events[0] == Started(call_id="v2:T02", stream_id="32DE0DEA")
    assert audio_of(events) == b"".join(bytes([n]) * 2 for n in (1, 2, 3, 4, 5, 6, 8, 9))
    assert {event.encoding for event in events if isinstance(event, Audio)} == {Encoding.ALAW}
    assert PeerFault(code="100004") in events
    assert events[-1] == CLOSED


@pytest.mark.parametrize(
    ("message", "match"),
    [
        ("{", "no JSON"),
        ("[1]", "must be an object"),
        ("[" * 60_000, "no JSON"),
        ("1" * 5000, "no JSON"),
        (" " * (MESSAGE_MAX_BYTES + 1), "beyond the limit"),
        (json.dumps({"event": ["media"]}), "event is a JSON list"),
        (json.dumps({"event": "media", "media": {"payload": "!"}}), "no base64"),
        (json.dumps({"event": "media", "media": {}}), "payload is not there"),
        (media(b"a", track="sideways"), "neither inbound nor outbound"),
        (media(b"a", timestamp="soon"), "whole number"),
        (json.dumps({"event": "media", "media": {"timestamp": 10**4000, "payload": ""}}), "whole number"),
        (json.dumps({"event": "dtmf", "dtmf": {"digit": "12"}}), "several keys"),
        (json.dumps({"event": "start", "start": {"mediaFormat": {"encoding": "opus"}}}), "ask twilio for mu-law"),
        (json.dumps({"event": "start", "start": {"mediaFormat": {"sampleRate": 8}}}), "kHz instead of Hz"),
        (json.dumps({"event": "start", "start": {"mediaFormat": {"channels": 2}}}), "2 channels"),
        (json.dumps({"event": "start", "start": {"callSid": "C" * 300}}), "300 characters"),
        (b"\x00" * 160, "binary frame"),
    ],
)
def test_a_bad_message_is_refused_and_the_next_one_is_read(message, match):
    decoder = JsonMediaDecoder(json_media.TWILIO)
    decoder.feed(json.dumps(TWILIO_START))
    with pytest.raises(WireError, match=match):
        decoder.feed(message)
    assert decoder.feed(media(b"a", track="inbound")) == (mulaw(b"a"),)


@pytest.mark.parametrize("dialect", json_media.DIALECTS, ids=lambda dialect: dialect.name)
def test_media_before_start_has_no_encoding(dialect):
    with pytest.raises(WireError, match="before start"):
        JsonMediaDecoder(dialect).feed(media(b"ab"))


WORDS = "MEDIA_START connection_id:c1 channel:WebSocket/c1/0x7f channel_id:17.2 format:{} ptime:20"


@pytest.mark.parametrize("name", FORMATS)
def test_chan_websocket_names_its_format_in_words_or_json(name):
    fields = {"event": "MEDIA_START", "connection_id": "c1", "channel_id": "17.2", "format": name, "ptime": 20}
    for start in (WORDS.format(name), json.dumps(fields)):
        decoder = ChanWebsocketDecoder()
        assert decoder.feed(start) == (Started(call_id="17.2", stream_id="c1"),)
        encoding, rate_hz = FORMATS[name]
        assert decoder.feed(b"abcd") == (Audio(data=b"abcd", encoding=encoding, rate_hz=rate_hz),)


def test_chan_websocket_tells_keys_and_passes_over_what_is_not_audio():
    decoder = ChanWebsocketDecoder()
    messages = [
        WORDS.format("ulaw"),
        "MEDIA_XON",
        "DTMF_END digit:5",
        '{"event": "DTMF_END", "digit": "#"}',
        "",
        b"",
    ]
    assert told(decoder, messages)[1:] == [Dtmf(digit="5"), Dtmf(digit="#"), CLOSED]
    assert decoder.feed(b"trailing") == ()


@pytest.mark.parametrize(
    ("message", "match"),
    [
        (WORDS.format("opus"), "c\\(ulaw\\)"),
        ("MEDIA_START optimal_frame_size:many format:ulaw", "whole number"),
        (b"ab", "before MEDIA_START"),
        ("DTMF_END digit:", "DTMF key"),
        ("x" * (MESSAGE_MAX_BYTES + 1), "beyond the limit"),
    ],
)
def test_chan_websocket_refuses(message, match):
    with pytest.raises(WireError, match=match):
        ChanWebsocketDecoder().feed(message)


def test_chan_websocket_takes_no_format_from_a_start_that_it_refused():
    decoder = ChanWebsocketDecoder()
    for name in ("channel_id", "channel", "connection_id"):
        with pytest.raises(WireError, match=name):
            decoder.feed(json.dumps({"event": "MEDIA_START", "format": "ulaw", name: ["c1"]}))
        with pytest.raises(WireError, match="before MEDIA_START"):
            decoder.feed(b"ab")


def test_vonage_names_the_rate_in_its_content_type():
    decoder = L16Decoder(l16.VONAGE)
    messages = [
        json.dumps(VONAGE_START),
        b"ab" * 320,
        json.dumps({"event": "websocket:dtmf", "digit": "5", "duration": 260}),
    ]
    started, audio, key, closed = told(decoder, messages)
    assert dict(started.fields)["campaign"] == "spring"
    assert audio == Audio(data=b"ab" * 320, encoding=Encoding.PCM16, rate_hz=16_000)
    assert (key, closed) == (Dtmf(digit="5"), CLOSED)


@pytest.mark.parametrize(
    "text",
    ["", "audio/l16", "audio/l16;rate=", "audio/l16;rate=999999", "audio/l16;rate=٨", "audio/opus;rate=8000"],
)
def test_a_content_type_that_names_no_rate_is_refused(text):
    with pytest.raises(WireError, match="content-type"):
        content_rate(text)


def test_jambonz_stereo_is_the_far_end_first():
    decoder = L16Decoder(l16.JAMBONZ)
    (started,) = decoder.feed(json.dumps(JAMBONZ_START))
    assert started == Started(call_id="j-1")
    far, near = decoder.feed(b"abcdefgh")
    assert (far.data, far.track, far.rate_hz) == (b"abef", Track.FAR, 8000)
    assert (near.data, near.track) == (b"cdgh", Track.NEAR)
    assert decoder.feed('{"event": "dtmf", "dtmf": "2", "duration": "1600"}') == (Dtmf(digit="2"),)


@pytest.mark.parametrize(
    ("mix", "track", "n_bytes"), [("mono", Track.FAR, 4), ("mixed", Track.MIXED, 4), ("stereo", Track.FAR, 2)]
)
def test_freeswitch_modules_take_rate_and_mix_from_whoever_started_them(mix, track, n_bytes):
    decoder = L16Decoder(l16.FREESWITCH, rate_hz=16_000, mix=mix)
    assert decoder.feed("whatever was passed") == (Started(),)
    first = decoder.feed(b"abcd")[0]
    assert (len(first.data), first.track, first.rate_hz) == (n_bytes, track, 16_000)


UUID = "5F3B7A52-2c9e-4b5e-9d55-0c1f8f1f8d11"


@pytest.mark.parametrize(
    ("text", "call_id"),
    [
        (f" {UUID}\n", UUID.lower()),
        (f'{{"uuid": "{UUID}", "to": "+12025550101"}}', UUID.lower()),
        ('{"uuid": "+12025550101"}', None),
        ('{"uuid": [1]}', None),
        ("+12025550101", None),
        ("{", None),
    ],
)
def test_freeswitch_names_the_call_where_its_uuid_was_passed(text, call_id):
    assert L16Decoder(l16.FREESWITCH).feed(text) == (Started(call_id=call_id),)


def test_l16_refuses_what_it_cannot_know():
    with pytest.raises(WireError, match="before the text frame"):
        L16Decoder(l16.VONAGE).feed(b"ab")
    with pytest.raises(WireError, match="another number of channels"):
        L16Decoder(l16.FREESWITCH, mix="stereo").feed(b"abcdef")
    with pytest.raises(WireError, match="none of mono"):
        L16Decoder(l16.FREESWITCH, mix="surround")
    with pytest.raises(WireError, match="none of mono"):
        L16Decoder(l16.JAMBONZ).feed('{"mixType": "surround"}')


def replies(events):
    return [json.loads(event.text) for event in events if isinstance(event, Reply)]


def test_audiohook_is_answered_as_it_wants():
    decoder = AudioHookDecoder()
    messages = [
        OPEN,
        b"\xff" * 1600,
        audiohook("ping", 2),
        audiohook("paused", 3),
        audiohook("resumed", 4),
        audiohook("dtmf", 5, digit="9"),
        audiohook("error", 6, code=409),
        audiohook("update", 7, language="en-US"),
        audiohook("close", 8, reason="end"),
        audiohook("ping", 9),
    ]
    events = told(decoder, messages)
    opened, pong, closed = replies(events)
    assert [message["type"] for message in (opened, pong, closed)] == ["opened", "pong", "closed"]
    assert [message["seq"] for message in (opened, pong, closed)] == [1, 2, 3]
    assert [message["clientseq"] for message in (opened, pong, closed)] == [1, 2, 8]
    assert {message["id"] for message in (opened, pong, closed)} == {"session-1"}
    assert opened["parameters"] == {"startPaused": False, "media": [OFFERS[1]]}
    assert pong["position"] == "PT0.200S"
    rest = [event for event in events if not isinstance(event, Reply)]
    assert rest == [
        Started(call_id="conversation-1", stream_id="session-1"),
        mulaw(b"\xff" * 1600),
        Paused(),
        Resumed(),
        Dtmf(digit="9"),
        PeerFault(code="409"),
        HANGUP,
    ]


def test_audiohook_forgets_the_number_of_a_message_that_it_refused():
    decoder = AudioHookDecoder()
    decoder.feed(OPEN)
    with pytest.raises(WireError, match="DTMF key"):
        decoder.feed(audiohook("dtmf", 9, digit="x"))
    (pong,) = replies(decoder.feed(audiohook("ping", 2)))
    assert pong["clientseq"] == 2


def test_audiohook_takes_the_left_channel_as_the_far_end_when_only_both_are_offered():
    decoder = AudioHookDecoder()
    decoder.feed(audiohook("open", media=OFFERS[:1]))
    far, near = decoder.feed(b"axbycz")
    assert (far.data, far.track, near.data, near.track) == (b"abc", Track.FAR, b"xyz", Track.NEAR)


def test_audiohook_ends_when_no_media_will_do():
    events = told(AudioHookDecoder(), [audiohook("open", media=[{"type": "audio", "format": "OPUS"}]), b"ab"])
    assert [message["type"] for message in replies(events)] == ["disconnect"]
    assert events[-1] == Stopped(reason="no usable media was offered")


@pytest.mark.parametrize(
    ("messages", "match"),
    [
        ([audiohook("ping")], "begins with open"),
        ([b"ab"], "before the session was opened"),
        (["{}"], "must have type, id and seq"),
        ([audiohook("open", media="all")], "must be a list"),
        ([OPEN.replace('"2"', '"3"', 1)], "version '3'"),
        ([OPEN, audiohook("ping").replace("session-1", "session-2")], "another session"),
    ],
)
def test_audiohook_refuses(messages, match):
    decoder = AudioHookDecoder()
    *good, bad = messages
    for message in good:
        decoder.feed(message)
    with pytest.raises(WireError, match=match):
        decoder.feed(bad)


def test_no_audio_key_or_field_of_a_caller_shows_in_a_repr():
    events = [
        *told(JsonMediaDecoder(json_media.TWILIO), [json.dumps(TWILIO_START), media(b"secret")]),
        Dtmf(digit="7"),
        *told(AudioHookDecoder(), [OPEN]),
        *told(L16Decoder(l16.JAMBONZ), [json.dumps(JAMBONZ_START)]),
    ]
    shown = repr(events)
    for hidden in ("secret", "spring", "'7'", "2025550101"):
        assert hidden not in shown


def test_an_unknown_system_is_named_with_those_there_are():
    with pytest.raises(WireError, match="audiosocket, eagi, rtp"):
        system_of("carrier pigeon")


STARTS = [json.dumps(one) for one in (TWILIO_START, TELNYX_START, PLIVO_START, VONAGE_START, JAMBONZ_START)]
STARTS += [OPEN, WORDS.format("slin"), audiohook("close"), json.dumps({"event": "stop"})]
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=5,
)


def replaced(message, path, value):
    """The message with what is at a path of positions replaced."""
    if isinstance(message, dict) and message and path:
        name = sorted(message)[path[0] % len(message)]
        return {**message, name: replaced(message[name], path[1:], value)}
    return value


MUTATED = st.builds(
    lambda text, path, value: json.dumps(replaced(json.loads(text), path, value)),
    st.sampled_from(
        [text for text in STARTS if text.startswith("{")]
        + [media(b"abcd", track="inbound", chunk=3, timestamp=60)]
    ),
    st.lists(st.integers(0, 7), min_size=1, max_size=3),
    JSON,
)
MESSAGES = st.lists(
    st.one_of(
        st.sampled_from(STARTS),
        MUTATED,
        st.integers(0, 40).map(lambda n: media(b"abcd", track="inbound", chunk=n, timestamp=20 * n)),
        st.text(max_size=30),
        st.binary(max_size=30),
    ),
    max_size=8,
)
WEBSOCKETS = [name for name, system in SYSTEMS.items() if system.websocket]


@pytest.mark.parametrize("name", WEBSOCKETS)
@given(messages=MESSAGES)
def test_whatever_comes_a_decoder_raises_only_its_declared_error(name, messages):
    decoder = SYSTEMS[name].make()
    events = []
    for message in messages:
        try:
            events += decoder.feed(message)
        except WireError as error:
            assert str(error)  # noqa: PT017 -- others fail the test
        events += decoder.flush()
    events += decoder.finish()
    assert decoder.finish() == ()
    assert decoder.feed("{}") == ()
    assert all(isinstance(event, MediaEvent) for event in events)
    assert sum(isinstance(event, Stopped) for event in events) == 1
    for event in events:
        if isinstance(event, Audio):
            assert event.n_samples * event.encoding.sample_bytes == len(event.data) > 0


@pytest.mark.parametrize("name", ["telnyx", "twilio", "jambonz", "audiohook", "asterisk"])
def test_a_stream_without_end_takes_no_memory(name):
    decoder = SYSTEMS[name].make()
    for start in STARTS[:-2]:
        try:
            decoder.feed(start)
            break
        except WireError:
            continue
    jumps = [media(bytes(160), track="inbound", chunk=2 * n + 10, timestamp=20 * n) for n in range(300)]
    binary = [bytes(640)] * 300

    def feed_all():
        for message in jumps + binary:
            try:
                decoder.feed(message)
            except WireError:
                continue

    tracemalloc.start()
    try:
        for _ in range(3):
            feed_all()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(10):
            feed_all()
        # 2 MB went through; free lists of the interpreter take up to 100 kB, and no more
        assert tracemalloc.get_traced_memory()[0] - before < 150_000
    finally:
        tracemalloc.stop()
