"""A telephone line for the data scripts: handset, level, noise, gain control, codec, lost packets.

Signals are mono float64 at 8 kHz, full scale 1.0. A clean call comes in with its speech at any level
and leaves as the answering side of a line would deliver it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from coding import round_trip
from levels import (
    FRAME,
    RATE_HZ,
    FloatArray,
    Span,
    active_level_db,
    equalise,
    frame_powers,
    gain_of,
    limit,
    unit,
)
from noises import hum, noise
from scipy import signal

__all__ = ["RATE_HZ", "FloatArray", "Line", "handset", "send"]

DTX_HANGOVER = 10  # packets that are still sent after the last loud one


@dataclass(frozen=True)
class Line:
    """What one telephone line does to a call; `snr_db` is against the active speech level."""

    level_db: float = -26.0
    codec: str = "ulaw"
    noise: str = "white"
    snr_db: float = 30.0
    tilt_db: float = 0.0  # per octave
    hum_hz: float = 0.0  # 50 or 60; 0 is none
    hum_db: float = -50.0
    dc_offset: float = 0.0
    clip_db: float = 0.0  # hard limit, dBFS
    loss: float = 0.0  # share of lost packets
    low_hz: float = 300.0
    high_hz: float = 3400.0
    agc_db: float = 0.0  # most that an automatic gain control may add or take; 0 is none
    echo_db: float = -40.0  # of our own voice, against the active speech level
    dtx: str = ""  # what is heard while nothing is sent: "" (all is sent), "noise" or "zeros"
    loss_run: float = 1.0  # mean length of a run of lost packets
    concealed: bool = True  # a lost packet repeats the last one; else it is silent


@functools.lru_cache(maxsize=64)
def _band(low_hz: float, high_hz: float) -> FloatArray:
    return np.asarray(signal.butter(3, [low_hz, high_hz], btype="bandpass", fs=RATE_HZ, output="sos"))


def handset(samples: FloatArray, tilt_db: float, low_hz: float = 300.0, high_hz: float = 3400.0) -> FloatArray:
    """Pass `low_hz` to `high_hz`, with a tilt in dB per octave around 1 kHz."""
    freqs_hz = np.geomspace(150.0, 4000.0, 16)
    tilted = equalise(samples, freqs_hz.tolist(), (tilt_db * np.log2(freqs_hz / 1000.0)).tolist())
    return np.asarray(signal.sosfilt(_band(low_hz, high_hz), tilted))


def control_gain(samples: FloatArray, target_db: float, range_db: float) -> FloatArray:
    """Draw the level to `target_db`, `range_db` up or down at most: down in 0.1 s, up in 2 s."""
    levels_db = 10.0 * np.log10(frame_powers(samples) + 1e-9)
    followed_db, gains_db = target_db, np.empty(levels_db.size)
    for index, level_db in enumerate(levels_db.tolist()):
        followed_db += (level_db - followed_db) * (0.2 if level_db > followed_db else 0.01)
        gains_db[index] = min(range_db, max(-range_db, target_db - followed_db))
    middles = (np.arange(levels_db.size) + 0.5) * FRAME
    return np.asarray(samples * 10.0 ** (np.interp(np.arange(samples.size), middles, gains_db) / 20.0))


def stop_sending(samples: FloatArray, comfort: str, rng: np.random.Generator) -> FloatArray:
    """Send no packets while it is quiet (DTX); the far end puts comfort noise there, or zeros."""
    powers = frame_powers(samples)
    floor, loud = np.percentile(powers, 10), np.percentile(powers, 95)
    sent = powers > max(2.5 * floor, 0.003 * loud)
    kept = np.convolve(sent, np.ones(DTX_HANGOVER + 1))[: sent.size] > 0.5
    quiet = np.repeat(~kept, FRAME)
    out = samples.copy()
    filling = rng.standard_normal(quiet.size) * np.sqrt(floor) if comfort == "noise" else np.zeros(quiet.size)
    out[: quiet.size][quiet] = filling[quiet]
    return out


def _lost(count: int, line: Line, rng: np.random.Generator) -> list[int]:
    """Draw which packets are lost: each by itself, or in runs (the model of Gilbert)."""
    draws = rng.random(count)
    if line.loss_run <= 1.0:
        lost = draws < line.loss
        lost[:1] = False  # nothing to repeat yet
        return [int(index) for index in np.flatnonzero(lost)]
    to_good = 1.0 / line.loss_run
    to_bad = min(1.0, to_good * line.loss / (1.0 - line.loss))
    runs, bad = [], False
    for index, draw in enumerate(draws.tolist()):
        bad = draw >= to_good if bad else draw < to_bad
        if bad and index:
            runs.append(index)
    return runs


def lose_packets(samples: FloatArray, line: Line, rng: np.random.Generator) -> FloatArray:
    """Lose 20 ms packets; the last one heard is repeated, at half the level each time, or nothing is heard."""
    out = samples.copy()
    for index in _lost(samples.size // FRAME, line, rng):
        start = index * FRAME
        out[start : start + FRAME] = 0.5 * out[start - FRAME : start] if line.concealed else 0.0
    return out


def send(
    clean: FloatArray,
    line: Line,
    rng: np.random.Generator,
    *,
    speech: Sequence[Span] = (),
    mute: Sequence[Span] = (),
    background: FloatArray | None = None,
    own_voice: FloatArray | None = None,
) -> FloatArray:
    """Send a clean call over the line.

    Parameters
    ----------
    clean
        The call without noise; where nothing is said, `line.level_db` is taken for full power of 1.
    speech
        Spans that hold the speech; their active level becomes `line.level_db`.
    mute
        Spans that come out as exact zeros, as from a switch that sends nothing yet.
    background
        Noise to use instead of `line.noise`; already cut to length.
    own_voice
        What our side says, at unit active power and cut to length: comes back at `line.echo_db`.
    """
    heard = handset(clean, line.tilt_db, line.low_hz, line.high_hz)
    spoken = [heard[start:end] for start, end in speech]
    heard *= gain_of(line.level_db - (active_level_db(np.concatenate(spoken)) if spoken else 0.0))
    behind = noise(line.noise, clean.size, rng) if background is None else background
    through = handset(behind, line.tilt_db, line.low_hz, line.high_hz)
    heard += gain_of(line.level_db - line.snr_db) * unit(through)
    if own_voice is not None:
        heard += gain_of(line.level_db + line.echo_db) * own_voice
    if line.hum_hz:
        heard += gain_of(line.hum_db) * hum(line.hum_hz, clean.size, rng)
    if line.agc_db:
        heard = control_gain(heard, line.level_db, line.agc_db)
    if line.dtx:
        heard = stop_sending(heard, line.dtx, rng)
    out = round_trip(limit(heard + line.dc_offset, line.clip_db), line.codec)
    out = lose_packets(out, line, rng)
    for start, end in mute:
        out[start:end] = 0.0
    return out
