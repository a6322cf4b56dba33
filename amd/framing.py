"""Any cut of the stream in, the same frames out, each known by its absolute index.

Frame ``k`` covers samples ``k * HOP`` to ``k * HOP + FRAME`` of the call and is known when its last sample is.
A frame of 32 ms resolves tones 62.5 Hz apart (two bins) and holds two periods of the lowest voices; half of it
as hop leaves a 70 ms beep at least two whole frames.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from amd.audio import Samples

FRAME_SAMPLES: Final = 256
HOP_SAMPLES: Final = 128


def frame_start_sample(index: int) -> int:
    """Where frame ``index`` begins to count: half a hop before its middle."""
    return index * HOP_SAMPLES + (FRAME_SAMPLES - HOP_SAMPLES) // 2


def frame_end_sample(index: int) -> int:
    """Where frame ``index`` stops counting and the next one begins to."""
    return frame_start_sample(index) + HOP_SAMPLES


def frame_known_sample(index: int) -> int:
    """How many samples of the call must have been heard before frame ``index`` is complete."""
    return index * HOP_SAMPLES + FRAME_SAMPLES


class Framer:
    """Cut a stream into overlapping frames.

    Holds less than one frame between calls.
    """

    def __init__(self) -> None:
        self._tail: Samples = np.zeros(0, dtype=np.float32)
        self.n_frames = 0
        self.n_samples = 0

    def feed(self, samples: Samples) -> npt.NDArray[np.float32]:
        """Return the frames that ``samples`` completes, of shape ``(n_frames, FRAME_SAMPLES)``.

        Examples
        --------
        >>> framer = Framer()
        >>> framer.feed(np.zeros(300, np.float32)).shape, framer.feed(np.zeros(84, np.float32)).shape
        ((1, 256), (1, 256))
        """
        self.n_samples += samples.size
        stream = np.concatenate([self._tail, samples])
        n_new = max(0, (stream.size - FRAME_SAMPLES) // HOP_SAMPLES + 1)
        self._tail = stream[n_new * HOP_SAMPLES :].copy()
        self.n_frames += n_new
        if n_new == 0:
            return np.zeros((0, FRAME_SAMPLES), dtype=np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(stream, FRAME_SAMPLES)
        return windows[: n_new * HOP_SAMPLES : HOP_SAMPLES]
