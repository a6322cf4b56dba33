"""The streaming detector of one call: chunks of audio in, events out. It knows no clock, file, socket or log.

A file is this detector fed once; any cut of the audio gives equal events.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from amd.audio import RATE_HZ, Encoding, Samples, StreamDecoder
from amd.cadence import Cadence, Run
from amd.callprogress import CallProgress, Heard, is_generated
from amd.errors import FinishedError
from amd.events import (
    Cause,
    Contradiction,
    Deadline,
    EndedBy,
    Event,
    GreetingEnded,
    Party,
    SpeechEnded,
    SpeechStarted,
    SubState,
    ToneHeard,
    ToneKind,
    Verdict,
    Weight,
)
from amd.evidence import TICK_FRAMES, EvidenceTaker
from amd.framing import HOP_SAMPLES, Framer, frame_end_sample, frame_known_sample
from amd.model import Model, machine_probability, shipped
from amd.policy import (
    P_SILENCE,
    P_UNSURE,
    PRESETS,
    Decision,
    Policy,
    Until,
    decide_on_silence,
    decide_on_speech,
    decide_on_tone,
    force,
)
from amd.spectrum import BAND_EDGES_BINS, SpectrumAnalyser
from amd.speech import SpeechTracker
from amd.tones import ToneTracker

TONE_PAST_SAMPLES: Final = 1600
"""While a tone sounds, and 200 ms on, what it means comes first: its silence is not a person who waits."""

_ENDED: Final[dict[EndedBy, SubState]] = {
    EndedBy.BEEP: SubState.ENDED_BEEP,
    EndedBy.SILENCE: SubState.ENDED_SILENCE,
    EndedBy.OTHER: SubState.ENDED_OTHER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What the detector made of one frame, for those who want to look (``amd explain``).

    Parameters
    ----------
    at_s : float
        Middle of the frame.
    level_db, floor_db : float
        Level of the frame and of the noise floor, in dB of full scale.
    active, voiced, tonal : bool
        Whether the frame is above the noise, periodic as voices are, part of a tone.
    machine_probability : float or None
        What the model says; None between ticks and before any speech.
    """

    at_s: float
    level_db: float
    floor_db: float
    active: bool
    voiced: bool
    tonal: bool
    machine_probability: float | None


class Detector:
    r"""Say what answered a call, while it streams.

    Parameters
    ----------
    policy : Policy, optional
        When to decide; ``balanced`` unless given.
    encoding : Encoding, optional
        How chunks of bytes carry samples: ``pcm16`` (default), ``pcm16be``, ``mulaw`` or ``alaw``.
    rate_hz : int, optional
        Samples per second of the input, 4000 to 192000.
    model : Model, optional
        The shipped one unless given.
    observer : callable, optional
        Called with the `Trace` of every frame.

    Examples
    --------
    Five seconds of nothing, then the end of the call:

    >>> detector = Detector(encoding=Encoding.MULAW)
    >>> events = detector.feed(b"\\xff" * 8000 * 5)
    >>> events += detector.finish()
    >>> [(event.type, str(event.party)) for event in events]
    [('verdict', 'silence')]
    """

    def __init__(
        self,
        policy: Policy = PRESETS["balanced"],
        *,
        encoding: Encoding | str = Encoding.PCM16,
        rate_hz: int = RATE_HZ,
        model: Model | None = None,
        observer: Callable[[Trace], None] | None = None,
    ) -> None:
        self.policy = policy
        self._observer = observer
        self._model = model or shipped()
        self._decoder = StreamDecoder(Encoding(encoding), rate_hz)
        self._framer = Framer()
        self._spectrum = SpectrumAnalyser()
        self._speech = SpeechTracker(len(BAND_EDGES_BINS) - 1)
        self._tones = ToneTracker()
        self._cadence = Cadence()
        self._progress = CallProgress()
        self._evidence = EvidenceTaker()
        self._verdict: Verdict | None = None
        self._greeting_end: GreetingEnded | None = None
        self._contradicted: set[Party] = set()
        self._tone_off = 0
        self._ringing = False
        self._stop_at: int | None = None
        self._finished = False
        self._events: list[Event] = []

    @property
    def verdict(self) -> Verdict | None:
        """The verdict so far, with the sub-state as known now; None before there is any."""
        if self._verdict is None or self._greeting_end is None or self._verdict.party is not Party.MACHINE:
            return self._verdict
        return dataclasses.replace(self._verdict, sub_state=_ENDED[self._greeting_end.by])

    @property
    def done(self) -> bool:
        """Whether no event can come any more: feeding on is allowed and costs nothing."""
        return self._finished or self._stop_at is not None

    @property
    def heard_s(self) -> float:
        """Seconds of audio judged so far."""
        return self._framer.n_samples / RATE_HZ

    def feed(self, chunk: bytes | bytearray | memoryview | npt.NDArray[np.generic]) -> tuple[Event, ...]:
        """Take the next piece of the call.

        Parameters
        ----------
        chunk : bytes-like, or ndarray of shape (n_samples,)
            Encoded audio, or float32, float64 (full scale 1) or int16 samples, of any length.

        Returns
        -------
        tuple of Event
            What this audio made known, in order of ``known_s``.

        Raises
        ------
        FinishedError
            After ``finish()``.
        AudioError
            If the chunk is not such audio; nothing of it is taken then.
        """
        self._check_open("feed()")
        return self._advance(self._decoder.feed(chunk))

    def feed_gap(self, seconds: float) -> tuple[Event, ...]:
        """Take time in which the far end sent nothing (discontinuous transmission, a waiting dialplan)."""
        self._check_open("feed_gap()")
        return self._advance(self._decoder.gap(seconds))

    def finish(self) -> tuple[Event, ...]:
        """End the call: give the verdict that is still due. A second call is an error."""
        self._check_open("finish()")
        events = list(self._advance(self._decoder.finish()))
        self._finished = True
        if self._stop_at is None:
            self._conclude()
        events += self._take_events()
        return tuple(events)

    def _check_open(self, call: str) -> None:
        if self._finished:
            raise FinishedError(
                f"{call} after finish(): a call has one end; make a new Detector for the next call"
            )

    def _advance(self, samples: Samples) -> tuple[Event, ...]:
        if self._stop_at is not None or samples.size == 0:
            return ()
        first = self._framer.n_frames
        frames = self._framer.feed(samples)
        if frames.shape[0] == 0:
            return ()
        facts = self._spectrum.feed(frames)
        rows = zip(
            facts.level_db.tolist(),
            facts.bands_db.tolist(),
            facts.voicing.tolist(),
            facts.peak_hz.tolist(),
            facts.second_hz.tolist(),
            facts.peak_share.tolist(),
            facts.pair_share.tolist(),
            strict=True,
        )
        for index, row in enumerate(rows, first):
            self._step(index, *row)
            if self._stop_at is not None:
                break
        return self._take_events()

    def _step(
        self,
        index: int,
        level_db: float,
        bands_db: list[float],
        voicing: float,
        peak_hz: float,
        second_hz: float,
        peak_share: float,
        pair_share: float,
    ) -> None:
        """Take one frame through every floor."""
        now, known = frame_end_sample(index), frame_known_sample(index)
        tonal, ended_tone = self._tones.step(
            index,
            level_db=level_db,
            peak_hz=peak_hz,
            second_hz=second_hz,
            peak_share=peak_share,
            pair_share=pair_share,
        )
        sounding = self._tones.sounding(index) if tonal else None
        activity = self._speech.step(level_db, bands_db, voicing, tonal=tonal)
        if ended_tone is not None and is_generated(ended_tone):
            self._cadence.retract(index, ended_tone.on)
            self._tone_off = ended_tone.off
        if sounding is not None:
            self._tone_off = sounding.off
        self._evidence.step(active=activity.active, voiced=activity.voiced, snr_db=activity.snr_db)
        started, ended_run = self._cadence.step(
            index, active=activity.active, voiced=activity.voiced, hold=self._tones.pending
        )
        if ended_run is not None:
            self._tell_run_end(ended_run, known)
        if started and self._cadence.run is not None:
            self._ringing = False
            self._events.append(SpeechStarted(at_s=self._cadence.run.on / RATE_HZ, known_s=known / RATE_HZ))
        spoken = self._cadence.first_on is not None
        pending = self._tones.pending
        for heard in self._progress.step(
            now=known, ended=ended_tone, sounding=sounding, pending=pending, spoken=spoken
        ):
            self._take_tone(heard)
        due = index % TICK_FRAMES == TICK_FRAMES - 1
        if due:
            self._tick(now, known)
        if self._observer is not None:
            weights = self._weigh(now) if due and self._cadence.first_on is not None else None
            self._observer(
                Trace(
                    at_s=(now - HOP_SAMPLES / 2) / RATE_HZ,
                    level_db=level_db,
                    floor_db=activity.floor_db,
                    active=activity.active,
                    voiced=activity.voiced,
                    tonal=tonal,
                    machine_probability=None if weights is None else machine_probability(weights),
                )
            )

    def _take_tone(self, heard: Heard) -> None:
        """Report a tone, and decide on it."""
        known_s = heard.known / RATE_HZ
        self._events.append(
            ToneHeard(
                at_s=heard.off / RATE_HZ,
                known_s=known_s,
                kind=heard.kind,
                on_s=heard.on / RATE_HZ,
                off_s=heard.off / RATE_HZ,
                freqs_hz=heard.freqs_hz,
            )
        )
        self._tone_off = max(self._tone_off, heard.off)
        self._ringing = self._ringing or (heard.kind is ToneKind.RINGBACK and self._cadence.first_on is None)
        decision = decide_on_tone(heard)
        if decision is not None:
            self._take(decision, at=heard.off, known=heard.known)
        if heard.kind is ToneKind.BEEP:
            self._end_greeting(EndedBy.BEEP, at=heard.off, known=heard.known)

    def _tick(self, now: int, known: int) -> None:
        """Decide on what is known at this moment, and look at the deadlines."""
        if self._verdict is None or not self._verdict.final or self._watching_for(Party.MACHINE):
            decision = self._decide(now)
            if decision is not None:
                self._take(decision, at=known, known=known)
        self._follow_greeting(now, known)
        self._maybe_stop(known)

    def _decide(self, now: int) -> Decision | None:
        if self._cadence.first_on is None:
            silent_s = (now - self._tone_off) / RATE_HZ
            return decide_on_silence(self.policy, silent_s, now / RATE_HZ if self._ringing else None)
        if now - self._tone_off < TONE_PAST_SAMPLES:
            return None
        evidence = self._evidence.vector(now, self._cadence)
        return decide_on_speech(self.policy, evidence, self._model.weigh(evidence))

    def _weigh(self, now: int) -> tuple[Weight, ...]:
        return self._model.weigh(self._evidence.vector(now, self._cadence))

    def _watching_for(self, party: Party) -> bool:
        """Whether a final verdict stands that speech could still contradict in favour of ``party``."""
        return (
            self._verdict is not None
            and self._verdict.party in (Party.HUMAN, Party.SILENCE, Party.UNSURE)
            and party not in self._contradicted
        )

    def _take(self, decision: Decision, *, at: int, known: int) -> None:
        """Turn a decision into a verdict, a contradiction of the verdict that stands, or nothing new."""
        at_s, known_s = at / RATE_HZ, known / RATE_HZ
        standing = self._verdict
        if standing is not None and standing.final:
            self._maybe_contradict(standing, decision, at_s=at_s, known_s=known_s)
            return
        if standing is not None and not decision.final and standing.party is decision.party:
            return
        if decision.deadline_s is not None:
            limit_s = decision.deadline_s
            self._events.append(Deadline(at_s=at_s, known_s=known_s, what=decision.deadline, limit_s=limit_s))
        self._verdict = Verdict(
            at_s=at_s,
            known_s=known_s,
            party=decision.party,
            sub_state=decision.sub_state,
            cause=decision.cause,
            probability=decision.probability,
            final=decision.final,
            evidence=decision.weights,
        )
        self._events.append(self._verdict)

    def _maybe_contradict(self, standing: Verdict, decision: Decision, *, at_s: float, known_s: float) -> None:
        sure = decision.cause is not Cause.LONG_GREETING or (
            decision.probability >= self.policy.contradiction_probability_min
        )
        other = decision.party is not standing.party and decision.party not in self._contradicted
        after_greeting = standing.party is Party.MACHINE and decision.cause is Cause.GREETING_THEN_SILENCE
        if decision.final and decision.deadline_s is None and sure and other and not after_greeting:
            self._contradicted.add(decision.party)
            self._events.append(
                Contradiction(
                    at_s=at_s,
                    known_s=known_s,
                    decided=standing.party,
                    suggested=decision.party,
                    cause=decision.cause,
                    probability=decision.probability,
                )
            )

    def _follow_greeting(self, now: int, known: int) -> None:
        """After a machine's verdict: has its greeting ended?"""
        if self._verdict is None or not self._verdict.final or self._verdict.party is not Party.MACHINE:
            return
        silence_samples = round(self.policy.greeting_end_silence_s * RATE_HZ)
        if now - max(self._cadence.last_off, self._tone_off) >= silence_samples:
            self._end_greeting(EndedBy.SILENCE, at=self._cadence.last_off, known=known)
        elif now >= self.policy.greeting_max_s * RATE_HZ and self._greeting_end is None:
            limit_s = self.policy.greeting_max_s
            known_s = known / RATE_HZ
            self._events.append(Deadline(at_s=known_s, known_s=known_s, what="greeting_end", limit_s=limit_s))
            self._end_greeting(EndedBy.OTHER, at=known, known=known)

    def _end_greeting(self, by: EndedBy, *, at: int, known: int) -> None:
        if self._greeting_end is None and self._verdict is not None and self._verdict.party is Party.MACHINE:
            self._greeting_end = GreetingEnded(at_s=at / RATE_HZ, known_s=known / RATE_HZ, by=by)
            self._events.append(self._greeting_end)

    def _maybe_stop(self, known: int) -> None:
        """Stop listening when nothing more is due."""
        if self._verdict is None or not self._verdict.final:
            return
        since_s = self._verdict.known_s
        if self.policy.until is Until.END and self._verdict.party is Party.MACHINE:
            if self._greeting_end is None:
                return
            since_s = self._greeting_end.known_s
        if known / RATE_HZ >= since_s + self.policy.watch_s:
            self._stop_at = known

    def _conclude(self) -> None:
        """The audio ended before the detector was done."""
        heard = self._framer.n_samples
        ended_run = self._cadence.close()
        if ended_run is not None:
            self._tell_run_end(ended_run, heard)
        for tone in self._progress.finish(heard, spoken=self._cadence.first_on is not None):
            self._take_tone(tone)
        if self._verdict is None or not self._verdict.final:
            self._take(self._last_decision(heard), at=heard, known=heard)
        self._end_greeting(EndedBy.OTHER, at=heard, known=heard)

    def _last_decision(self, heard: int) -> Decision:
        if self._cadence.first_on is not None:
            return force(self.policy, self._weigh(heard), cause=Cause.AUDIO_ENDED)
        if self._framer.n_frames == 0:
            return Decision(party=Party.UNSURE, cause=Cause.NO_AUDIO, probability=P_UNSURE, final=True)
        if self._ringing:
            party, state, p = Party.NETWORK, SubState.RINGBACK, P_SILENCE
            return Decision(party=party, cause=Cause.RINGBACK, probability=p, final=True, sub_state=state)
        return Decision(party=Party.SILENCE, cause=Cause.AUDIO_ENDED, probability=P_SILENCE, final=True)

    def _tell_run_end(self, run: Run, known: int) -> None:
        self._events.append(SpeechEnded(at_s=run.off / RATE_HZ, known_s=known / RATE_HZ, on_s=run.on / RATE_HZ))

    def _take_events(self) -> tuple[Event, ...]:
        events, self._events = tuple(self._events), []
        return events
