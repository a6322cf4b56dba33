"""What a tone means: recording beep, SIT, fax, key, dial tone, busy, reorder, ringback.

A tone's frequency and length say what it can be; its neighbours (the SIT triple, a cadence) and whether anyone
spoke before it say what it is. Whether it is a tone at all and not a vowel, `amd.beeps` says.
"""

from __future__ import annotations

import itertools
import math
import statistics
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from amd import beeps, sit
from amd.audio import RATE_HZ
from amd.events import SubState, ToneKind
from amd.national import PATTERNS, Pattern
from amd.rows import Flags
from amd.sit import SitTracker
from amd.tones import Ended, Sounding, Tone

BEEP_MIN_S: Final = 0.055
BEEP_MAX_S: Final = 1.6
BEEP_MIN_HZ: Final = 330.0
BEEP_MAX_HZ: Final = 3500.0
"""Beeps on real lines last 70 ms to 1.5 s at 350 to 3400 Hz; noise moves the edges a little."""
BEEP_PROBABILITY_MIN: Final = 0.98
"""Of 0.95, 0.97, 0.98 and 0.99 the least at which speech of the dev split bounds the rate below one an hour: every
clip over each of five lines (5.5 h) has one false beep (below 0.86 an hour), and two at 0.97 (below 1.14).
Speakers left out of the fit have more (docs/decisions/0009)."""
SWAY: Final = (0.015, 0.1)
SWAY_MIN_S: Final = 0.2
"""A singer's note sways by 30 to 100 cents (1.7 to 6 %, Prame 1997, doi:10.1121/1.419735) all the while it lasts;
beeps so long stay within 0.7 % of their line at the median, or jump to a harmonic and back, which is further."""
GENERATED_PROBABILITY_MIN: Final = 0.85
"""Such a tone is not speech, whatever it means; a harmonic near 500 Hz that glides with its voice has 0.82."""
NAMED_CLARITY_MIN: Final = 0.6
"""A tone with a name in the network's tables needs no more purity than that: its frequency and length vouch."""

SPECK_S: Final = 0.04
"""Shorter than any tone with a meaning."""
CNG_HZ: Final = 1100.0
CNG_WITHIN_HZ: Final = 38.0
CNG_S: Final = (0.42, 0.58)
"""ITU-T T.30: 0.5 s (15 %) of 1100 Hz, every 3 s."""
DTMF_ROWS_HZ: Final = (697.0, 770.0, 852.0, 941.0)
DTMF_COLUMNS_HZ: Final = (1209.0, 1336.0, 1477.0, 1633.0)
DTMF_WITHIN: Final = 0.025
"""ITU-T Q.24: a receiver takes 1.5 % off at least (1.8 % where the US say so) and 3.5 % off at most."""
DTMF_VOTE_WITHIN: Final = 0.04
"""A frame so near to a tone of a key speaks for it; their median decides."""
ROUNDING: Final = 1e-6
OCTAVE_WITHIN: Final = 0.01
"""The nearest that keys come to an octave, each tone 1.5 % off, are 1.975 and 2.056: nearer is a harmonic."""
DTMF_MIN_S: Final = 0.03
"""ITU-T Q.24: 40 ms are a digit, 20 to 24 ms are none."""
DTMF_CLARITY_MIN: Final = 0.78
DTMF_LONE_CLARITY_MIN: Final = 0.85
"""Keys at 10 dB SNR over Opus at 8 kbit/s have 0.79 and more, those known by one frame alone 0.86. Of 74,000 tones
in dev speech and music over five lines five pass: the end of a key that was pressed, over four, and one vowel."""
DTMF_RISE_MIN_DB: Final = 3.0
"""A digit leaves 4 dB of twist and a few of noise beside it; two harmonics of a vowel fit both, hardly ever."""

CED_HZ: Final = 2100.0
CED_WITHIN_HZ: Final = 15.0
CED_MIN_S: Final = 1.7
"""ITU-T T.30: 2.6 to 4 s; longer than any recording beep is enough."""

RINGBACK_HZ: Final = (380.0, 490.0)
"""From 400 Hz (Japan, India) to 440+480 (US), as its peak wanders."""
RINGBACK_MIN_S: Final = 0.25
"""The tail of a ring that an answer cut off; shorter ones are told by nothing but their frequency."""
RINGBACK_HOLD_S: Final = 0.9
"""A tone of that frequency is called ringback when none follows it for longer than in any busy cadence."""
DIAL_HZ: Final = (330.0, 500.0)
DIAL_MIN_S: Final = 3.2
DIAL_SPREAD_MAX_DB: Final = 2.5
DIAL_CLARITY_MIN: Final = 0.85
"""350+440 Hz (US, UK) or one tone near 425 Hz, without a break; no ring lasts longer than the 2 s of the US, or
3 s where a tail runs into one. A held note of music fades, and others sound beside it."""
LASTING: Final = (
    (CED_HZ - CED_WITHIN_HZ, CED_HZ + CED_WITHIN_HZ, CED_MIN_S),
    (*DIAL_HZ, DIAL_MIN_S),
)
"""Tones that are known by how long they last, while they last: Hz from and to, and seconds."""
VOWEL_MAX_S: Final = 1.2
HELD_CLARITY_MIN: Final = 0.85
HELD_DRIFT_MAX_HZ: Final = 25.0
"""No spoken vowel keeps its power in one harmonic, and that in one place, for so long."""
PROGRESS_PAIRS_HZ: Final = ((480.0, 620.0), (440.0, 480.0), (350.0, 440.0), (400.0, 450.0))
"""Pairs of the network; one of them before anyone spoke is not a recording beep."""

NOTE_APART: Final = 0.03
MUSIC_S: Final = 6.0
MUSIC_NOTES: Final = 2
"""Tones of other pitches (a semitone is 6 %), so many in the seconds before, that the trees took for generated:
that is music made by a machine. Of 325 beeps of composed calls it costs none, of 131 others two."""
RECENT_TONES: Final = 8
"""Among which the repeats are looked for: noise may put a tone of its own between them."""
JOIN_MAX_S: Final = 0.05
"""Two tones of one frequency, nearer than that, are one which a lost packet broke; double beeps pause 60 ms."""
CADENCE_WITHIN: Final = 0.15
"""Exchanges keep 10 % (ITU-T E.180); noise takes some of a tone's edges."""
PERIOD_WITHIN: Final = 0.1
"""Onsets are exact: the period tells 200 ms on and off (Spain, Italy) from the 175 ms of Russia."""
FREQ_WITHIN_HZ: Final = 20.0
"""Rows of one cadence differ by 15 Hz at least; the period decides between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A tone or pattern that was recognised; positions are samples from answer."""

    kind: ToneKind
    on: int
    off: int
    known: int
    freqs_hz: tuple[float, ...]
    sub_state: SubState | None = None


class Note(NamedTuple):
    """What is kept of a tone for those that follow it: as in `Tone`."""

    on: int
    off: int
    freqs_hz: tuple[float, ...]
    rise_db: float
    rise_near_db: float


class Waits(NamedTuple):
    """What a call's tones wait for; positions are samples.

    Parameters
    ----------
    joins : float
        Up to where a tone may begin that goes on with the last one.
    sit_off, ring_off : float
        Where a tone ended that may go on as a SIT, and one that is ringback if none follows; infinite where none
        waits.
    told_on : float
        Where the tone began that was told of while it lasts, if there was one.
    """

    joins: float
    sit_off: float
    ring_off: float
    told_on: float


class CallProgress:
    """Name the tones of one call, in order."""

    def __init__(self) -> None:
        self._sit = SitTracker()
        self._recent: list[Note] = []
        self._pattern: Pattern | None = None
        self._ring: Tone | None = None
        self._rung_hz: list[float] = []
        self._told_on = -1

    @property
    def waits(self) -> Waits:
        """What it waits for: which later frames may bring something by themselves."""
        return Waits(
            joins=self._recent[-1].off + JOIN_MAX_S * RATE_HZ + 1 if self._recent else 0.0,
            sit_off=self._sit.off if self._sit.waits else math.inf,
            ring_off=self._ring.off if self._ring is not None else math.inf,
            told_on=self._told_on,
        )

    def step(
        self,
        *,
        now: int,
        ended: Tone | None,
        begun: int | None,
        sounding: Sounding | None,
        pending: bool,
        spoken: bool,
    ) -> list[Heard]:
        """Take what the tone tracker found in one frame.

        Parameters
        ----------
        now : int
            How many samples have been heard.
        ended : Tone or None
            The tone that ended with this frame.
        begun : int or None
            First sample of what goes on, if it may be a tone.
        sounding : Sounding or None
            The same, once it is known to be one.
        pending : bool
            Whether a tone may have begun that is not known to be one yet.
        spoken : bool
            Whether anyone spoke before this.
        """
        heard: list[Heard] = []
        if self._sit.waits:
            next_on = ended.on if ended is not None else now if begun is None else begun
            if self._sit.is_over(now, next_on):
                heard += self._release(now, spoken=spoken)
        if ended is not None:
            heard += self._judge(ended, now, spoken=spoken)
        elif sounding is None and not pending:
            heard += self._release_ring(now, RINGBACK_HOLD_S)
        if sounding is not None and sounding.on != self._told_on:
            kind = _lasting_kind(sounding)
            if kind is not None:
                self._told_on, self._ring = sounding.on, None
                heard.append(
                    Heard(kind=kind, on=sounding.on, off=sounding.off, known=now, freqs_hz=(sounding.freq_hz,))
                )
        return heard

    def finish(self, now: int, *, ended: Tone | None, spoken: bool) -> list[Heard]:
        """Judge the tone that the end of the call cut off, and what still waited for a neighbour."""
        heard = self._judge(ended, now, spoken=spoken) if ended is not None else []
        return heard + self._release(now, spoken=spoken) + self._release_ring(now, 0.0)

    def _release_ring(self, now: int, hold_s: float) -> list[Heard]:
        """Name the ringback that nothing followed for ``hold_s``."""
        ring = self._ring
        if ring is None or now - ring.off < hold_s * RATE_HZ:
            return []
        self._ring = None
        return [_heard(ToneKind.RINGBACK, ring, now)]

    def _judge(self, tone: Tone, now: int, *, spoken: bool) -> list[Heard]:
        if tone.on == self._told_on:  # its kind was told while it sounded
            return []
        if self._sit.take(tone, spoken=spoken):
            triple = self._sit.complete()
            return [_heard_sit(triple, now)] if triple else []
        if self._sit.waits and _length_s(tone) < SPECK_S:  # noise where two tones of a SIT meet
            return self._name(tone, now, spoken=spoken)
        if self._sit.waits:  # it does not go on with a SIT, but may begin one
            return self._release(now, spoken=spoken) + self._judge(tone, now, spoken=spoken)
        return self._name(tone, now, spoken=spoken)

    def _release(self, now: int, *, spoken: bool) -> list[Heard]:
        """Name the tones that could have begun a SIT and did not."""
        return [heard for tone in self._sit.release() for heard in self._name(tone, now, spoken=spoken)]

    def _probability_min(self, tone: Tone) -> float:
        """How sure a beep must be; after tones of other pitches none is."""
        since, hz = tone.on - round(MUSIC_S * RATE_HZ), tone.freqs_hz[0]
        n_notes = sum(
            since <= note.on < tone.on and abs(note.freqs_hz[0] - hz) > NOTE_APART * hz and not _is_progress(note)
            for note in self._recent
        )
        return math.inf if n_notes >= MUSIC_NOTES else BEEP_PROBABILITY_MIN

    def _name(self, tone: Tone, now: int, *, spoken: bool) -> list[Heard]:
        """Name a tone that is no part of a SIT."""
        key_hz = _key_hz(tone)
        if key_hz is not None:
            return [replace(_heard(ToneKind.DTMF, tone, now), freqs_hz=key_hz)]
        piece = tone
        if self._recent and _may_join(self._recent[-1], tone):
            tone = _join(self._recent.pop(), tone)
        elif not is_generated(tone):
            return []
        self._recent = [*self._recent[-(RECENT_TONES - 1) :], _note(tone)]
        misfits = [(misfit, row) for row in PATTERNS for misfit in self._misfits_s(row)]
        pattern = min(misfits, key=lambda found: found[0])[1] if misfits else None
        ring, self._ring = self._ring, None
        heard = []
        if ring is not None and abs(ring.freqs_hz[0] - tone.freqs_hz[0]) > FREQ_WITHIN_HZ:
            heard = [_heard(ToneKind.RINGBACK, ring, now)]  # what comes now is no busy tone
        if pattern is not None:
            if pattern is self._pattern:
                return heard
            self._pattern = pattern
            return [*heard, Heard(kind=pattern.kind, on=tone.on, off=tone.off, known=now, freqs_hz=tone.freqs_hz)]
        if _is_progress(tone) and (not spoken or len(tone.freqs_hz) > 1):
            self._rung_hz.append(tone.freqs_hz[0])
            if len(tone.freqs_hz) == 1 and _length_s(tone) >= RINGBACK_MIN_S:
                self._ring = tone
            return heard
        if any(abs(hz - tone.freqs_hz[0]) <= FREQ_WITHIN_HZ for hz in self._rung_hz):
            return heard  # the network's tone that was heard before
        kind = _single_tone_kind(tone, spoken=spoken, probability_min=self._probability_min(tone))
        return heard if kind is None else [*heard, _heard(kind, piece, now)]  # what it joins may have been told

    def _misfits_s(self, pattern: Pattern) -> list[float]:
        """How far the last tones' periods are from the pattern's, for each step that they may begin with.

        Nothing where their frequencies, lengths or gaps are not the pattern's. The period from onset to onset is
        the surest: noise makes a tone longer and its gap shorter.
        """
        ons_s, offs_s = pattern.steps_s[::2], pattern.steps_s[1::2]
        n_steps = len(ons_s)
        n_tones = pattern.n_tones
        tones = [tone for tone in self._recent if _same_freqs(tone.freqs_hz, pattern.freqs_hz)][-n_tones:]
        if len(tones) < n_tones or tones[-1] is not self._recent[-1]:
            return []
        lengths_s = [_length_s(tone) for tone in tones]
        gaps_s = [(later.on - sooner.off) / RATE_HZ for sooner, later in itertools.pairwise(tones)]
        periods_s = [(later.on - sooner.on) / RATE_HZ for sooner, later in itertools.pairwise(tones[1:])]
        misfits_s = []
        for first in range(n_steps):
            steps = [(ons_s[(first + i) % n_steps], offs_s[(first + i) % n_steps]) for i in range(n_tones)]
            # the first tone may have been cut by the answer
            lengths_fit = all(
                _within(length_s, on_s) for length_s, (on_s, _) in zip(lengths_s[1:], steps[1:], strict=True)
            )
            gaps_fit = all(_within(gap_s, off_s) for gap_s, (_, off_s) in zip(gaps_s, steps[:-1], strict=True))
            if lengths_fit and gaps_fit:
                nominal_s = [on_s + off_s for on_s, off_s in steps[1:-1]]
                off_by_s = [abs(period - due) for period, due in zip(periods_s, nominal_s, strict=True)]
                if all(off <= PERIOD_WITHIN * due for off, due in zip(off_by_s, nominal_s, strict=True)):
                    misfits_s.append(sum(off_by_s) / max(1, len(off_by_s)))
        return misfits_s


def _lasting_kind(sounding: Sounding) -> ToneKind | None:
    """Kind of a tone that is known by how long it lasts, while it lasts."""
    length_s = (sounding.off - sounding.on) / RATE_HZ
    if abs(sounding.freq_hz - CED_HZ) <= CED_WITHIN_HZ and length_s >= CED_MIN_S:
        return ToneKind.FAX_CED
    is_even = sounding.spread_db <= DIAL_SPREAD_MAX_DB and sounding.clarity >= DIAL_CLARITY_MIN
    if DIAL_HZ[0] <= sounding.freq_hz <= DIAL_HZ[1] and length_s >= DIAL_MIN_S and is_even:
        return ToneKind.DIAL_TONE
    return None


def _is_progress(tone: Tone | Note) -> bool:
    """Whether it may be a tone of the network by its frequency."""
    if len(tone.freqs_hz) > 1:
        return any(_same_freqs(tone.freqs_hz, pair) for pair in PROGRESS_PAIRS_HZ)
    return RINGBACK_HZ[0] <= tone.freqs_hz[0] <= RINGBACK_HZ[1]


def is_key(tone: Tone) -> bool:
    """Whether it is one of the sixteen DTMF digits."""
    return _key_hz(tone) is not None


def _key_hz(tone: Tone) -> tuple[float, float] | None:
    """Both frequencies if it is one of the sixteen DTMF digits, by the row and column that most frames agree on.

    A codec or a lost packet may spoil the others.
    """
    stands_out = min(tone.rise_near_db, tone.fall_near_db) >= DTMF_RISE_MIN_DB
    clarity_min = DTMF_CLARITY_MIN if len(tone.pairs_hz) > 1 else DTMF_LONE_CLARITY_MIN
    if _length_s(tone) < DTMF_MIN_S or tone.clarity < clarity_min or not stands_out:
        return None
    votes: dict[tuple[float, float], list[tuple[float, float]]] = {}
    for low_hz, high_hz in tone.pairs_hz:
        row_hz = min(DTMF_ROWS_HZ, key=lambda hz: abs(low_hz - hz))
        column_hz = min(DTMF_COLUMNS_HZ, key=lambda hz: abs(high_hz - hz))
        votes.setdefault((row_hz, column_hz), []).append((low_hz, high_hz))
    if not votes:
        return None
    key_hz, pairs_hz = max(votes.items(), key=lambda vote: len(vote[1]))
    found_hz = []
    for nominal_hz, heard_hz in zip(key_hz, zip(*pairs_hz, strict=True), strict=True):
        near_hz = [hz for hz in heard_hz if abs(hz - nominal_hz) <= DTMF_VOTE_WITHIN * nominal_hz]
        if len(near_hz) * 2 < len(tone.pairs_hz):
            return None
        found_hz.append(statistics.median(near_hz))
        if abs(found_hz[-1] - nominal_hz) > DTMF_WITHIN * nominal_hz:
            return None
    row_hz, column_hz = found_hz
    return None if abs(column_hz / row_hz - 2) <= 2 * OCTAVE_WITHIN else (row_hz, column_hz)


def _single_tone_kind(tone: Tone, *, spoken: bool, probability_min: float) -> ToneKind | None:
    """Kind of one tone by itself; None when it is nothing that a verdict can use."""
    length_s, first_hz = _length_s(tone), tone.freqs_hz[0]
    if not spoken and abs(first_hz - CNG_HZ) <= CNG_WITHIN_HZ and CNG_S[0] <= length_s <= CNG_S[1]:
        return ToneKind.FAX_CNG
    if length_s >= SWAY_MIN_S and SWAY[0] <= tone.wander_hz / first_hz <= SWAY[1]:
        return None
    in_range = BEEP_MIN_S <= length_s <= BEEP_MAX_S and BEEP_MIN_HZ <= first_hz <= BEEP_MAX_HZ
    if in_range and beeps.probability(tone) >= probability_min:
        return ToneKind.BEEP
    return None


def is_generated(tone: Tone) -> bool:
    """Whether a tone that ended came from a machine or the network, not from a voice that held a vowel."""
    is_pure = tone.clarity >= HELD_CLARITY_MIN and tone.wander_max_hz <= HELD_DRIFT_MAX_HZ
    is_level = abs(tone.sweep_hz_s) * _length_s(tone) <= HELD_DRIFT_MAX_HZ
    if tone.steady and is_pure and is_level and _length_s(tone) >= VOWEL_MAX_S:
        return True
    return beeps.probability(tone) >= GENERATED_PROBABILITY_MIN


def are_generated(ended: Ended) -> Flags:
    """The same of each of some tones."""
    length_s = (ended.column("off") - ended.column("on")) / RATE_HZ
    held = (ended.column("steady") > 0) & (length_s >= VOWEL_MAX_S) & (ended.column("clarity") >= HELD_CLARITY_MIN)
    held &= ended.column("wander_max_hz") <= HELD_DRIFT_MAX_HZ
    held &= np.abs(ended.column("sweep_hz_s")) * length_s <= HELD_DRIFT_MAX_HZ
    found: Flags = held | (np.array(beeps.shipped().probabilities(ended)) >= GENERATED_PROBABILITY_MIN)
    return found


def may_mean(ended: Ended, generated: Flags) -> Flags:
    """Whether each of some tones may mean anything where none waits for it, and it goes on with none before it."""
    length_s, clarity = (ended.column("off") - ended.column("on")) / RATE_HZ, ended.column("clarity")
    stands_out_db = np.minimum(ended.column("rise_near_db"), ended.column("fall_near_db"))
    found = (clarity >= min(DTMF_CLARITY_MIN, DTMF_LONE_CLARITY_MIN)) & (stands_out_db >= DTMF_RISE_MIN_DB)
    found &= length_s >= DTMF_MIN_S
    found &= ended.most_pairs_near(DTMF_ROWS_HZ, DTMF_COLUMNS_HZ, DTMF_VOTE_WITHIN + ROUNDING)
    for at in np.flatnonzero(found & ~generated).tolist():
        found[at] = is_key(ended.tone(at))
    return found | generated | sit.may_begin(ended)


def _may_join(sooner: Note, later: Tone) -> bool:
    """Whether a lost packet may have broken one tone into these two."""
    return (
        later.on - sooner.off <= JOIN_MAX_S * RATE_HZ
        and len(sooner.freqs_hz) == len(later.freqs_hz)
        and _same_freqs(later.freqs_hz, sooner.freqs_hz)
    )


def _note(tone: Tone) -> Note:
    return Note(*(getattr(tone, name) for name in Note._fields))


def _join(sooner: Note, later: Tone) -> Tone:
    return replace(later, on=sooner.on, rise_db=sooner.rise_db, rise_near_db=sooner.rise_near_db)


def _heard_sit(triple: tuple[Tone, ...], now: int) -> Heard:
    return Heard(
        kind=ToneKind.SIT,
        on=triple[0].on,
        off=triple[-1].off,
        known=now,
        freqs_hz=tuple(part.freqs_hz[0] for part in triple),
        sub_state=sit.category(triple),
    )


def _heard(kind: ToneKind, tone: Tone, now: int) -> Heard:
    return Heard(kind=kind, on=tone.on, off=tone.off, known=now, freqs_hz=tone.freqs_hz)


def _length_s(tone: Tone | Note) -> float:
    return (tone.off - tone.on) / RATE_HZ


def _within(value: float, nominal: float) -> bool:
    return abs(value - nominal) <= CADENCE_WITHIN * nominal


def _same_freqs(freqs_hz: tuple[float, ...], nominal_hz: tuple[float, ...]) -> bool:
    return len(freqs_hz) == len(nominal_hz) and all(
        abs(hz - nominal) <= FREQ_WITHIN_HZ for hz, nominal in zip(freqs_hz, nominal_hz, strict=True)
    )
