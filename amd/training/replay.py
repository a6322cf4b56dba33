"""What a policy would have said of calls that were heard once: the stopping rule alone, replayed on its inputs.

Hearing a call costs some milliseconds a second of audio; its decision, given what was heard, next to nothing. A
call is heard once, without deciding anything, and each tick keeps what `amd.policy` asks of it. `decide` then
gives the verdict that `amd.Detector` gives under any policy, to the sample (``tests/test_replay.py``). Final
verdicts only: those that a policy takes back are not replayed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from amd.errors import PolicyError
from amd.events import Cause, Party
from amd.evidence import NAMES
from amd.policy import RING_GAP_MAX_S, Policy
from amd.training.listening import Flags, Floats, Recorded, Said, of_probabilities, record, weighed

__all__ = ["Decided", "Recorded", "Said", "Stack", "decide", "of_probabilities", "record", "weighed"]

Codes = npt.NDArray[np.int8]

PARTIES: Final = tuple(Party)
CAUSES: Final = tuple(Cause)
NEVER: Final = np.iinfo(np.int64).max
_P_HALF: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Verdicts of many calls, one after the other.

    Parameters
    ----------
    party, cause : ndarray of int8, shape (n_calls,)
        Places in `PARTIES` and `CAUSES`.
    known_s : ndarray of float64, shape (n_calls,)
        When each could be known, in seconds from the start of the audio.
    probability : ndarray of float64, shape (n_calls,)
        Of the party, where speech decided; NaN elsewhere.
    """

    party: Codes
    known_s: Floats
    cause: Codes
    probability: Floats

    def said(self, index: int) -> Said:
        """Return the verdict of one call."""
        party, cause = PARTIES[self.party[index]], CAUSES[self.cause[index]]
        return Said(party, float(self.known_s[index]), cause)

    def are(self, party: Party) -> Flags:
        """Which calls were called so."""
        return np.asarray(self.party == PARTIES.index(party))


class Stack:
    """The ticks of many calls, laid end to end: a policy is replayed on all of them at once.

    Parameters
    ----------
    calls : sequence of Recorded
        All heard with the same ``early_media``.
    """

    def __init__(self, calls: Sequence[Recorded]) -> None:
        if not calls:
            raise ValueError("a stack needs one call at least")
        if len({call.early_media for call in calls}) > 1:
            raise ValueError("some calls were heard with early_media and some without: stack them apart")
        self.calls = tuple(calls)
        self.early_media = calls[0].early_media
        sizes = np.array([call.n_ticks for call in calls])
        self.starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self.sizes = sizes
        self._places = np.arange(int(sizes.sum())) - np.repeat(self.starts, sizes)
        ticks = [np.concatenate([getattr(call, name) for call in calls]) for name in _TICKS]
        self.known_s, self.p_machine, self.time_s, self.silent_s, self.rang, self.tone_near = ticks
        evidence = np.concatenate([call.evidence for call in calls]).astype(np.float64)
        self.gap_s, self.since_onset_s = (evidence[:, NAMES.index(name)] for name in ("gap_s", "since_onset_s"))
        self.spoken = ~np.isnan(self.p_machine)
        self.tone_tick = np.array([NEVER if call.tone is None else call.tone_tick for call in calls])
        self.tone = _codes([call.tone for call in calls])
        self.end = _codes([call.end for call in calls])
        self.end_known_s = np.array([call.duration_s for call in calls])
        self.end_p = np.array([call.end_probability for call in calls])

    def decide(self, policy: Policy) -> Decided:
        """Give each call the verdict of a policy.

        Raises
        ------
        PolicyError
            If the calls were heard for the other kind of ``early_media``.
        """
        if policy.early_media is not self.early_media:
            raise PolicyError(
                f"early_media={policy.early_media}, but the calls were heard with early_media={self.early_media}:"
                " record() them so"
            )
        tick = self._first(self._sure(policy) | self._deadline(policy) | self._silent(policy))
        by_tone = (self.tone_tick <= tick) & (self.tone_tick != NEVER)
        at_end = ~by_tone & (tick == NEVER)
        by_tick = ~by_tone & ~at_end
        party, cause, known_s = self.end.party.copy(), self.end.cause.copy(), self.end_known_s.copy()
        spoken_end = at_end & ~np.isnan(self.end_p)
        party[spoken_end] = _forced(policy, self.end_p[spoken_end])
        cause[spoken_end] = CAUSES.index(Cause.AUDIO_ENDED)
        rows = self.starts[by_tick] + tick[by_tick]
        known_s[by_tick] = self.known_s[rows]
        party[by_tick], cause[by_tick] = self._at(policy, rows)
        party[by_tone], cause[by_tone] = self.tone.party[by_tone], self.tone.cause[by_tone]
        known_s[by_tone] = self.tone.known_s[by_tone]
        p_machine = np.where(spoken_end, self.end_p, np.nan)
        p_machine[by_tick] = self.p_machine[rows]
        probability = np.where(party == _MACHINE, p_machine, np.where(party == _HUMAN, 1 - p_machine, np.nan))
        return Decided(party=party, known_s=known_s, cause=cause, probability=probability)

    def _sure(self, policy: Policy) -> Flags:
        """Ticks at which `amd.policy.decide_on_speech` is sure, or waits no longer, and no tone is near."""
        return np.asarray(self._by_speech(policy) & ~self.tone_near)

    def _by_speech(self, policy: Policy) -> Flags:
        machine = self.p_machine >= policy.machine_probability_min
        return np.asarray(machine | self._human(policy) | (self.spoken & (self.gap_s >= policy.gap_max_s)))

    def _human(self, policy: Policy) -> Flags:
        """Ticks at which a person is sure, and silent for long enough."""
        sure = 1 - self.p_machine >= policy.human_probability_min
        return np.asarray(sure & (self.gap_s >= policy.human_gap_min_s))

    def _deadline(self, policy: Policy) -> Flags:
        """Ticks at which the deadline forces a verdict, a tone near or not."""
        late = self.spoken & (self.since_onset_s >= policy.verdict_max_s)
        return np.asarray(late & ~self._by_speech(policy))

    def _silent(self, policy: Policy) -> Flags:
        return self._silence(policy) | self._rings_on(policy)

    def _silence(self, policy: Policy) -> Flags:
        """Ticks at which `amd.policy.decide_on_silence` says ``silence`` for good."""
        may_ring_yet = ~self.rang & (self.time_s < policy.ringback_max_s) if policy.early_media else False
        silent = self.silent_s >= policy.silence_max_s
        return np.asarray(~self.spoken & silent & ~self._rings() & ~may_ring_yet)

    def _rings_on(self, policy: Policy) -> Flags:
        """Ticks at which ringback, or some other tone, has gone on for too long."""
        goes_on = ~self.rang & (self.silent_s < np.minimum(self.time_s, policy.silence_early_s))
        return np.asarray(~self.spoken & (self.time_s >= policy.ringback_max_s) & (self._rings() | goes_on))

    def _rings(self) -> Flags:
        return np.asarray(self.rang & (self.silent_s < RING_GAP_MAX_S))

    def _first(self, decides: Flags) -> npt.NDArray[np.int64]:
        """Return the first tick of each call that decides, counted from its own first; `NEVER` if none does."""
        first = np.full(self.sizes.size, NEVER)
        some = self.sizes > 0
        if some.any():
            first[some] = np.minimum.reduceat(np.where(decides, self._places, NEVER), self.starts[some])
        return first

    def _at(self, policy: Policy, rows: npt.NDArray[np.int64]) -> tuple[Codes, Codes]:
        """What is said at ticks that decide."""
        p_machine = self.p_machine[rows]
        sure = (p_machine >= policy.machine_probability_min) | self._human(policy)[rows]
        machine = np.where(sure, p_machine > _P_HALF, p_machine >= policy.forced_probability_min)
        party = np.where(machine, _MACHINE, _HUMAN)
        cause = np.where(machine, CAUSES.index(Cause.LONG_GREETING), CAUSES.index(Cause.GREETING_THEN_SILENCE))
        forced = self._deadline(policy)[rows]
        party[forced] = _forced(policy, p_machine[forced])
        cause[forced] = CAUSES.index(Cause.DEADLINE)
        nobody = ~self.spoken[rows]
        rings = self._rings()[rows]
        silent = self._silence(policy)[rows]
        party[nobody] = np.where(silent, _SILENCE, np.where(rings, _NETWORK, _UNSURE))[nobody]
        causes = (Cause.NO_SPEECH, Cause.RINGBACK, Cause.DEADLINE)
        no_speech, ringback, deadline = (CAUSES.index(one) for one in causes)
        cause[nobody] = np.where(silent, no_speech, np.where(rings, ringback, deadline))[nobody]
        return party.astype(np.int8), cause.astype(np.int8)


def decide(recorded: Recorded, policy: Policy) -> Said:
    """Give the verdict of a policy on one call; `Stack` does many at once, some thousand times faster.

    Examples
    --------
    >>> from amd.policy import Policy
    >>> decide(of_probabilities([0.4, 0.1, 0.1], gaps_s=[0.0, 0.0, 0.9]), Policy()).party
    <Party.HUMAN: 'human'>
    """
    return Stack([recorded]).decide(policy).said(0)


_TICKS: Final = ("known_s", "machine_probability", "time_s", "silent_s", "rang", "tone_near")
_HUMAN, _MACHINE, _NETWORK, _SILENCE, _UNSURE = (
    PARTIES.index(party) for party in (Party.HUMAN, Party.MACHINE, Party.NETWORK, Party.SILENCE, Party.UNSURE)
)


def _codes(said: Iterable[Said | None]) -> Decided:
    """Verdicts as arrays; ``unsure`` where there is none, which nobody asks for."""
    rows = [one or Said(Party.UNSURE, float("nan"), Cause.AUDIO_ENDED) for one in said]
    return Decided(
        party=np.array([PARTIES.index(one.party) for one in rows], dtype=np.int8),
        known_s=np.array([one.known_s for one in rows]),
        cause=np.array([CAUSES.index(one.cause) for one in rows], dtype=np.int8),
        probability=np.full(len(rows), np.nan),
    )


def _forced(policy: Policy, p_machine: Floats) -> Codes:
    """Return the likelier party, or ``unsure``: `amd.policy.force`."""
    likely = np.maximum(p_machine, 1 - p_machine) >= policy.forced_probability_min
    return np.where(likely, np.where(p_machine > _P_HALF, _MACHINE, _HUMAN), _UNSURE).astype(np.int8)
