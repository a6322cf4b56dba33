"""What a tone means: recording beep, SIT, fax, busy, reorder, ringback.

A tone's frequency and length say what it can be; its neighbours (the SIT triple, a cadence) and whether anyone
spoke before it say what it is.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final

from amd.audio import RATE_HZ
from amd.events import SubState, ToneKind
from amd.national import PATTERNS, Pattern
from amd.tones import Tone

BEEP_MIN_S: Final = 0.06
BEEP_MAX_S: Final = 1.6
BEEP_MIN_HZ: Final = 340.0
BEEP_MAX_HZ: Final = 3450.0
"""Beeps on real lines last 70 ms to 1.5 s at 350 to 3400 Hz; a little room for what noise does to the edges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How steady a generated tone is, and how far it stands out from what is just before and after it."""

    spread_max_db: float
    wander_max_hz: float
    alone_min_db: float


ABOVE_VOICE: Final = Limits(spread_max_db=2.0, wander_max_hz=4.0, alone_min_db=6.0)
"""Where no vowel has its power in one harmonic: room for codecs (GSM spreads a clean tone by up to 2.4 dB)."""
IN_VOICE: Final = Limits(spread_max_db=1.5, wander_max_hz=4.0, alone_min_db=4.0)
"""Lower, but longer than most vowels."""
IN_VOICE_SHORT: Final = Limits(spread_max_db=0.6, wander_max_hz=1.6, alone_min_db=7.5)
"""Where vowels hold still as long. At 10 dB SNR over mu-law and A-law, 99 % of generated tones spread by at
most 0.4 dB, wander by at most 1.3 Hz, stand out by at least 9 dB."""
VOICE_MAX_HZ: Final = 750.0
"""The 20 vowels that looser limits took for beeps in 7.3 h of clips all lay below."""
VOWEL_S: Final = 0.3
"""And 19 of them were shorter."""

SIT_HZ: Final = ((870.0, 1010.0), (1340.0, 1460.0), (1740.0, 1850.0))
"""Where the three tones lie: Bell, ITU-T E.180 (within 50 Hz) and the German variant together."""
SIT_TONE_S: Final = (0.2, 0.45)
"""Bell 274 and 380 ms (5 %), ITU-T E.180 330 ms (70)."""
SIT_GAP_MAX_S: Final = 0.06
"""ITU-T E.180 allows 30 ms; the window blurs an edge by as much again."""
SIT_LONG_S: Final = 0.327
"""Half way between Bell's short and long tone."""
BELL_THIRD_HZ: Final = 1776.7
BELL_THIRD_WITHIN_HZ: Final = 11.0
"""Half way to the 1800 Hz of the ITU-T tone."""
BELL_FIRST_HIGH_HZ: Final = 949.5
"""Half way between 913.8 and 985.2 Hz."""
BELL_SECOND_HIGH_HZ: Final = 1399.5
"""Half way between 1370.6 and 1428.5 Hz."""
BELL_SIT: Final = {
    ("SS", "LL"): SubState.SIT_INTERCEPT,
    ("LS", "HL"): SubState.SIT_VACANT_CODE,
    ("SL", "LH"): SubState.SIT_REORDER,
    ("SL", "HL"): SubState.SIT_REORDER,
    ("LL", "HH"): SubState.SIT_NO_CIRCUIT,
    ("LL", "LL"): SubState.SIT_NO_CIRCUIT,
}
"""Durations (short, long) and frequencies (low, high) of the first two tones; both keys must agree."""

CNG_HZ: Final = 1100.0
CNG_WITHIN_HZ: Final = 38.0
CNG_S: Final = (0.42, 0.58)
"""ITU-T T.30: 0.5 s (15 %) of 1100 Hz, every 3 s."""
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
VOWEL_MAX_S: Final = 0.5
"""No spoken vowel keeps its power in one harmonic that stands still for so long."""
PROGRESS_MAX_HZ: Final = 640.0
"""Call-progress tones lie below; a tone there before anyone spoke is not a recording beep."""

RECENT_TONES: Final = 8
"""Among which the repeats are looked for: noise may put a tone of its own between them."""
CADENCE_WITHIN: Final = 0.15
"""Exchanges keep 10 % (ITU-T E.180); noise takes some of a tone's edges."""
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


class CallProgress:
    """Name the tones of one call, in order."""

    def __init__(self) -> None:
        self._triple: list[Tone] = []
        self._recent: list[Tone] = []
        self._pattern: Pattern | None = None
        self._ring: Tone | None = None
        self._ced_told_on = -1

    def step(
        self, *, now: int, ended: Tone | None, sounding: Tone | None, pending: bool, spoken: bool
    ) -> list[Heard]:
        """Take what the tone tracker found in one frame.

        Parameters
        ----------
        now : int
            How many samples have been heard.
        ended, sounding : Tone or None
            The tone that ended with this frame, and the one that goes on.
        pending : bool
            Whether a tone may have begun that is not known to be one yet.
        spoken : bool
            Whether anyone spoke before this.
        """
        heard: list[Heard] = []
        newest = ended or sounding
        if self._triple and (newest is not None or not pending):
            next_on = newest.on if newest is not None else now
            if next_on - self._triple[-1].off > round(SIT_GAP_MAX_S * RATE_HZ):
                heard += self._release(now, spoken=spoken)
        if ended is not None:
            heard += self._judge(ended, now, spoken=spoken)
        elif newest is None and not pending:
            heard += self._release_ring(now, RINGBACK_HOLD_S)
        if sounding is not None and self._is_ced(sounding) and sounding.on != self._ced_told_on:
            self._ced_told_on = sounding.on
            heard.append(_heard(ToneKind.FAX_CED, sounding, now))
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
        low, high = SIT_HZ[len(self._triple)]
        shortest, longest = SIT_TONE_S
        if len(tone.freqs_hz) == 1 and low <= tone.freqs_hz[0] <= high and shortest <= _length_s(tone) <= longest:
            self._triple.append(tone)
            if len(self._triple) < len(SIT_HZ):
                return []
            triple, self._triple = self._triple, []
            return [
                Heard(
                    kind=ToneKind.SIT,
                    on=triple[0].on,
                    off=tone.off,
                    known=now,
                    freqs_hz=tuple(part.freqs_hz[0] for part in triple),
                    sub_state=_sit_category(triple),
                )
            ]
        if self._triple:  # it does not go on with a SIT, but may begin one
            return self._release(now, spoken=spoken) + self._judge(tone, now, spoken=spoken)
        return self._name(tone, now, spoken=spoken)

    def _release(self, now: int, *, spoken: bool) -> list[Heard]:
        """Name the tones that could have begun a SIT and did not."""
        tones, self._triple = self._triple, []
        return [heard for tone in tones for heard in self._name(tone, now, spoken=spoken)]

    def _name(self, tone: Tone, now: int, *, spoken: bool) -> list[Heard]:
        """Name a tone that is no part of a SIT."""
        self._recent = [*self._recent[-(RECENT_TONES - 1) :], tone]
        misfits = [(misfit, row) for row in PATTERNS for misfit in self._misfits_s(row)]
        pattern = min(misfits, key=lambda found: found[0])[1] if misfits else None
        self._ring = None
        if pattern is not None:
            if pattern is self._pattern:
                return []
            self._pattern = pattern
            return [Heard(kind=pattern.kind, on=tone.on, off=tone.off, known=now, freqs_hz=tone.freqs_hz)]
        kind = _single_tone_kind(tone, spoken=spoken)
        if kind is ToneKind.RINGBACK:
            self._ring = tone
            return []
        return [] if kind is None else [_heard(kind, tone, now)]

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
                misfits_s.append(sum(off_by_s) / len(off_by_s))
        return misfits_s

    @staticmethod
    def _is_ced(tone: Tone) -> bool:
        return abs(tone.freqs_hz[0] - CED_HZ) <= CED_WITHIN_HZ and _length_s(tone) >= CED_MIN_S


def _single_tone_kind(tone: Tone, *, spoken: bool) -> ToneKind | None:
    """Kind of one tone by itself; None when it is nothing that a verdict can use."""
    length_s, first_hz = _length_s(tone), tone.freqs_hz[0]
    if not spoken and RINGBACK_HZ[0] <= first_hz <= RINGBACK_HZ[1] and length_s >= RINGBACK_MIN_S:
        return ToneKind.RINGBACK
    if len(tone.freqs_hz) > 1 or (not spoken and first_hz <= PROGRESS_MAX_HZ):
        return None
    if not spoken and abs(first_hz - CNG_HZ) <= CNG_WITHIN_HZ and CNG_S[0] <= length_s <= CNG_S[1]:
        return ToneKind.FAX_CNG
    if (
        _within_limits(tone, _limits(tone))
        and BEEP_MIN_S <= length_s <= BEEP_MAX_S
        and BEEP_MIN_HZ <= first_hz <= BEEP_MAX_HZ
    ):
        return ToneKind.BEEP
    return None


def is_generated(tone: Tone) -> bool:
    """Whether a tone that ended came from a machine or the network, not from a voice that held a vowel."""
    length_s = _length_s(tone)
    beats = tone.freqs_hz[0] <= RINGBACK_HZ[1] and length_s >= RINGBACK_MIN_S
    alone_db = min(tone.rise_db, tone.fall_db)
    return (
        length_s >= VOWEL_MAX_S
        or _within_limits(tone, _limits(tone))
        or (beats and alone_db >= IN_VOICE.alone_min_db)
        # a SIT's tones follow one another at once: none stands alone
        or (length_s >= SIT_TONE_S[0] and _is_steady(tone, _limits(tone)))
    )


def _limits(tone: Tone) -> Limits:
    if tone.freqs_hz[0] > VOICE_MAX_HZ:
        return ABOVE_VOICE
    return IN_VOICE if _length_s(tone) >= VOWEL_S else IN_VOICE_SHORT


def _within_limits(tone: Tone, limits: Limits) -> bool:
    return _is_steady(tone, limits) and min(tone.rise_db, tone.fall_db) >= limits.alone_min_db


def _is_steady(tone: Tone, limits: Limits) -> bool:
    return tone.spread_db <= limits.spread_max_db and tone.wander_hz <= limits.wander_max_hz


def _sit_category(triple: list[Tone]) -> SubState:
    """Bell category when durations and frequencies agree on one, else generic."""
    first, second, third = triple
    if abs(third.freqs_hz[0] - BELL_THIRD_HZ) > BELL_THIRD_WITHIN_HZ:
        return SubState.SIT_GENERIC
    durations = "".join("L" if _length_s(tone) >= SIT_LONG_S else "S" for tone in (first, second))
    pitches = "H" if first.freqs_hz[0] >= BELL_FIRST_HIGH_HZ else "L"
    pitches += "H" if second.freqs_hz[0] >= BELL_SECOND_HIGH_HZ else "L"
    return BELL_SIT.get((durations, pitches), SubState.SIT_GENERIC)


def _heard(kind: ToneKind, tone: Tone, now: int) -> Heard:
    return Heard(kind=kind, on=tone.on, off=tone.off, known=now, freqs_hz=tone.freqs_hz)


def _length_s(tone: Tone) -> float:
    return (tone.off - tone.on) / RATE_HZ


def _within(value: float, nominal: float) -> bool:
    return abs(value - nominal) <= CADENCE_WITHIN * nominal


def _same_freqs(freqs_hz: tuple[float, ...], nominal_hz: tuple[float, ...]) -> bool:
    return len(freqs_hz) == len(nominal_hz) and all(
        abs(hz - nominal) <= FREQ_WITHIN_HZ for hz, nominal in zip(freqs_hz, nominal_hz, strict=True)
    )
