"""Is this frame speech of the one who answered? A small recurrent network over the spectrum, asked once a tick.

What it is given does not depend on the line's gain: each band against a tracked floor and against a tracked peak,
periodicity, and how much of the frame one tone explains. It was fitted to where the clean speech of composed calls
is, so music, tones, echo and the voices of others are not speech, however loud. Digital silence is no floor:
carriers send it where there is no audio at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

import numpy as np

from amd.networks import Network, parse
from amd.spectrum import MEL_EDGES_BINS, Floats, FrameFacts

SHIPPED: Final = "speech-4.npz"
TICK_FRAMES: Final = 6
"""Asked every 96 ms: the first frame of a tick is judged with the 80 ms after it in view, the last with none."""
N_MEL: Final = len(MEL_EDGES_BINS) - 1
FACTS: Final = ("level_db", "voicing", "pitch_hz", "peak_share", "pair_share", "clarity")
"""What is taken of a frame, before its mel bands."""
N_FACTS: Final = len(FACTS) + N_MEL
_LEVEL, _VOICING, _PITCH = (FACTS.index(name) for name in ("level_db", "voicing", "pitch_hz"))
INPUTS: Final = (
    *(f"above_floor_{band}" for band in range(N_MEL)),
    *(f"below_peak_{band}" for band in range(N_MEL)),
    "level_below_peak",
    *("voicing", "pitch_octaves", "peak_share", "pair_share", "clarity"),
)
"""What the network is given of each frame of a tick, frame after frame."""
TICK_INPUTS: Final = tuple(f"{name}@{frame}" for frame in range(TICK_FRAMES) for name in INPUTS)
OUTPUTS: Final = tuple(f"speech_{frame}" for frame in range(TICK_FRAMES))

DIGITAL_SILENCE_DB: Final = -115.0
"""Below all that 16-bit audio can hold, 15 dB less gain included."""
SPEECH_LEVEL_MIN_DB: Final = -80.0
"""Of the tracked peak: speech at -40 dB gain on a -35 dBFS line is still heard; crosstalk on a line where nothing
is louder than that is not."""
FLOOR_RISE: Final = 0.025
FLOOR_FALL: Final = 0.4
"""Shares of the way to a tick's level that the floor goes up, and down, with each tick: it follows a louder line
within some seconds, and dips of 200 ms at once."""
PEAK_FALL: Final = 0.02
"""The same for the peak, which rises at once."""
SCALE_DB: Final = 20.0
PITCH_MIDDLE_HZ: Final = 160.0
ABOVE_FLOOR: Final = (-1.0, 3.0)
BELOW_PEAK: Final = (-4.0, 1.0)
"""In units of `SCALE_DB`: what lies beyond tells no more."""
SPEECH_LOG_ODDS_MIN: Final = 0.0
VOICING_MIN: Final = 0.36
"""White noise stays below 0.2 in 99 % of frames, pink noise below 0.5; at 15 dB SNR, 75 % of the speech frames
of real telephone calls are above 0.5."""
SNR_BANDS: Final = 6
"""As many bands, the strongest, make a frame's level above the floor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What one frame is: ``active`` (speech), ``voiced`` (active and periodic), and how far above the floor."""

    active: bool
    voiced: bool
    log_odds: float
    snr_db: float
    floor_db: float


class References:
    """Floor and peak of some calls, by which their levels are told; the gain of the line is in both."""

    def __init__(self, n_calls: int) -> None:
        self.floor_db: Floats = np.zeros((n_calls, N_MEL), dtype=np.float32)
        self.peak_db: Floats = np.zeros(n_calls, dtype=np.float32)
        self._known = np.zeros(n_calls, dtype=np.bool_)

    def step(self, facts: Floats) -> Floats:
        """Follow one tick of each call and return what the network is given of it.

        Parameters
        ----------
        facts : ndarray of float32, shape (n_calls, TICK_FRAMES, N_FACTS)
            As `facts_of` gives them.

        Returns
        -------
        ndarray of float32, shape (n_calls, TICK_FRAMES * len(INPUTS))
        """
        level_db, mel_db = facts[:, :, _LEVEL], facts[:, :, len(FACTS) :]
        self._follow(level_db, mel_db)
        above = _scaled(mel_db - self.floor_db[:, None], ABOVE_FLOOR)
        peak_db = self.peak_db[:, None]
        below = _scaled(mel_db - peak_db[:, :, None], BELOW_PEAK)
        level = _scaled(level_db - peak_db, BELOW_PEAK)
        octaves = np.log2(facts[:, :, _PITCH] / np.float32(PITCH_MIDDLE_HZ))
        shares = facts[:, :, _PITCH + 1 : len(FACTS)]
        columns = (above, below, level[:, :, None], facts[:, :, _VOICING, None], octaves[:, :, None], shares)
        inputs: Floats = np.concatenate(columns, axis=2).reshape(facts.shape[0], -1)
        return inputs

    def _follow(self, level_db: Floats, mel_db: Floats) -> None:
        """Move floor and peak on by what is not digital silence; the first of it is both."""
        live = level_db > np.float32(DIGITAL_SILENCE_DB)
        n_live = np.add.reduce(live, axis=1, dtype=np.float32)
        heard = n_live > 0
        total_db = np.zeros_like(self.floor_db)
        for frame in range(TICK_FRAMES):  # a sum in one order, whatever the shape of the array
            total_db += np.where(live[:, frame, None], mel_db[:, frame], np.float32(0))
        mean_db = total_db / np.maximum(n_live, np.float32(1))[:, None]
        loudest_db = np.max(level_db, axis=1)
        first = (heard & ~self._known)[:, None]
        way_db = mean_db - self.floor_db
        share = np.where(way_db > 0, np.float32(FLOOR_RISE), np.float32(FLOOR_FALL))
        floor_db = np.where(first, mean_db, self.floor_db + share * way_db)
        fallen_db = self.peak_db + np.float32(PEAK_FALL) * (loudest_db - self.peak_db)
        peak_db = np.where(first[:, 0], loudest_db, np.maximum(loudest_db, fallen_db))
        self.floor_db = np.where(heard[:, None], floor_db, self.floor_db)
        self.peak_db = np.where(heard, peak_db, self.peak_db)
        self._known |= heard


def facts_of(facts: FrameFacts) -> Floats:
    """Take what is needed of each frame: float32 of shape ``(n, N_FACTS)``."""
    columns = [getattr(facts, name)[:, None] for name in FACTS]
    return np.concatenate([*columns, facts.mel_db], axis=1)


def _scaled(levels_db: Floats, limits: tuple[float, float]) -> Floats:
    low, high = (np.float32(limit) for limit in limits)
    scaled: Floats = np.minimum(np.maximum(levels_db / np.float32(SCALE_DB), low), high)
    return scaled


class SpeechTracker:
    """Judge the frames of one call, one at a time and in order; the answers come once a tick."""

    def __init__(self) -> None:
        self._references = References(1)
        self._state = shipped().start(1)
        self._tick: Floats = np.zeros((1, TICK_FRAMES, N_FACTS), dtype=np.float32)
        self._n_frames = 0
        self.inputs: Floats = np.zeros((1, TICK_FRAMES * len(INPUTS)), dtype=np.float32)

    def step(self, facts: Floats) -> tuple[Activity, ...]:
        """Take the next frame, float32 of shape ``(N_FACTS,)``; return the tick's frames with its last one."""
        self._tick[0, self._n_frames] = facts
        self._n_frames += 1
        return self._judge() if self._n_frames == TICK_FRAMES else ()

    def finish(self) -> tuple[Activity, ...]:
        """Judge what was heard of the last tick, as if its last frame had gone on."""
        if self._n_frames == 0:
            return ()
        self._tick[0, self._n_frames :] = self._tick[0, self._n_frames - 1]
        return self._judge()

    def _judge(self) -> tuple[Activity, ...]:
        n_frames, self._n_frames = self._n_frames, 0
        self.inputs = self._references.step(self._tick)
        log_odds, self._state = shipped().step(self.inputs, self._state)
        floor_db = self._references.floor_db[0]
        loud = float(self._references.peak_db[0]) >= SPEECH_LEVEL_MIN_DB
        above_db = np.partition(self._tick[0, :, len(FACTS) :] - floor_db, N_MEL - SNR_BANDS, axis=1)
        snr_db = np.mean(above_db[:, N_MEL - SNR_BANDS :], axis=1)
        rows = zip(
            self._tick[0, :n_frames, _LEVEL].tolist(),
            self._tick[0, :n_frames, _VOICING].tolist(),
            log_odds[0, :n_frames].tolist(),
            snr_db[:n_frames].tolist(),
            strict=True,
        )
        return tuple(_activity(*row, loud=loud, floor_db=float(np.max(floor_db))) for row in rows)


def _activity(
    level_db: float, voicing: float, log_odds: float, snr_db: float, *, loud: bool, floor_db: float
) -> Activity:
    if level_db <= DIGITAL_SILENCE_DB:
        return Activity(active=False, voiced=False, log_odds=log_odds, snr_db=0.0, floor_db=level_db)
    active = loud and log_odds >= SPEECH_LOG_ODDS_MIN
    voiced = active and voicing >= VOICING_MIN
    return Activity(active=active, voiced=voiced, log_odds=log_odds, snr_db=snr_db, floor_db=floor_db)


@cache
def shipped() -> Network:
    """Return the network that comes with this version."""
    data = resources.files("amd.models").joinpath(SHIPPED).read_bytes()
    return parse(data, inputs=TICK_INPUTS, outputs=OUTPUTS)
