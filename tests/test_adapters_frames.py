"""Frames as objects: LiveKit's and Pipecat's, stood in for, and the real ones where they are installed."""

import asyncio
import dataclasses
import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from generated import SAMPLES

from amd import Detector, Event, Verdict
from amd.adapters.frames import FRAME_MAX_BYTES, FrameCall, judge_stream
from amd.adapters.pipecat import processor
from amd.errors import MissingExtraError, WireError
from amd.policy import PRESETS

QUICK = dataclasses.replace(PRESETS["balanced"], silence_early_s=1.0, silence_max_s=1.0)
has_livekit = pytest.mark.skipif(importlib.util.find_spec("livekit") is None, reason="livekit is not installed")
has_pipecat = pytest.mark.skipif(importlib.util.find_spec("pipecat") is None, reason="pipecat-ai is not installed")


def slin(name):
    samples, _ = soundfile.read(SAMPLES / name, dtype="int16")
    data = samples.tobytes() + bytes(32_000)
    return [data[at : at + 320] for at in range(0, len(data) // 320 * 320, 320)]


def alone(frames):
    detector = Detector()
    return [*detector.feed(b"".join(frames)), *detector.finish()]


def livekit_frame(data, rate_hz=8000, n_channels=1):
    return SimpleNamespace(
        frame=SimpleNamespace(data=memoryview(data), sample_rate=rate_hz, num_channels=n_channels)
    )


async def stream_of(events, *, then_wait=False):
    for event in events:
        yield event
    if then_wait:
        await asyncio.Event().wait()


def judged(stream, **fields):
    told = []
    verdict = asyncio.run(judge_stream(stream, told.append, **fields))
    return verdict, [event for event in told if isinstance(event, Event)]


def test_the_frames_of_a_track_give_the_events_of_their_audio():
    frames = slin("human-01.wav")
    verdict, events = judged(stream_of(livekit_frame(data) for data in frames))
    assert events == alone(frames)
    assert verdict == [event for event in events if isinstance(event, Verdict)][-1]


def test_of_two_channels_the_first_is_judged():
    frames = slin("machine-01.wav")
    noise = np.random.default_rng(5)
    stereo = [
        np.stack([np.frombuffer(data, "<i2"), noise.integers(-999, 999, 160, "<i2")], axis=1).tobytes()
        for data in frames
    ]
    _, events = judged(stream_of(livekit_frame(data, n_channels=2) for data in stereo))
    assert events == alone(frames)


def test_a_track_that_sends_nothing_is_silence():
    verdict, events = judged(stream_of([], then_wait=True), policy=dataclasses.replace(QUICK, watch_s=0.0))
    assert str(verdict.party) == "silence"
    assert [event.final for event in events if isinstance(event, Verdict)] == [True]


@pytest.mark.parametrize(
    ("data", "rate_hz", "n_channels", "match"),
    [
        (b"abc", 8000, 1, "whole number"),
        (b"abcdef", 8000, 2, "whole number"),
        (b"ab", 8, 1, "kHz"),
        (b"ab", 8000, 0, "1 to 8"),
        (bytes(FRAME_MAX_BYTES + 2), 8000, 1, "beyond the limit"),
    ],
)
def test_a_frame_that_is_none_is_refused(data, rate_hz, n_channels, match):
    with pytest.raises(WireError, match=match):
        FrameCall(now_s=0.0).hear(data, rate_hz=rate_hz, n_channels=n_channels, now_s=0.0)


@pytest.mark.skipif(importlib.util.find_spec("pipecat") is not None, reason="pipecat-ai is installed")
def test_without_pipecat_its_processor_says_what_to_install():
    with pytest.raises(MissingExtraError, match="pipecat-ai"):
        processor(print)


@has_livekit
def test_real_livekit_frames_are_judged():
    from livekit import rtc

    frames = slin("human-01.wav")
    real = (rtc.AudioFrameEvent(frame=rtc.AudioFrame(data, 8000, 1, 160)) for data in frames)
    _, events = judged(stream_of(real))
    assert events == alone(frames)


@has_pipecat
def test_a_real_pipecat_pipeline_is_judged_and_its_frames_pass():
    from pipecat.frames.frames import InputAudioRawFrame
    from pipecat.tests.utils import run_test

    frames = slin("human-01.wav")
    told = []
    sent = [InputAudioRawFrame(audio=data, sample_rate=8000, num_channels=1) for data in frames]

    async def scenario():
        return await run_test(
            processor(told.append), frames_to_send=sent, expected_down_frames=[InputAudioRawFrame] * len(sent)
        )

    down, _ = asyncio.run(scenario())
    assert [frame.audio for frame in down] == frames
    assert [event.party for event in told if isinstance(event, Verdict)] == [
        event.party for event in alone(frames) if isinstance(event, Verdict)
    ]
