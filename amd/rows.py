"""What is told of some frames, as rows of two arrays: one of places, one of flags; a column is a frame.

One array of many rows is set aside, and handed to a compiled function (`amd.compiled`), in the time of one.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from amd.framing import Slots

Flags = npt.NDArray[np.bool_]

N_PLACES: Final = 11
BEGUN, OFF, ENDED, N_PAIRS, LASTING, SLOT, INDEX, TONE_ON, TONE_OFF, LAST_OFF, LAST_FRAME = range(N_PLACES)
"""Positions are samples, -1 where there is none:

first sample of what may be a tone, and the end of its last frame so far; of the tones that ended, one after the
other, with which frame, and how many pairs of peaks each has; frames with which a tone lasts, one after the other;
whose frame it is, and which of that call; the tone that ended with it and is no voice, from where to where;
where the last tone had ended by then, or had sounded to, and the frame that told so.
"""
N_FLAGS: Final = 4
STILL, PENDING, SPOKEN, LOOKS = range(N_FLAGS)
"""Whether the frame belongs to a tone that has stood still; whether a tone may have begun that is not known to be
one yet; whether anyone had spoken by then; whether it has to be looked at (`amd.gate`)."""


def rows_of(n_frames: int) -> tuple[Slots, Flags]:
    """Set aside places and flags of some frames, to be filled."""
    return np.empty((N_PLACES, n_frames), dtype=np.intp), np.empty((N_FLAGS, n_frames), dtype=np.bool_)
