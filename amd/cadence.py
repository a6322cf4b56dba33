"""Runs of speech and the pauses between them.

A run starts when enough of its last frames were periodic, and is dated back to where that began; it ends when
nothing spoke for a quarter second, and is dated back to the last frame that did. Noise that is never periodic
makes no run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from amd.compiled import exact
from amd.framing import FRAME_SAMPLES, HOP_SAMPLES

Cells = npt.NDArray[np.int64]

CONFIRM_WINDOW_FRAMES: Final = 20
CONFIRM_VOICED_FRAMES: Final = 6
"""96 ms of voice within 320 ms: the shortest "hi" has twice that, a click or a cough rarely any."""
LEAD_FRAMES: Final = 6
"""Up to 96 ms of unvoiced onset (an s, an h, an f) belong to the word whose voice follows."""
TAIL_FRAMES: Final = 10
"""Up to 160 ms of unvoiced end (an s, a t) belong to the word; longer noise is not its end."""
HANG_FRAMES: Final = 15
"""240 ms: pauses shorter than that are stop consonants and word gaps within a phrase."""
_WINDOW_MASK: Final = (1 << CONFIRM_WINDOW_FRAMES) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run of speech, from sample ``on`` to before sample ``off``, which moves on while the run is open."""

    on: int
    off: int


N_CELLS: Final = 11
FIRST_ON, N_RUNS, LONGEST, RUN_ON, RUN_OFF, _LAST_OFF, _CLOSED, _MASK, _SINCE, _ACTIVE, _VOICED = range(N_CELLS)
"""What is remembered of a call; places are samples but for the last three, which are frames. -1: none."""
_START: Final = (FRAME_SAMPLES - HOP_SAMPLES) // 2


def cells_of(n_calls: int) -> Cells:
    """Set aside what is remembered of some calls: shape ``(n_calls, N_CELLS)``."""
    cells = np.zeros((n_calls, N_CELLS), dtype=np.int64)
    clear(cells)
    return cells


def clear(cells: Cells) -> None:
    """Forget everything."""
    cells[...] = 0
    cells[..., [FIRST_ON, RUN_ON, _ACTIVE, _VOICED]] = -1


class Cadence:
    """Runs of one call, from the activity of its frames, one at a time and in order.

    Parameters
    ----------
    cells : ndarray of int64, shape (N_CELLS,), optional
        Where it remembers the call; a row of `cells_of`.
    """

    def __init__(self, cells: Cells | None = None) -> None:
        self._cells = cells_of(1)[0] if cells is None else cells

    def step(self, index: int, *, active: bool, voiced: bool, hold: bool) -> tuple[bool, Run | None]:
        """Take the next frame; ``hold`` puts off the start of a run, while what sounds may be a tone.

        Returns
        -------
        started : bool
            A run was confirmed with this frame; it is `run`.
        ended : Run or None
            The run that was found to have ended.
        """
        started, *ended = step(self._cells, index, active, voiced, hold)
        return started, run_of(*ended)

    @property
    def run(self) -> Run | None:
        """The run that is open."""
        return run_of(int(self._cells[RUN_ON]), int(self._cells[RUN_OFF]))

    @property
    def first_on(self) -> int | None:
        """Where the first run began."""
        return int(self._cells[FIRST_ON]) if spoken(self._cells) else None

    @property
    def n_runs(self) -> int:
        """Runs so far, the open one too."""
        return int(self._cells[N_RUNS])

    @property
    def longest_pause_samples(self) -> int:
        """The longest pause after which speech went on."""
        return int(self._cells[LONGEST])

    @property
    def speech_samples(self) -> int:
        """Time within runs so far, pauses between them not counted."""
        return int(speech_samples(self._cells))

    @property
    def last_off(self) -> int:
        """Where the last speech so far ended; 0 before any speech."""
        return int(last_off(self._cells))

    def close(self) -> Run | None:
        """End the open run, if there is one, where its last speech was."""
        return run_of(*close(self._cells))

    def retract(self, index: int, since: int) -> Run | None:
        """Take back what was counted as speech from sample ``since`` to frame ``index``: it was a tone.

        Returns
        -------
        Run or None
            The run of which nothing is left, if there was one: of no length, and not counted any more.
        """
        return run_of(*retract(self._cells, index, since))


def run_of(on: int, off: int) -> Run | None:
    """Return the run from ``on`` to ``off``, none for -1."""
    return Run(on=on, off=off) if on >= 0 else None


@exact
def step(cells: Cells, index: int, active: bool, voiced: bool, hold: bool) -> tuple[bool, int, int]:  # noqa: FBT001
    """As `Cadence.step`; a run that ended as its ends, or -1, -1."""
    end = index * HOP_SAMPLES + _START + HOP_SAMPLES
    cells[_MASK] = (cells[_MASK] << 1 | int(voiced)) & _WINDOW_MASK
    if active:
        if index - cells[_ACTIVE] > 1:
            cells[_SINCE] = index
        cells[_ACTIVE] = index
    if voiced:
        cells[_VOICED] = index
    if cells[RUN_ON] < 0:
        return not hold and _starts(cells, index), -1, -1
    if active and index - cells[_VOICED] <= TAIL_FRAMES:
        cells[RUN_OFF] = end
    elif end - cells[RUN_OFF] > HANG_FRAMES * HOP_SAMPLES:
        on, off = close(cells)
        return False, on, off
    return False, -1, -1


@exact
def _starts(cells: Cells, index: int) -> bool:
    """Whether a run has begun; it is open then."""
    n_voiced, n_bits, bits = 0, 0, cells[_MASK]
    while bits > 0:
        n_voiced += bits & 1
        n_bits += 1
        bits >>= 1
    if n_voiced < CONFIRM_VOICED_FRAMES:
        return False
    onset = first_voiced = index - n_bits + 1
    if cells[_SINCE] < first_voiced:
        onset = max(cells[_SINCE], first_voiced - LEAD_FRAMES)
    on = max(onset * HOP_SAMPLES + _START, cells[_LAST_OFF])
    if cells[FIRST_ON] < 0:
        cells[FIRST_ON] = on
    else:
        cells[LONGEST] = max(cells[LONGEST], on - cells[_LAST_OFF])
    cells[N_RUNS] += 1
    cells[RUN_ON], cells[RUN_OFF] = on, index * HOP_SAMPLES + _START + HOP_SAMPLES
    return True


@exact
def close(cells: Cells) -> tuple[int, int]:
    """As `Cadence.close`."""
    on, off = cells[RUN_ON], cells[RUN_OFF]
    if on < 0:
        return -1, -1
    cells[_CLOSED] += off - on
    cells[_LAST_OFF] = off
    cells[_MASK] = 0
    cells[RUN_ON] = -1
    return on, off


@exact
def retract(cells: Cells, index: int, since: int) -> tuple[int, int]:
    """As `Cadence.retract`."""
    n_frames = (index * HOP_SAMPLES + _START + HOP_SAMPLES - since) // HOP_SAMPLES + 1
    n_bits = min(max(n_frames, 0), CONFIRM_WINDOW_FRAMES)
    cells[_MASK] = cells[_MASK] >> n_bits << n_bits
    on = cells[RUN_ON]
    if on < 0 or cells[RUN_OFF] <= since:
        return -1, -1
    if on < since - LEAD_FRAMES * HOP_SAMPLES:
        cells[RUN_OFF] = max(on, since)
        return -1, -1
    cells[RUN_ON] = -1
    cells[N_RUNS] -= 1
    if cells[N_RUNS] == 0:
        cells[FIRST_ON] = -1
    return on, on


@exact
def spoken(cells: Cells) -> bool:
    """Whether anyone has spoken so far."""
    return bool(cells[FIRST_ON] >= 0)


@exact
def speech_samples(cells: Cells) -> int:
    """As `Cadence.speech_samples`."""
    return int(cells[_CLOSED] + (cells[RUN_OFF] - cells[RUN_ON] if cells[RUN_ON] >= 0 else 0))


@exact
def last_off(cells: Cells) -> int:
    """As `Cadence.last_off`."""
    return int(cells[RUN_OFF] if cells[RUN_ON] >= 0 else cells[_LAST_OFF])
