"""Audio frames as objects of this process: 16-bit samples with a rate and a number of channels, and no wire.

LiveKit's ``AudioFrame`` and Pipecat's ``AudioRawFrame`` are such frames. Neither package is needed here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, Callable
from typing import Final, Protocol

import numpy as np

from amd.adapters.call import Call, Told
from amd.adapters.clock import Timing
from amd.adapters.media import Audio, MediaEvent, Stopped, check_size, check_whole
from amd.audio import Encoding, check_rate
from amd.errors import AudioError, WireError
from amd.events import Verdict
from amd.model import Model
from amd.policy import PRESETS, Policy

TIMING: Final = Timing(jitter_s=0.1)
TICK_S: Final = 0.05
CHANNELS_MAX: Final = 8
FRAME_MAX_BYTES: Final = 1_048_576
"""Five seconds of 48 kHz stereo: frames have 10 or 20 ms."""


class FrameDecoder:
    """Decode frames of one party; of several channels, the first is taken. A call is given one by `FrameCall`."""

    def __init__(self) -> None:
        self._rate_hz = 0
        self._n_channels = 1
        self._stopped = False

    def describe(self, rate_hz: int, n_channels: int) -> None:
        """Say what the next frame is."""
        if not 1 <= n_channels <= CHANNELS_MAX:
            raise WireError(f"{n_channels} channels must be 1 to {CHANNELS_MAX}")
        try:
            self._rate_hz = check_rate(rate_hz)
        except AudioError as error:
            raise WireError(str(error)) from None
        self._n_channels = n_channels

    def feed(self, data: bytes | str, /) -> tuple[MediaEvent, ...]:
        """Take a frame's samples, interleaved."""
        if isinstance(data, str):
            raise WireError("a frame has samples, not text")
        check_size(len(data), "a frame", FRAME_MAX_BYTES)
        check_whole(data, Encoding.PCM16, self._n_channels)
        if self._stopped or not data:
            return ()
        first = np.frombuffer(data, dtype="<i2").reshape(-1, self._n_channels)[:, 0].tobytes()
        return (Audio(data=first, encoding=Encoding.PCM16, rate_hz=self._rate_hz),)

    def flush(self) -> tuple[MediaEvent, ...]:
        """Nothing is held back."""
        return ()

    def finish(self) -> tuple[MediaEvent, ...]:
        """The call ended."""
        stopped, self._stopped = self._stopped, True
        return () if stopped else (Stopped(reason="closed"),)


class FrameCall:
    """Judge a call whose frames are objects of this process.

    Parameters
    ----------
    now_s : float
        When it began, of any clock that does not go back; all methods take the same clock.
    policy, model
        As for `amd.Detector`.

    Examples
    --------
    >>> call = FrameCall(now_s=0.0)
    >>> call.hear(bytes(1920), rate_hz=48_000, n_channels=1, now_s=0.02)
    ()
    """

    def __init__(self, *, now_s: float, policy: Policy = PRESETS["balanced"], model: Model | None = None) -> None:
        self._decoder = FrameDecoder()
        self._call = Call(self._decoder, timing=TIMING, now_s=now_s, policy=policy, model=model)

    @property
    def verdict(self) -> Verdict | None:
        """The verdict so far."""
        return self._call.verdict

    @property
    def done(self) -> bool:
        """Whether no verdict event can come any more."""
        return self._call.done

    def hear(self, data: bytes, *, rate_hz: int, n_channels: int, now_s: float) -> tuple[Told, ...]:
        """Take a frame: ``data`` are 16-bit samples, interleaved."""
        self._decoder.describe(rate_hz, n_channels)
        return self._call.feed(data, now_s)

    def tick(self, now_s: float) -> tuple[Told, ...]:
        """Let time pass, when no frame waits: ten times a second do."""
        return self._call.tick(now_s)

    def finish(self, now_s: float) -> tuple[Told, ...]:
        """The call ended."""
        return self._call.finish(now_s)


class LiveKitFrame(Protocol):
    """What is used of ``livekit.rtc.AudioFrame``."""

    @property
    def data(self) -> memoryview:
        """16-bit samples, interleaved."""
        ...

    @property
    def sample_rate(self) -> int:
        """Samples per second."""
        ...

    @property
    def num_channels(self) -> int:
        """Number of channels."""
        ...


class LiveKitEvent(Protocol):
    """What is used of ``livekit.rtc.AudioFrameEvent``."""

    @property
    def frame(self) -> LiveKitFrame:
        """The frame."""
        ...


async def judge_stream(
    stream: AsyncIterable[LiveKitEvent],
    tell: Callable[[Told], None],
    *,
    policy: Policy = PRESETS["balanced"],
    model: Model | None = None,
) -> Verdict | None:
    """Judge the audio of a LiveKit track until it is decided for good or ends.

    Parameters
    ----------
    stream : asynchronous iterable
        A ``livekit.rtc.AudioStream`` of the called party's track.
    tell : callable
        Given each event as it comes.
    policy, model
        As for `amd.Detector`.

    Returns
    -------
    Verdict or None
        The last one.
    """
    loop = asyncio.get_running_loop()
    call = FrameCall(now_s=loop.time(), policy=policy, model=model)
    frames = aiter(stream)
    coming = asyncio.ensure_future(anext(frames))
    try:
        while not call.done:
            done, _ = await asyncio.wait((coming,), timeout=TICK_S)
            if not done:
                told = call.tick(loop.time())
            else:
                frame = coming.result().frame
                coming = asyncio.ensure_future(anext(frames))
                told = call.hear(
                    bytes(frame.data), rate_hz=frame.sample_rate, n_channels=frame.num_channels, now_s=loop.time()
                )
            for event in told:
                tell(event)
    except StopAsyncIteration:
        pass
    finally:
        coming.cancel()
        with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
            await coming
    for event in call.finish(loop.time()):
        tell(event)
    return call.verdict
