"""Runs of frames that one generated tone could explain: which frames go on with it, whether it stands still.

Every frame of every call passes here, so this is compiled; of each call one run is kept in arrays. What few runs
need, their measurement once they have ended, is `amd.tones`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from amd.compiled import exact
from amd.spectrum import LEVEL_MIN_DB

Doubles = npt.NDArray[np.float64]
Runs = npt.NDArray[np.void]

CLARITY_START: Final = 0.55
CLARITY_KEEP: Final = 0.45
"""Share of the power that a tone has to explain, to begin and to go on. At 10 dB SNR over six codecs, 98 % of
the frames of generated tones have more than 0.6; those of GSM above 2.5 kHz have the least."""
TONE_LEVEL_MIN_DB: Final = -80.0
"""As for speech: a tone at -40 dB gain is still heard."""
SECOND_MIN: Final = 0.1
"""A second peak with so much of the first one's power may be a tone of its own: dual tones differ by less."""
PACE_MAX_HZ: Final = 12.0
PACE_MAX_SHARE: Final = 0.05
"""From one frame to the next: a beep swept by 20 % within 70 ms moves by 4.6 %."""
BEATING_MAX_HZ: Final = 500.0
BEATING_PACE_HZ: Final = 96.0
"""Two tones closer than the window resolves (dial tone 350+440 Hz) look like one that wanders between them."""
DRIFT_MAX_HZ: Final = 8.0
"""A tone's peak is within 4 Hz of where it was, or was going, at 10 dB SNR; a vowel's often is not."""
DRIFT_EVERY: Final = 4
"""One frame in so many may be astray: an edge, a spoilt one."""
STEADY_FRAMES: Final = 4
"""64 ms of standing still make a tone; what came before was taken for voice and has to be taken back."""
LASTING_FRAMES: Final = 12
LASTING_DRIFT_MAX_HZ: Final = 25.0
LASTING_CLARITY_MIN: Final = 0.85
"""What wanders about one place, as two close tones do, or one over GSM, needs 192 ms: longer than most vowels
whose power lies in one harmonic, and those drift."""
STILL_CLARITY_MIN: Final = 0.7
STILL_FRAMES: Final = 8
"""What has not come to rest by then is taken for voice while it sounds; a sweep is taken back at its end."""
BEATING_MIN_HZ: Final = 340.0
BEATING_FRAMES: Final = 16
"""Two tones that beat may take so long, within the 20 frames in which speech is confirmed."""
LEAST_PENDING: Final = 2
LEAST_FRAMES: Final = 3
"""A tone of 60 ms lies in three frames at least; fewer are not looked at."""
BRIDGE_FRAMES: Final = 3
"""A lost packet, a click or a phase reversal spoils at most three overlapping frames."""
DROP_DB: Final = 9.0
"""A frame this far below the run is no longer the tone: the level tells its end before the shape does."""

HOME_FRAMES: Final = 6
HOME_LEAST: Final = 4
"""A run with a second peak has stood still when four of its last six frames agree. In noise there is nearly
always a second peak, and where two tones meet it would lead from one to the next."""
BURST_DB: Final = 9.0
BURST_CLARITY: Final = 0.15
"""A frame so much louder and purer than the run is a tone of its own, which began in noise or behind a voice."""


CLEAR_FRAMES: Final = 2
"""A frame two hops from the tone's last frame holds nothing of it any more."""
CONTEXT_FRAMES: Final = 3
"""48 ms before a tone tell whether it stands out."""
KEEP_FRAMES: Final = 64
"""A tone is measured by so many frames; what comes after only moves its end."""
_BEFORE_FRAMES: Final = CONTEXT_FRAMES + 2
_AFTER_FRAMES: Final = BRIDGE_FRAMES + 1


class Frame(NamedTuple):
    """What is kept of a frame: its index, levels, how much of it one tone explains, its two peaks, the noise."""

    at: int
    level_db: float
    tone_db: float
    clarity: float
    peak_hz: float
    second_hz: float
    second_ratio: float
    noise_db: float


N_FACTS: Final = len(Frame._fields)
AT, LEVEL, TONE, CLARITY, PEAK, SECOND, RATIO, NOISE = range(N_FACTS)


_RANKED: Final = (TONE, CLARITY, PEAK)
"""Whose medians are kept; they are facts of single precision."""


RUN: Final = np.dtype(
    [
        *(
            (name, np.int64)
            for name in ("n", "n_kept", "n_before", "n_after", "n_recent", "n_astray", "n_pairs", "last")
        ),
        *((name, np.bool_) for name in ("steady", "still", "pending")),
        ("lead_db", np.float64),
        ("tail_db", np.float64),
        ("middles", np.float64, N_FACTS),
        ("recent", np.float64, (_BEFORE_FRAMES, N_FACTS)),
        ("after", np.float64, (_AFTER_FRAMES, N_FACTS)),
        ("before", np.float64, (_BEFORE_FRAMES, N_FACTS)),
        ("frames", np.float64, (KEEP_FRAMES, N_FACTS)),
        ("ranks", np.float32, (len(_RANKED), KEEP_FRAMES)),
    ],
    align=True,
)
"""One run of a call; ``n`` is 0 where there is none. Frames are rows as `Frame` has them. What is of one call lies
together in memory, and is handed to a compiled function as one address."""


def runs_of(n_calls: int) -> Runs:
    """Set aside what some calls need: a record `RUN` a call."""
    return np.zeros(n_calls, dtype=RUN)


def clear(runs: Runs, slot: int) -> None:
    """Forget a call: another one begins."""
    runs["n"][slot] = runs["n_recent"][slot] = 0
    runs["still"][slot] = runs["pending"][slot] = False


@exact
def step(run: Any, frame: Doubles, ended: Runs, at: int) -> bool:
    """Take the next frame of a call; whether its run has ended with it, which then is in ``ended`` at ``at``."""
    has_ended, n_missed = False, 0
    if run.n > 0:
        if _fits(run, frame):
            _take(run, frame)
            run.n_after = 0
        elif _is_over(run, frame):
            if run.n >= LEAST_FRAMES:
                ended[at] = run
                has_ended = True
            n_missed = max(0, run.n_after - 1)
            run.n = 0
            run.still = run.pending = False
    if run.n == 0 and frame[CLARITY] >= CLARITY_START and frame[LEVEL] >= TONE_LEVEL_MIN_DB:
        _begin(run, frame, n_missed)
    _put(run.recent[run.n_recent % _BEFORE_FRAMES], frame)
    run.n_recent += 1
    return has_ended


@exact
def _begin(run: Any, frame: Doubles, n_missed: int) -> None:
    """Begin a run with a frame, and those before it that lead to it: the last run's end waited for them."""
    missed = np.empty((_AFTER_FRAMES, N_FACTS))
    for at in range(_AFTER_FRAMES):
        _put(missed[at], run.after[at])
    sooner, first = n_missed, frame
    while sooner > 0:
        one = missed[sooner - 1]
        goes = one[AT] == first[AT] - 1 and goes_on(one, first, False)  # noqa: FBT003
        if not goes or one[CLARITY] < CLARITY_KEEP or one[TONE] < frame[TONE] - DROP_DB:
            break
        first = one
        sooner -= 1
    n_before = 0
    n_recent = run.n_recent
    for at in range(max(0, n_recent - _BEFORE_FRAMES), n_recent):
        recent = run.recent[at % _BEFORE_FRAMES]
        if recent[AT] < first[AT]:
            _put(run.before[n_before], recent)
            n_before += 1
    dual = min(first[RATIO], frame[RATIO]) > SECOND_MIN  # not where another tone still sounds
    leads = n_before > 0 and goes_on(first, run.before[n_before - 1], dual)
    run.lead_db = run.before[n_before - 1, TONE] if leads else LEVEL_MIN_DB
    run.tail_db = LEVEL_MIN_DB
    run.n_before, run.n_after, run.n_astray = n_before, 0, 0
    _put(run.frames[0], first)
    run.n = run.n_kept = 1
    run.n_pairs = 1 if dual else 0
    run.last = int(first[AT])
    _look(run)
    for at in range(sooner + 1, n_missed):
        _take(run, missed[at])
    if sooner < n_missed:
        _take(run, frame)


@exact
def _is_over(run: Any, frame: Doubles) -> bool:
    """Look at a frame that does not go on with the run: is the run over?"""
    if run.n == 1:  # one frame is no tone: what comes now may be
        run.n_after = 0
        return True
    since = int(frame[AT]) - run.last
    if since == 1:
        is_tail = goes_on(run.frames[run.n_kept - 1], frame, _is_dual(run))
        run.tail_db = frame[TONE] if is_tail else LEVEL_MIN_DB
    _put(run.after[run.n_after], frame)
    run.n_after += 1
    fell = run.tail_db < run.middles[TONE] - DROP_DB and since >= CLEAR_FRAMES
    return bool(fell or since > BRIDGE_FRAMES)


@exact
def _is_dual(run: Any) -> bool:
    """Whether most of its frames have a second peak: then either may be the stronger one."""
    return bool(run.n_pairs * 2 >= run.n_kept)


@exact
def _fits(run: Any, frame: Doubles) -> bool:
    """Whether a frame goes on with one of the last two: one may be spoilt."""
    if frame[CLARITY] < CLARITY_KEEP or frame[LEVEL] < TONE_LEVEL_MIN_DB:
        return False
    if frame[AT] - run.last > BRIDGE_FRAMES + 1:
        return False
    n_kept, dual = run.n_kept, _is_dual(run)
    goes = goes_on(run.frames[n_kept - 1], frame, dual)
    if not goes and n_kept > 1:
        goes = goes_on(run.frames[n_kept - 2], frame, dual)
    if not goes:
        return False
    if run.n < LEAST_FRAMES:
        return True
    if dual and _leaves(run, frame):
        return False
    rise_db = frame[TONE] - run.middles[TONE]
    bursts = rise_db > BURST_DB and frame[CLARITY] - run.middles[CLARITY] > BURST_CLARITY
    return bool(rise_db >= -DROP_DB and not bursts)


@exact
def _leaves(run: Any, frame: Doubles) -> bool:
    """Whether the run stood still and a frame is elsewhere: the next tone, not the other one of a pair."""
    n_kept = run.n_kept
    if run.n > n_kept or n_kept < HOME_FRAMES:
        return False
    recent = run.frames[n_kept - HOME_FRAMES : n_kept]
    n_homes, away = 0, True
    for column in (PEAK, SECOND):
        home_hz = middle(recent[:, column])
        n_near = 0
        for at in range(HOME_FRAMES):
            n_near += abs(recent[at, column] - home_hz) <= PACE_MAX_HZ
        if n_near >= HOME_LEAST:
            if n_homes == 0 and home_hz < BEATING_MAX_HZ:
                return False
            n_homes += 1
            away = away and abs(frame[PEAK] - home_hz) > PACE_MAX_SHARE * home_hz
    return n_homes > 0 and away


@exact
def _take(run: Any, frame: Doubles) -> None:
    """Add a frame that fits."""
    n_kept = run.n_kept
    before = run.frames[n_kept - 1]
    off_hz = min(abs(frame[PEAK] - before[PEAK]), abs(frame[PEAK] - before[SECOND]))
    if n_kept > 1:
        due_hz = 2 * before[PEAK] - run.frames[n_kept - 2, PEAK]
        off_hz = min(off_hz, abs(frame[PEAK] - due_hz))
    run.last = int(frame[AT])
    run.n += 1
    if run.n <= KEEP_FRAMES:
        _put(run.frames[n_kept], frame)
        run.n_kept = n_kept + 1
        run.n_astray += off_hz > DRIFT_MAX_HZ
        run.n_pairs += frame[RATIO] > SECOND_MIN
        _look(run)


@exact
def _look(run: Any) -> None:
    """Work out what the frames that are kept say of the run.

    It is steady if it stood still long enough: two tones that beat wander about one place, a voice leaves it.
    It is still if it is no voice, as far as can be told while it sounds: pure, and in one place.
    """
    n_kept = run.n_kept
    half = n_kept // 2
    for at, column in enumerate(_RANKED):
        value, ranks = run.frames[n_kept - 1, column], run.ranks[at]
        place = n_kept - 1
        while place > 0 and ranks[place - 1] > value:
            ranks[place] = ranks[place - 1]
            place -= 1
        ranks[place] = value
        higher = np.float64(ranks[half])
        run.middles[column] = higher if n_kept % 2 else (np.float64(ranks[half - 1]) + higher) / 2
    calm = run.n_astray * DRIFT_EVERY <= n_kept
    lasts = not calm and _lasts(run)
    run.steady = n_kept >= STEADY_FRAMES if calm else lasts
    still = run.steady and run.middles[CLARITY] >= STILL_CLARITY_MIN
    if still and not lasts:
        n_off = 0
        for at in range(n_kept):
            n_off += abs(run.frames[at, PEAK] - run.middles[PEAK]) > DRIFT_MAX_HZ
        still = n_off * DRIFT_EVERY <= n_kept or (calm and _lasts(run))
    run.still = still
    run.pending = _is_pending(run)


@exact
def _lasts(run: Any) -> bool:
    """Whether it has wandered about one place for long, and kept pure."""
    n_kept = run.n_kept
    if n_kept < LASTING_FRAMES or run.middles[CLARITY] < LASTING_CLARITY_MIN:
        return False
    peaks_hz = run.frames[:n_kept, PEAK]
    sooner, later = peaks_hz[: n_kept // 2], peaks_hz[n_kept // 2 :]
    # a spoilt frame is far off; of two tones that beat, now one is the peak and now the other
    drift_hz = abs(mean(later) - mean(sooner))
    drift_hz = min(drift_hz, abs(middle(later) - middle(sooner)))
    drift_hz = min(drift_hz, abs(_midrange(later) - _midrange(sooner)))
    return bool(drift_hz <= LASTING_DRIFT_MAX_HZ)


@exact
def _is_pending(run: Any) -> bool:
    """Whether it may be a tone, too short to be known as one: nothing was astray, or it may beat."""
    n_kept = run.n_kept
    if n_kept < LEAST_PENDING:
        return False
    is_pure = run.middles[CLARITY] >= LASTING_CLARITY_MIN
    may_beat = is_pure and BEATING_MIN_HZ <= run.middles[PEAK] < BEATING_MAX_HZ
    lowest_hz = highest_hz = run.frames[n_kept - 1, PEAK]
    for at in range(max(0, n_kept - STEADY_FRAMES), n_kept):
        lowest_hz, highest_hz = min(lowest_hz, run.frames[at, PEAK]), max(highest_hz, run.frames[at, PEAK])
    rests = is_pure and highest_hz - lowest_hz <= DRIFT_MAX_HZ
    if n_kept >= (BEATING_FRAMES if may_beat or rests else STILL_FRAMES):
        return bool(run.still)
    few_astray = run.n_astray * DRIFT_EVERY <= max(n_kept, DRIFT_EVERY)  # an edge may be astray
    return bool(is_pure or few_astray)


@exact
def _put(to: Doubles, frame: Doubles) -> None:
    for fact in range(N_FACTS):
        to[fact] = frame[fact]


@exact
def mean(values: Doubles) -> float:
    """Return the mean."""
    total = 0.0
    for at in range(values.size):
        total += values[at]
    return total / values.size


@exact
def ascending(values: Doubles) -> Doubles:
    """Sort a few values, by insertion."""
    found = np.empty(values.size)
    for n in range(values.size):
        at = n
        while at > 0 and found[at - 1] > values[n]:
            found[at] = found[at - 1]
            at -= 1
        found[at] = values[n]
    return found


@exact
def middle(values: Doubles) -> float:
    """Return the median."""
    found, half = ascending(values), values.size // 2
    return float(found[half] if values.size % 2 else (found[half - 1] + found[half]) / 2)


@exact
def _midrange(values: Doubles) -> float:
    """Half way between the highest and the lowest but a tenth of either."""
    found, n_off = ascending(values), values.size // 10
    return float(found[n_off] + found[values.size - 1 - n_off]) / 2


@exact
def goes_on(before: Doubles, frame: Doubles, dual: bool) -> bool:  # noqa: FBT001 - compiled code knows no keywords
    """Whether a peak of one frame is near one of the other, at most a tone's pace away.

    The second peaks count where there are two tones, but not where one tone follows another.
    """
    later_end = SECOND if dual and frame[RATIO] > SECOND_MIN else PEAK
    sooner_end = SECOND if dual and before[RATIO] > SECOND_MIN else PEAK
    for later in range(PEAK, later_end + 1):
        for sooner in range(PEAK, sooner_end + 1):
            old_hz = before[sooner]
            pace_hz = BEATING_PACE_HZ if old_hz < BEATING_MAX_HZ else max(PACE_MAX_HZ, PACE_MAX_SHARE * old_hz)
            if abs(frame[later] - old_hz) <= pace_hz:
                return True
    return False
