"""Any cut of the stream in, the same frames out, each known by its absolute index.

Frame ``k`` covers samples ``k * HOP`` to ``k * HOP + FRAME`` of the call and is known when its last sample is.
A frame of 32 ms resolves tones 62.5 Hz apart (two bins) and holds two periods of the lowest voices; half of it
as hop leaves a 70 ms beep at least two whole frames.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from amd.audio import Samples
from amd.compiled import compiled

Slots = npt.NDArray[np.intp]
Streams = npt.NDArray[np.void]

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


class Cut(NamedTuple):
    """Frames of some calls, those of one call in order and together.

    Parameters
    ----------
    frames : ndarray of float32, shape (n_frames, FRAME_SAMPLES)
    slots, places : ndarray of int, shape (n_frames,)
        Whose frame each is, and its index in that call.
    """

    frames: Samples
    slots: Slots
    places: Slots


STREAM: Final = np.dtype(
    [("held", np.float32, FRAME_SAMPLES), ("n_frames", np.int64), ("n_samples", np.int64)], align=True
)
"""What is kept of a call: samples that no whole frame has begun with, its frames and its samples so far."""


class Framer:
    """Cut the streams of some calls into overlapping frames.

    Holds less than one frame of each between calls.
    """

    def __init__(self, n_calls: int = 1) -> None:
        self.streams: Streams = np.zeros(n_calls, dtype=STREAM)
        self.n_frames_of: npt.NDArray[np.int64] = self.streams["n_frames"]
        self.n_samples_of: npt.NDArray[np.int64] = self.streams["n_samples"]

    @property
    def n_frames(self) -> int:
        """Whole frames so far of the first call."""
        return int(self.n_frames_of[0])

    @property
    def n_samples(self) -> int:
        """Samples so far of the first call."""
        return int(self.n_samples_of[0])

    def clear(self, slot: int) -> None:
        """Forget a call: another one begins."""
        self.n_frames_of[slot] = self.n_samples_of[slot] = 0

    def feed(self, samples: Samples) -> Samples:
        """Return the frames that ``samples`` of the first call complete, of shape ``(n_frames, FRAME_SAMPLES)``.

        Examples
        --------
        >>> framer = Framer()
        >>> framer.feed(np.zeros(300, np.float32)).shape, framer.feed(np.zeros(84, np.float32)).shape
        ((1, 256), (1, 256))
        """
        return self.cut(samples, np.zeros(1, dtype=np.intp), np.array([samples.size])).frames

    def cut(self, samples: Samples, slots: Slots, sizes: Slots) -> Cut:
        """Return the frames that the next samples of some calls complete.

        Parameters
        ----------
        samples : ndarray of float32
            Those of one call after those of the other.
        slots, sizes : ndarray of int, shape (n_calls,)
            The calls, each once, and how many of the samples are theirs.
        """
        n_most = most_frames(samples.size, slots.size)
        frames = np.empty((n_most, FRAME_SAMPLES), np.float32)
        row_slots, index = np.empty(n_most, np.intp), np.empty(n_most, np.intp)
        n_rows = cut(samples, slots, sizes, self.streams, frames, row_slots, index)
        return Cut(frames[:n_rows], row_slots[:n_rows], index[:n_rows])


def most_frames(n_samples: int, n_calls: int) -> int:
    """How many frames at most the next samples of so many calls complete, with what is held of each."""
    return n_samples // HOP_SAMPLES + n_calls


@compiled
def cut(
    samples: Samples, slots: Slots, sizes: Slots, streams: Streams, frames: Samples, row_slots: Slots, index: Slots
) -> int:
    """Fill the frames, say whose each is and which of that call, and keep what is left; return how many."""
    row, start = 0, 0
    for call in range(slots.size):
        stream = streams[slots[call]]
        kept, old = stream.held, stream.n_samples - stream.n_frames * HOP_SAMPLES
        n_new = max(0, (old + sizes[call] - FRAME_SAMPLES) // HOP_SAMPLES + 1)
        for frame in range(n_new):
            first = frame * HOP_SAMPLES
            n_old = min(max(0, old - first), FRAME_SAMPLES)
            for at in range(n_old):
                frames[row, at] = kept[first + at]
            at = start + first - old
            for place in range(n_old, FRAME_SAMPLES):
                frames[row, place] = samples[at + place]
            row_slots[row] = slots[call]
            index[row] = stream.n_frames + frame
            row += 1
        first = n_new * HOP_SAMPLES
        n_left = max(0, old - first)
        if first > 0:
            for at in range(n_left):
                kept[at] = kept[first + at]
        at = start + max(0, first - old)
        start += sizes[call]
        for place in range(start - at):
            kept[n_left + place] = samples[at + place]
        stream.n_frames += n_new
        stream.n_samples += sizes[call]
    return row
