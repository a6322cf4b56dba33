"""A call from the wire to its verdict: the detector's own events, whatever carried the audio, and on time."""

import base64
import json

import numpy as np
import pytest
import soundfile
from generated import SAMPLES
from hypothesis import given, settings
from hypothesis import strategies as st
from wire import cut, frame, media, rtp

from amd import Detector, Event, Party, Verdict
from amd.adapters.audiohook import AudioHookDecoder
from amd.adapters.audiosocket import AudioSocketDecoder
from amd.adapters.call import Call
from amd.adapters.clock import STEP_S, Timing
from amd.adapters.json_media import TWILIO, JsonMediaDecoder
from amd.adapters.media import Audio, Started, Stopped
from amd.adapters.rtp import RtpDecoder
from amd.adapters.systems import SYSTEMS
from amd.errors import WireError

TIMING = Timing(jitter_s=0.1)
FRAME_S = 0.02
TWILIO_START = json.dumps({"event": "start", "streamSid": "MZ1", "start": {"callSid": "CA1"}})


def slin(name, seconds):
    """The first seconds of a sample as 16-bit audio, in frames of 20 ms."""
    samples, rate_hz = soundfile.read(SAMPLES / name, dtype="int16", frames=round(seconds * 8000))
    assert rate_hz == 8000
    data = samples.tobytes()
    return [data[at : at + 320] for at in range(0, len(data), 320)]


def verdicts(told):
    return [event for event in told if isinstance(event, Verdict)]


def judged(told):
    """What the detector said."""
    return [event for event in told if isinstance(event, Event)]


def alone(data):
    detector = Detector()
    return [*detector.feed(data), *detector.finish()]


@pytest.mark.parametrize("name", ["human-01.wav", "machine-01.wav", "network-01.wav"])
def test_over_audiosocket_a_call_gives_the_events_of_its_audio(name):
    frames = slin(name, 8.0)
    call = Call(AudioSocketDecoder(), timing=TIMING, now_s=50.0)
    told = [*call.feed(frame(0x01, bytes(16)), 50.0)]
    for k, data in enumerate(frames):
        now_s = 50.0 + (k + 1) * FRAME_S + 0.09 * (k % 7 == 3)
        told += call.feed(frame(0x10, data), now_s)
        told += call.tick(now_s)
    told += call.feed(frame(0x00), 60.0)
    assert judged(told) == alone(b"".join(frames))
    assert told[0] == Started(call_id=call.call_id)
    assert call.stopped
    assert call.feed(b"more", 61.0) == call.tick(62.0) == call.finish(63.0) == ()


@settings(max_examples=10)
@given(st.lists(st.integers(0, 10**6), max_size=12))
def test_any_cut_of_the_stream_gives_the_same_call(places):
    frames = slin("human-01.wav", 3.0)
    stream = frame(0x01, bytes(16)) + b"".join(frame(0x10, data) for data in frames) + frame(0x00)
    call = Call(AudioSocketDecoder(), timing=TIMING, now_s=0.0)
    told = [event for piece in cut(stream, places) for event in call.feed(piece, 0.0)]
    assert judged(told) == alone(b"".join(frames))


def test_a_human_is_heard_though_the_far_end_sends_nothing_after_the_hello():
    frames = slin("human-01.wav", 1.3)
    call = Call(AudioSocketDecoder(), timing=TIMING, now_s=0.0)
    told = []
    for k, data in enumerate(frames):
        told += call.feed(frame(0x10, data), (k + 1) * FRAME_S)
    assert verdicts(told) == []
    now_s = 1.3
    while not verdicts(told) and now_s < 10:
        now_s += 0.05
        told += call.tick(now_s)
    (verdict,) = verdicts(told)
    assert verdict.party is Party.HUMAN
    assert verdict.known_s <= now_s <= verdict.known_s + call.allowance_s + 0.05 + STEP_S + 0.05


def test_late_audio_changes_nothing_that_was_said():
    frames = slin("human-01.wav", 1.3)
    call = Call(JsonMediaDecoder(TWILIO), timing=TIMING, now_s=0.0)
    told = [*call.feed(TWILIO_START, 0.0)]
    mulaw = [bytes([255]) * 160] * len(frames)
    for k in range(len(frames)):
        told += call.feed(media(mulaw[k], track="inbound", chunk=k, timestamp=20 * k), (k + 1) * FRAME_S)
    told += call.tick(11.0)
    before = verdicts(told)
    assert [(verdict.party, verdict.final) for verdict in before] == [
        (Party.SILENCE, False),
        (Party.SILENCE, True),
    ]
    loud = bytes(range(160))
    late = [
        event
        for k in range(70, 500)
        for event in call.feed(media(loud, track="inbound", chunk=k, timestamp=20 * k), 11.0)
    ]
    assert verdicts(late) == []
    assert call.verdict == before[-1]


def test_nothing_at_all_is_silence_and_not_an_endless_wait():
    for system in SYSTEMS.values():
        call = Call(system.make(), timing=system.timing, now_s=0.0)
        told = [event for n in range(1, 13) for event in call.tick(float(n))]
        assert [verdict.party for verdict in verdicts(told)] == [Party.SILENCE, Party.SILENCE]
        assert call.verdict.known_s < 10.1


def test_a_connection_that_closes_at_once_heard_nothing():
    call = Call(AudioSocketDecoder(), timing=TIMING, now_s=0.0)
    told = call.finish(0.0)
    assert told[0] == Stopped(reason="closed")
    (verdict,) = verdicts(told)
    assert (verdict.party, str(verdict.cause)) == (Party.UNSURE, "no_audio")


def test_our_own_side_is_not_judged():
    frames = slin("machine-01.wav", 4.0)
    call = Call(JsonMediaDecoder(TWILIO), timing=TIMING, now_s=0.0)
    call.feed(TWILIO_START, 0.0)
    for k in range(len(frames)):
        now_s = (k + 1) * FRAME_S
        call.feed(media(bytes(range(160)), track="outbound", chunk=k, timestamp=20 * k), now_s)
        call.feed(media(b"\xff" * 160, track="inbound", chunk=k, timestamp=20 * k), now_s)
    (verdict,) = verdicts(call.finish(4.0))
    assert verdict.party is Party.SILENCE


def test_rtp_loss_and_reordering_leave_the_rest_in_its_place():
    frames = [np.frombuffer(data, "<i2").astype(">i2").tobytes() for data in slin("human-01.wav", 4.0)]
    lost = {10, 60, 61, 120}
    clean = b"".join(bytes(320) if k in lost else data for k, data in enumerate(frames))
    sent = [(k, rtp(k, 160 * k, data, payload_type=96)) for k, data in enumerate(frames) if k not in lost]
    sent[20], sent[22] = sent[22], sent[20]
    from amd import Encoding

    call = Call(RtpDecoder({96: (Encoding.PCM16BE, 8000)}), timing=TIMING, now_s=0.0)
    told = [event for k, packet in sent for event in call.feed(packet, (k + 1) * FRAME_S)]
    told += call.finish(4.0)
    detector = Detector(encoding="pcm16be")
    assert judged(told) == [*detector.feed(clean), *detector.finish()]


def test_a_rate_that_changes_within_a_call_goes_on_in_its_time():
    call = Call(AudioSocketDecoder(), timing=TIMING, now_s=0.0)
    told = []
    for k in range(300):
        kind, n_bytes = (0x10, 320) if k < 100 else (0x12, 640)
        told += call.feed(frame(kind, bytes(n_bytes)), (k + 1) * FRAME_S)
    told += call.finish(6.0)
    first, last = verdicts(told)
    assert (first.party, first.final, last.party, last.final) == (Party.SILENCE, False, Party.SILENCE, True)
    assert first.known_s == pytest.approx(5.0, abs=0.05)
    assert last.known_s == pytest.approx(6.0, abs=0.02)


def test_a_pause_of_the_far_end_is_no_silence():
    media_offer = [{"type": "audio", "format": "PCMU", "channels": ["external"], "rate": 8000}]

    def message(kind, seq, **parameters):
        return json.dumps({"version": "2", "type": kind, "id": "s", "seq": seq, "parameters": parameters})

    call = Call(AudioHookDecoder(), timing=SYSTEMS["audiohook"].timing, now_s=0.0)
    call.feed(message("open", 1, media=media_offer), 0.0)
    call.feed(b"\xff" * 1600, 0.2)
    call.feed(message("paused", 2), 0.2)
    assert verdicts(call.tick(30.0)) == []
    call.feed(message("resumed", 3), 30.0)
    assert [verdict.final for verdict in verdicts(call.tick(36.0))] == [False]


def test_a_fault_of_the_wire_is_raised_and_the_call_can_still_be_judged():
    call = Call(AudioSocketDecoder(), timing=TIMING, now_s=0.0)
    call.feed(b"".join(frame(0x10, data) for data in slin("machine-01.wav", 2.0)), 0.02)
    with pytest.raises(WireError):
        call.feed(frame(0x10, b"odd"), 2.0)
    with pytest.raises(WireError):
        call.finish(2.0)
    (verdict, *_) = verdicts(call.give_up())
    assert verdict.final


def test_no_audio_is_told():
    call = Call(AudioSocketDecoder(), timing=TIMING, now_s=0.0)
    told = call.feed(frame(0x10, b"ab" * 160) + frame(0x00), 0.02)
    assert not any(isinstance(event, Audio) for event in told)
    assert base64.b64encode(b"ab" * 160).decode() not in repr(told)
