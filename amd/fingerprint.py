"""A recording heard again: a voicemail greeting is the same sound every time, a person never is.

Pairs of peaks of the spectrogram are kept, each as one number and a time; of the audio itself nothing is left.
When many pairs come again at the same distance in time, it is the same recording, whatever the line did to it:
A. Wang, "An industrial-strength audio search algorithm", ISMIR 2003.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import maximum_filter

from amd.audio import RATE_HZ, Samples
from amd.errors import AudioError

HOP: Final = 64
WINDOW: Final = 512
LOW_BIN, HIGH_BIN = 19, 218
"""300 to 3400 Hz: what every line carries."""
PEAK_FRAMES, PEAK_BINS = 7, 9
"""A peak is the greatest of so many frames before and after it, and so many bins below and above."""
PEAK_DB: Final = 6.0
"""A peak stands so far above the mean of its frame."""
PAIR_FRAMES: Final = (4, 63)
"""A pair is so far apart in time: 32 ms to half a second, so that a second of speech has many."""
PAIR_BINS: Final = 48
PAIRS_MAX: Final = 6
"""Peaks that one peak is paired with, the nearest first."""
KEPT_S: Final = 12.0
"""What comes later of a greeting is not kept."""
VOTES_MIN: Final = 16
"""Pairs that came again at one distance in time. On training voices 12 took a person for their own greeting."""
SLACK_FRAMES: Final = 2
_MAGIC: Final = b"amdf\x01"
_SMALL: Final = 1e-12

Codes = NDArray[np.uint32]
Frames = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """The pairs of one recording.

    Parameters
    ----------
    codes : ndarray of uint32, shape (n,)
        Two frequencies and the time between them, as one number.
    frames : ndarray of int32, shape (n,)
        When each pair began, in frames of 8 ms from the first pair.
    """

    codes: Codes
    frames: Frames

    @classmethod
    def of(cls, samples: Samples) -> Self:
        """Return the fingerprint of a whole recording: float32, shape (n,), mono at 8 kHz.

        Examples
        --------
        >>> rng = np.random.default_rng(1)
        >>> greeting = rng.standard_normal(3 * RATE_HZ).astype(np.float32)
        >>> kept = Fingerprint.of(greeting)
        >>> Fingerprint.from_bytes(kept.to_bytes()).codes.size == kept.codes.size
        True
        """
        listening = Fingerprinter()
        listening.feed(samples)
        listening.finish()
        return cls(*listening.pairs())

    def to_bytes(self) -> bytes:
        """Return it as it is stored: some 1.5 kB for a second of speech."""
        return _MAGIC + self.codes.astype("<u4").tobytes() + self.frames.astype("<u2").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` gave.

        Raises
        ------
        AudioError
            If it is something else.
        """
        body = data[len(_MAGIC) :]
        n, odd = divmod(len(body), 6)
        if not data.startswith(_MAGIC) or odd:
            raise AudioError(
                f"{len(data)} bytes that begin with {data[:5]!r} are no fingerprint of this version: other data?"
            )
        codes = np.frombuffer(body, "<u4", n).astype(np.uint32)
        return cls(codes, np.frombuffer(body, "<u2", n, 4 * n).astype(np.int32))


class Fingerprinter:
    """Makes pairs of what is heard, as it comes."""

    def __init__(self) -> None:
        self._waiting = np.zeros(0, np.float32)
        self._levels = np.zeros((0, HIGH_BIN - LOW_BIN), np.float32)
        self._n_out = 0
        """Frames whose peaks are known."""
        self._peaks: list[tuple[int, int]] = []
        self._codes: list[int] = []
        self._frames: list[int] = []

    def feed(self, samples: Samples) -> tuple[Codes, Frames]:
        """Take the next samples (float32, shape (n,), 8 kHz); return the pairs that are complete with them."""
        waiting = np.concatenate([self._waiting, samples])
        n_frames = max(0, (waiting.size - WINDOW) // HOP + 1)
        self._waiting = waiting[n_frames * HOP :]
        if n_frames == 0:
            return _arrays([], [])
        cut = np.lib.stride_tricks.sliding_window_view(waiting, WINDOW)[: n_frames * HOP : HOP]
        spectrum = fft.rfft(cut * _HANN, axis=1)[:, LOW_BIN:HIGH_BIN]
        levels = np.log(np.square(spectrum.real) + np.square(spectrum.imag) + _SMALL)
        self._levels = np.concatenate([self._levels, levels.astype(np.float32)])
        return self._pair(PEAK_FRAMES)

    def finish(self) -> tuple[Codes, Frames]:
        """Return the pairs of what was heard last."""
        return self._pair(0)

    def pairs(self) -> tuple[Codes, Frames]:
        """Return all pairs so far, those of the first `KEPT_S`, from the first on."""
        codes, frames = _arrays(self._codes, self._frames)
        frames = frames - (frames[0] if frames.size else 0)
        kept = frames < KEPT_S * RATE_HZ / HOP
        return codes[kept], frames[kept]

    def _pair(self, ahead: int) -> tuple[Codes, Frames]:
        """Find the peaks of the frames that have ``ahead`` more after them, and pair each with those before it."""
        n_known = len(self._levels) - ahead
        first = max(0, min(PEAK_FRAMES, self._n_out))
        """Frames at the start of `_levels` that are there for their neighbours only."""
        if n_known <= first:
            return _arrays([], [])
        size = (2 * PEAK_FRAMES + 1, 2 * PEAK_BINS + 1)
        top = maximum_filter(self._levels, size=size, mode="constant", cval=-np.inf)[first:n_known]
        levels = self._levels[first:n_known]
        above = levels.mean(axis=1, keepdims=True) + PEAK_DB * np.log(10) / 10
        codes: list[int] = []
        frames: list[int] = []
        for frame, place in zip(*np.nonzero((levels == top) & (levels > above)), strict=True):
            at = self._n_out + int(frame)
            self._pair_with_earlier(at, int(place), codes, frames)
            self._peaks.append((at, int(place)))
        self._n_out += n_known - first
        keep = min(len(self._levels), ahead + PEAK_FRAMES)
        self._levels = self._levels[len(self._levels) - keep :]
        horizon = self._n_out - PAIR_FRAMES[1]
        self._peaks = [peak for peak in self._peaks if peak[0] >= horizon]
        if len(self._frames) == 0 or self._n_out - self._frames[0] < 2 * KEPT_S * RATE_HZ / HOP:
            self._codes += codes
            self._frames += frames
        return _arrays(codes, frames)

    def _pair_with_earlier(self, at: int, place: int, codes: list[int], frames: list[int]) -> None:
        n_pairs = 0
        for then, there in reversed(self._peaks):
            apart = at - then
            if apart > PAIR_FRAMES[1] or n_pairs == PAIRS_MAX:
                return
            if apart >= PAIR_FRAMES[0] and abs(place - there) <= PAIR_BINS:
                codes.append((there // 2) << 14 | (place // 2) << 6 | apart // 2)
                frames.append(then)
                n_pairs += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """A recording that was heard before.

    Parameters
    ----------
    which : int
        The index of the fingerprint.
    votes : int
        Pairs that came again.
    at_s : float
        How much was heard until then.
    """

    which: int
    votes: int
    at_s: float


@dataclass(slots=True)
class _Known:
    codes: Codes
    frames: Frames
    votes: dict[int, int] = field(default_factory=dict)


class Recogniser:
    """Hears whether a call plays one of some known recordings.

    Parameters
    ----------
    known : sequence of Fingerprint
    votes_min : int, 1 or more
    """

    def __init__(self, known: Sequence[Fingerprint], *, votes_min: int = VOTES_MIN) -> None:
        if votes_min < 1:
            raise ValueError(f"votes_min={votes_min} must be 1 or more")
        self._known = []
        for one in known:
            order = np.argsort(one.codes, kind="stable")
            self._known.append(_Known(one.codes[order], one.frames[order]))
        self._votes_min = votes_min
        self._listening = Fingerprinter()
        self._n_samples = 0
        self.votes = 0
        """The most pairs that came again of any recording, so far."""
        self.recognised: Recognised | None = None

    def feed(self, samples: Samples) -> Recognised | None:
        """Take the next samples (float32, shape (n,), 8 kHz); return what was recognised, then and ever after."""
        self._n_samples += samples.size
        codes, frames = self._listening.feed(samples)
        if self.recognised is None and codes.size:
            votes = [self._vote(one, codes, frames) for one in self._known]
            self.votes = max(votes, default=0)
            if self.votes >= self._votes_min:
                at_s = self._n_samples / RATE_HZ
                self.recognised = Recognised(which=votes.index(self.votes), votes=self.votes, at_s=at_s)
        return self.recognised

    def heard(self) -> Fingerprint:
        """Return the fingerprint of what was fed so far."""
        return Fingerprint(*self._listening.pairs())

    @staticmethod
    def _vote(known: _Known, codes: Codes, frames: Frames) -> int:
        """Count the pairs that came again, at each distance in time; return the most at any."""
        low = np.searchsorted(known.codes, codes, side="left")
        high = np.searchsorted(known.codes, codes, side="right")
        for index in np.flatnonzero(high > low):
            for apart in {int(frames[index]) - int(then) for then in known.frames[low[index] : high[index]]}:
                known.votes[apart] = known.votes.get(apart, 0) + 1
        near = range(-SLACK_FRAMES, SLACK_FRAMES + 1)
        return max((sum(known.votes.get(apart + by, 0) for by in near) for apart in known.votes), default=0)


def _arrays(codes: Sequence[int], frames: Sequence[int]) -> tuple[Codes, Frames]:
    return np.asarray(codes, np.uint32), np.asarray(frames, np.int32)


_HANN: Final[Any] = np.hanning(WINDOW).astype(np.float32)
