"""What the detector's own decoder hears in messages of Twilio's Media Streams."""

from __future__ import annotations

from itertools import islice

from far_audio import frames, mulaw
from wire import audio_of

from amd.adapters.systems import SYSTEMS


def heard(messages, *, sample=None, n=0) -> bytes:
    """The audio of messages as they came; without any, that of the first frames of a sample."""
    if messages is None:
        return b"".join(mulaw(frame) for frame in islice(frames(sample), n))
    decoder = SYSTEMS["twilio"].make()
    return audio_of([event for message in messages for event in decoder.feed(message)])
