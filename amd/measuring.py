"""What a run of tonal frames measures once it is over: where it lies, how pure, steady and lonely it is.

Compiled, since every vowel that is held for 50 ms is measured, two in a second of speech.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from amd.audio import RATE_HZ
from amd.compiled import exact
from amd.edges import EDGE_MIN_DB, covered_samples, edge
from amd.framing import FRAME_SAMPLES, HOP_SAMPLES
from amd.past import add, alone_s, n_notes
from amd.runs import (
    AT,
    CLARITY,
    CONTEXT_FRAMES,
    DROP_DB,
    KEEP_FRAMES,
    LEAST_FRAMES,
    LEVEL,
    N_FACTS,
    NOISE,
    PACE_MAX_HZ,
    PACE_MAX_SHARE,
    PEAK,
    RATIO,
    SECOND,
    SECOND_MIN,
    TONE,
    Doubles,
    ascending,
    mean,
    middle,
)
from amd.spectrum import LEVEL_MIN_DB

FULL_DB: Final = 1.5
"""Frames within this of the median level hold all of the tone."""
EDGE_MARGIN_SAMPLES: Final = 8
"""How exactly an edge is known: a frame that begins 1 ms before it still counts as whole."""
PAIR_WANDER_MAX_HZ: Final = 12.0
"""Both tones of a pair stay in place, at the median; a vowel's second harmonic does not."""
SECOND_LEAST: Final = 1e-6
"""60 dB below the first peak there is none."""
DEVIATION: Final = 1.4826
"""The median distance from the median of what is normally distributed, to its standard deviation."""

MEASURED: Final = (
    *("on", "off", "low_hz", "high_hz", "steady", "n_frames", "level_db", "clarity", "clarity_min", "spread_db"),
    *("sweep_hz_s", "wander_hz", "wander_max_hz", "second_db", "second_wander_hz", "attack_frames"),
    *("release_frames", "gaps", "rise_db", "fall_db", "rise_near_db", "fall_near_db", "share_db"),
    *("over_noise_db", "alone_s", "n_notes", "known"),
)
"""What `measure` finds, in order; ``low_hz`` is the frequency of one tone, and ``high_hz`` is 0 then."""
N_MEASURED: Final = len(MEASURED)
PAIR_RATIO_MIN: Final = 0.05
"""13 dB: ITU-T Q.24 allows the tones of a key 8 dB of twist, and noise and a codec add to it."""
PAIRS_KEPT: Final = 12
"""As many frames as the longest key of 200 ms has."""


@exact
def edges(run: Any) -> tuple[int, int]:
    """Where a run begins and ends, from the frames that it covers in part.

    What led to it, far weaker, is no part of it: a voice that fades, noise that a codec made tonal.
    """
    n_kept, level_db = run.n_kept, run.middles[TONE]
    frames = run.frames[:n_kept]
    n_led = 0
    while n_led < n_kept and frames[n_led, TONE] < level_db - DROP_DB:
        n_led += 1
    levels_db, places = np.empty(3), np.empty(3, dtype=np.intp)
    n = 0
    for at in range(n_led - 1, min(n_led + 2, n_kept)):
        levels_db[n] = run.lead_db if at < 0 else frames[at, TONE]
        places[n] = int(frames[0, AT]) - 1 if at < 0 else int(frames[at, AT])
        n += 1
    best = edge(levels_db[:n], level_db)
    on = _end(places[best]) - covered_samples(levels_db[best], level_db)
    levels_db[0], places[0], n = run.tail_db, run.last + 1, 1
    if run.n == n_kept:
        for at in range(n_kept - 1, max(-1, n_kept - 3), -1):
            levels_db[n], places[n] = frames[at, TONE], int(frames[at, AT])
            n += 1
    else:
        levels_db[1], places[1], n = level_db, run.last, 2
    best = edge(levels_db[:n], level_db)
    return max(0, on), _start(places[best]) + covered_samples(levels_db[best], level_db)


@exact
def measure(run: Any, past: Any, known: int, found: Doubles, pairs_hz: Doubles) -> int:
    """Measure a run, of which ``known`` samples had been heard when it was over, and keep it in the past.

    Parameters
    ----------
    run, past : record
        As `amd.runs.RUN` and `amd.past.PAST` have them.
    known : int
    found : ndarray of float64, shape (N_MEASURED,)
        Is filled with what `MEASURED` names.
    pairs_hz : ndarray of float64, shape (PAIRS_KEPT, 2)
        Is filled with the two peaks of its first whole frames, in rising order; the second is 0 where there is but
        one.

    Returns
    -------
    int
        How many pairs there are.
    """
    level_db = run.middles[TONE]
    on, off = edges(run)
    off = max(on + 1, min(known, off))
    core = _core_of(run, level_db, on, off)
    n = core.shape[1]
    lows, highs, shares_db = np.empty(n), np.empty(n), np.empty(n)
    for at in range(n):
        lows[at], highs[at] = min(core[PEAK, at], core[SECOND, at]), max(core[PEAK, at], core[SECOND, at])
        shares_db[at] = core[TONE, at] - core[LEVEL, at]
    second = middle(core[RATIO])
    is_pair = second > SECOND_MIN and max(_deviation(lows), _deviation(highs)) <= PAIR_WANDER_MAX_HZ
    hz = lows if is_pair else _course(core)
    sweep_hz = _slope(core[AT], hz)
    rests_hz = np.empty(n)
    for at in range(n):
        rests_hz[at] = hz[at] - sweep_hz * core[AT, at]
    rest_hz, zero = middle(rests_hz), 0.0
    for at in range(n):
        rests_hz[at] -= rest_hz
    found[0], found[1] = on, off
    found[2] = middle(lows) if is_pair else middle(hz)
    found[3] = middle(highs) if is_pair else zero
    found[4], found[5], found[6] = run.steady, n, level_db
    found[7], found[8] = middle(core[CLARITY]), _least(core[CLARITY])
    found[9] = _spread(core[TONE], mean(core[TONE]))
    found[10] = sweep_hz * RATE_HZ / HOP_SAMPLES
    found[11], found[12] = _deviation(rests_hz), _spread(rests_hz, zero)
    found[13] = 10 * math.log10(max(second, SECOND_LEAST))
    found[14] = _deviation(highs) if is_pair else zero
    found[15] = _n_partial(run, run.lead_db, level_db, 0, 1, run.n_kept)
    found[16] = _n_partial(
        run, run.tail_db, level_db, run.n_kept - 1, -1, run.n_kept if run.n == run.n_kept else 0
    )
    found[17] = 1 - run.n_kept / (run.frames[run.n_kept - 1, AT] - run.frames[0, AT] + 1)
    before_db, near_db = _before(run, on)
    after_db, quietest_db = _after(run, off)
    found[18], found[19] = level_db - before_db, level_db - after_db
    found[20], found[21] = level_db - near_db, level_db - quietest_db
    found[22] = middle(shares_db)
    found[23] = level_db - middle(core[NOISE])
    found[24], found[25], found[26] = alone_s(past, on, level_db), n_notes(past, on, level_db), known
    add(past, on, off, level_db, found[7], run.steady)
    n_pairs: int = min(n, PAIRS_KEPT)
    for at in range(PAIRS_KEPT):
        is_there = at < n_pairs
        pairs_hz[at, 0] = lows[at] if is_there else zero
        pairs_hz[at, 1] = highs[at] if is_there and core[RATIO, at] >= PAIR_RATIO_MIN else zero
    return n_pairs


@exact
def deviation_db(run: Any) -> float:
    """How far a run's level is from its median, as a standard deviation."""
    levels_db = np.empty(run.n_kept)
    for at in range(run.n_kept):
        levels_db[at] = run.frames[at, TONE]
    return _deviation(levels_db)


@exact
def _core_of(run: Any, level_db: float, on: int, off: int) -> Doubles:
    """The whole frames of a tone, or the loud ones where none is whole: shape ``(N_FACTS, n)``."""
    rows, n = np.empty(KEEP_FRAMES, dtype=np.intp), 0
    for at in range(run.n_kept):
        index = int(run.frames[at, AT])
        if _start(index) >= on - EDGE_MARGIN_SAMPLES and _end(index) <= off + EDGE_MARGIN_SAMPLES:
            rows[n] = at
            n += 1
    if n == 0:
        for at in range(run.n_kept):
            if run.frames[at, TONE] >= level_db - FULL_DB:
                rows[n] = at
                n += 1
    core = np.empty((N_FACTS, n))
    for at in range(n):
        for fact in range(N_FACTS):
            core[fact, at] = run.frames[rows[at], fact]
    return core


@exact
def _before(run: Any, on: int) -> tuple[float, float]:
    """Levels before a tone: of the loudest of the last frames, and of the last one."""
    n_before, n_kept = run.n_before, run.n_kept
    loudest_db, nearest_db = LEVEL_MIN_DB, LEVEL_MIN_DB
    n_found = 0
    for at in range(n_before + n_kept - 1, -1, -1):
        frame = run.before[at] if at < n_before else run.frames[at - n_before]
        if _end(int(frame[AT])) > on + EDGE_MARGIN_SAMPLES:
            continue
        if n_found == 0:
            loudest_db = nearest_db = frame[LEVEL]
        elif n_found < CONTEXT_FRAMES:
            loudest_db = max(loudest_db, frame[LEVEL])
        n_found += 1
    return loudest_db, nearest_db


@exact
def _after(run: Any, off: int) -> tuple[float, float]:
    """Levels after a tone: of the loudest of the frames known, and of the quietest one."""
    loudest_db, quietest_db, n_after = LEVEL_MIN_DB, LEVEL_MIN_DB, 0
    for at in range(run.n_after):
        if _start(int(run.after[at, AT])) >= off - EDGE_MARGIN_SAMPLES:
            db = run.after[at, LEVEL]
            loudest_db = db if n_after == 0 else max(loudest_db, db)
            quietest_db = db if n_after == 0 else min(quietest_db, db)
            n_after += 1
    return loudest_db, quietest_db


@exact
def _course(core: Doubles) -> Doubles:
    """Where one tone went, in Hz: its peak in each frame, be it the second where another tone's is stronger."""
    n = core.shape[1]
    home_hz = ascending(core[PEAK])[(n - 1) // 2]
    pace_hz = max(PACE_MAX_HZ, PACE_MAX_SHARE * home_hz)
    found = np.empty(n)
    for at in range(n):
        is_second = core[RATIO, at] > SECOND_MIN and abs(core[SECOND, at] - home_hz) <= pace_hz
        found[at] = core[SECOND if is_second and abs(core[PEAK, at] - home_hz) > pace_hz else PEAK, at]
    return found


@exact
def _n_partial(run: Any, beside_db: float, level_db: float, first: int, way: int, n_most: int) -> int:
    """How many frames, outermost first, hold something of a tone before one holds all of it."""
    n = 0
    for at in range(-1, n_most):
        db = beside_db if at < 0 else run.frames[first + way * at, TONE]
        if db >= level_db - FULL_DB:
            break
        n += db >= level_db + EDGE_MIN_DB
    return n


@exact
def _deviation(values: Doubles) -> float:
    """Median distance from the median, as a standard deviation: a spoilt frame does not move it."""
    center, away = middle(values), np.empty(values.size)
    for at in range(values.size):
        away[at] = abs(values[at] - center)
    return DEVIATION * middle(away)


@exact
def _least(values: Doubles) -> float:
    least = values[0]
    for at in range(1, values.size):
        least = min(least, values[at])
    return float(least)


@exact
def _spread(values: Doubles, center: float) -> float:
    """Root of the mean square of distances from a value."""
    total = 0.0
    for at in range(values.size):
        total += (values[at] - center) ** 2
    spread: float = math.sqrt(total / values.size)
    return spread


@exact
def _slope(at: Doubles, hz: Doubles) -> float:
    """Slope of a straight line in Hz a frame (Theil 1950: the median of all pairs)."""
    if at.size < LEAST_FRAMES:
        return 0.0
    slopes = np.empty(at.size * (at.size - 1) // 2)
    n = 0
    for one in range(at.size):
        for other in range(one + 1, at.size):
            slopes[n] = (hz[other] - hz[one]) / (at[other] - at[one])
            n += 1
    later = _ranked(slopes, n // 2)
    if n % 2:
        return later
    sooner = slopes[0]
    for place in range(1, n // 2):
        sooner = max(sooner, slopes[place])
    between: float = (sooner + later) / 2
    return between


@exact
def _ranked(values: Doubles, rank: int) -> float:
    """The value of a rank; those before it are moved before it (Hoare 1961, doi:10.1145/366622.366647)."""
    first, last = 0, values.size - 1
    while first < last:
        pivot, low, high = values[(first + last) // 2], first, last
        while low <= high:
            while values[low] < pivot:
                low += 1
            while values[high] > pivot:
                high -= 1
            if low <= high:
                values[low], values[high] = values[high], values[low]
                low += 1
                high -= 1
        if rank <= high:
            last = high
        elif rank >= low:
            first = low
        else:
            break
    found: float = values[rank]
    return found


@exact
def _start(index: int) -> int:
    return index * HOP_SAMPLES


@exact
def _end(index: int) -> int:
    return index * HOP_SAMPLES + FRAME_SAMPLES
