"""A Pipecat processor that judges the audio passing through; `processor` needs the package ``pipecat-ai``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from amd.adapters.call import Told
from amd.adapters.frames import TICK_S, FrameCall
from amd.errors import MissingExtraError
from amd.model import Model
from amd.policy import PRESETS, Policy


class Tap:
    """One call's judge, as a processor drives it."""

    def __init__(self, tell: Callable[[Told], None], policy: Policy, model: Model | None) -> None:
        self._tell = tell
        self._call = FrameCall(now_s=_now_s(), policy=policy, model=model)

    def hear(self, frame: Any) -> None:
        """Judge a frame of audio."""
        self._tell_all(
            self._call.hear(frame.audio, rate_hz=frame.sample_rate, n_channels=frame.num_channels, now_s=_now_s())
        )

    async def tick(self) -> None:
        """Let time pass until all is said."""
        while not self._call.done:
            await asyncio.sleep(TICK_S)
            self._tell_all(self._call.tick(_now_s()))

    def finish(self) -> None:
        """The call ended."""
        self._tell_all(self._call.finish(_now_s()))

    def _tell_all(self, told: tuple[Told, ...]) -> None:
        for event in told:
            self._tell(event)


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def processor(
    tell: Callable[[Told], None], *, policy: Policy = PRESETS["balanced"], model: Model | None = None
) -> Any:
    """Return a ``FrameProcessor`` for one call; put it behind the transport's input. All frames pass it unchanged.

    The call begins with Pipecat's ``StartFrame`` and ends with ``EndFrame`` or ``CancelFrame``;
    ``InputAudioRawFrame`` is the called party's audio.

    Parameters
    ----------
    tell : callable
        Given each event as it comes.
    policy, model
        As for `amd.Detector`.

    Raises
    ------
    MissingExtraError
        If ``pipecat-ai`` is not installed.
    """
    try:
        from pipecat.frames import frames as kinds  # noqa: PLC0415 -- only who uses it has it
        from pipecat.processors.frame_processor import FrameProcessor  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("this processor is part of a Pipecat pipeline: pip install pipecat-ai") from error

    class AmdProcessor(FrameProcessor):  # type: ignore[misc]
        """Judge what passes."""

        def __init__(self) -> None:
            super().__init__()
            self._amd_tap: Tap | None = None
            self._amd_ticker: Any = None

        async def process_frame(self, frame: Any, direction: Any) -> None:
            """Look at a frame, and pass it on."""
            await super().process_frame(frame, direction)
            if isinstance(frame, kinds.StartFrame):
                self._amd_tap = Tap(tell, policy, model)
                self._amd_ticker = self.create_task(self._amd_tap.tick())
            elif isinstance(frame, kinds.InputAudioRawFrame) and self._amd_tap is not None:
                self._amd_tap.hear(frame)
            elif isinstance(frame, (kinds.EndFrame, kinds.CancelFrame)):
                await self._amd_end()
            await self.push_frame(frame, direction)

        async def cleanup(self) -> None:
            """The pipeline is taken down."""
            await self._amd_end()
            await super().cleanup()

        async def _amd_end(self) -> None:
            tap, self._amd_tap = self._amd_tap, None
            if tap is not None:
                await self.cancel_task(self._amd_ticker)
                tap.finish()

    return AmdProcessor()
