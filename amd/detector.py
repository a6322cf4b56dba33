"""The streaming detector of one call: chunks of audio in, events out. It knows no clock, file, socket or log.

A file is this detector fed once; any cut of the audio gives equal events.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from amd.audio import RATE_HZ, Chunk, Encoding, Samples, StreamDecoder
from amd.cadence import Run
from amd.callprogress import Heard
from amd.ears import Ears, Frame
from amd.errors import FinishedError
from amd.events import (
    Cause,
    Contradiction,
    Deadline,
    Event,
    Party,
    SpeechEnded,
    SpeechStarted,
    SubState,
    ToneHeard,
    ToneKind,
    Verdict,
    Weight,
)
from amd.evidence import counted_from
from amd.framing import HOP_SAMPLES
from amd.gate import Gate, Looked, Stage
from amd.greeting import Greeting
from amd.hearing import Hearing, Moment, blocks
from amd.model import Model, machine_probability, shipped
from amd.policy import (
    LONE_BEEP_S,
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
    is_lone,
)
from amd.ringing import Ringing


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
        Whether the frame is speech of the one who answered, periodic as voices are, part of a tone.
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
    hearing : Hearing, optional
        Its own unless given; that of a call in a bank shares its ears with others. Every frame of one that is
        given is looked at, as for an observer; of its own, those alone that may bring something (`amd.gate`).

    Examples
    --------
    Five seconds of nothing, then the end of the call:

    >>> detector = Detector(encoding=Encoding.MULAW)
    >>> events = detector.feed(b"\xff" * 8000 * 5)
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
        hearing: Hearing | None = None,
    ) -> None:
        self.policy = policy
        self._observer = observer
        self._model = model or shipped()
        self._decoder = StreamDecoder(Encoding(encoding), rate_hz)
        self._gate = Gate(1, self._model) if hearing is None and observer is None else None
        self._hearing = hearing or Hearing(self._model.network, ears=Ears(self._model.network, 1, self._gate))
        self._verdict: Verdict | None = None
        self._greeting = Greeting(policy)
        self._ringing = Ringing(early_media=policy.early_media)
        self._early_beeps: tuple[Heard, ...] = ()
        self._contradicted: tuple[Party, ...] = ()
        self._stop_at: int | None = None
        self._finished = False
        self._events: list[Event] = []
        if self._gate is not None:
            self._gate.follow(0, self.looked)

    @property
    def verdict(self) -> Verdict | None:
        """The verdict so far, with the sub-state as known now; None before there is any.

        It is ``ended_beep`` from a machine's first beep on; ``GreetingEnded`` comes when no other beep follows.
        """
        if self._verdict is None or self._greeting.by is None:
            return self._verdict
        return dataclasses.replace(self._verdict, sub_state=self._greeting.sub_state)

    @property
    def done(self) -> bool:
        """Whether no event can come any more: feeding on is allowed and costs nothing."""
        return self._finished or self._stop_at is not None

    @property
    def heard_s(self) -> float:
        """Seconds of audio judged so far."""
        return self._hearing.n_samples / RATE_HZ

    def feed(self, chunk: Chunk) -> tuple[Event, ...]:
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
        return self._advance(self._decoder.finish()) + self.end()

    def end(self) -> tuple[Event, ...]:
        """End a call whose audio was given to `take`: give the verdict that is still due."""
        self._finished = True
        if self._stop_at is None:
            self._conclude()
        return self._take_events()

    def _check_open(self, call: str) -> None:
        if self._finished:
            raise FinishedError(
                f"{call} after finish(): a call has one end; make a new Detector for the next call"
            )

    def _advance(self, samples: Samples) -> tuple[Event, ...]:
        if self.done:
            return ()
        if self._gate is None:
            return self._follow(self._hearing.feed(samples))
        events: tuple[Event, ...] = ()
        for block in blocks(samples):
            events += self._skim(block, self._gate)
            if self.done:
                break
        return events

    def _skim(self, block: Samples, gate: Gate) -> tuple[Event, ...]:
        """Look at what may bring something, and say what is to be looked at next."""
        batch = self._hearing.hear(block, gate.decides)
        if not batch.n_looks:
            return ()
        events = self.take(batch.some(batch.looks()))
        gate.follow(0, self.looked)
        return events

    def take(self, frames: Iterable[Frame]) -> tuple[Event, ...]:
        """Take what shared ears made of the next frames; return what it made known."""
        return self._follow(self._hearing.take(frames))

    def _follow(self, moments: Iterable[Moment]) -> tuple[Event, ...]:
        for moment in moments:
            self._take_moment(moment)
            if self._stop_at is not None:
                break
        return self._take_events()

    def _take_moment(self, moment: Moment) -> None:
        """Report what a frame brought, and decide when it is time to."""
        self._take_runs(moment)
        for heard in moment.tones:
            self._take_tone(heard)
        self._events += self._greeting.follow_beep(moment.now, moment.known, tone_off=self._hearing.tone_off)
        if moment.tick:
            self._tick(moment.now, moment.known)
        self._observe(moment)

    def _take_runs(self, moment: Moment) -> None:
        """Report the run that started and the one that ended; the same one, if tones took all of it back."""
        started, ended, known_s = moment.started, moment.ended, moment.known / RATE_HZ
        if ended is not None and (started is None or ended.on < started.on):
            self._tell_run_end(ended, moment.known)
        if started is not None:
            self._ringing.answer(started.on, self._hearing.tone_off_at_start())
            self._events.append(SpeechStarted(at_s=started.on / RATE_HZ, known_s=known_s))
            if ended is not None and ended.on >= started.on:
                self._tell_run_end(ended, moment.known)

    def _observe(self, moment: Moment) -> None:
        """Give the observer a trace of each frame that is judged now; the last one tells the model's mind."""
        if self._observer is None:
            return
        for frame in moment.judged:
            weights = self._weigh(frame.now) if frame is moment.judged[-1] and self._hearing.spoken else None
            self._observer(
                Trace(
                    at_s=(frame.now - HOP_SAMPLES / 2) / RATE_HZ,
                    level_db=frame.level_db,
                    floor_db=frame.activity.floor_db,
                    active=frame.activity.active,
                    voiced=frame.activity.voiced,
                    tonal=frame.tonal,
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
        if heard.kind is ToneKind.RINGBACK:
            self._ringing.hear(heard)
        decision = decide_on_tone(heard)
        if heard.kind is ToneKind.BEEP and not self._hearing.spoken:
            self._early_beeps = (*self._early_beeps[-1:], heard)
        elif decision is not None:
            self._take(decision, at=heard.off, known=heard.known)
        if heard.kind is ToneKind.BEEP and self._is_machine:
            self._greeting.hear_beep(heard.off)

    def _take_early_beep(self, known: int) -> None:
        """Decide on a beep before anyone spoke, now that nothing followed it."""
        beeps, self._early_beeps = self._early_beeps, ()
        decision = decide_on_tone(beeps[-1]) if is_lone(beeps) and not self._hearing.spoken else None
        if decision is not None:
            beep = beeps[-1]
            self._take(decision, at=beep.off, known=known)
            if self._is_machine:
                self._greeting.hear_beep(beep.off)

    def _tick(self, now: int, known: int) -> None:
        """Decide on what is known at this moment, and look at the deadlines."""
        waited = bool(self._early_beeps) and now - self._hearing.tone_off >= LONE_BEEP_S * RATE_HZ
        if waited or self._hearing.spoken:
            self._take_early_beep(known)
        if self.decides:
            decision = self._decide(now)
            if decision is not None:
                self._take(decision, at=known, known=known)
        if self.follows_greeting:
            self._events += self._greeting.follow_silence(
                now,
                known,
                answered=self._ringing.answered(self._hearing.tone_off),
                spoke_off=self._hearing.last_off,
                tone_off=self._hearing.tone_off,
            )
        self._maybe_stop(known)

    def _decide(self, now: int) -> Decision | None:
        if not self._hearing.spoken:
            silent_s = (now - self._hearing.tone_off) / RATE_HZ
            return decide_on_silence(self.policy, now / RATE_HZ, silent_s, rang=self._ringing.rang)
        evidence = self._evidence(now)
        decision = decide_on_speech(self.policy, evidence, self._model.weigh(evidence))
        if decision is not None and decision.deadline_s is None and self._hearing.tone_is_near(now):
            return None
        return decision

    def _weigh(self, now: int) -> tuple[Weight, ...]:
        return self._model.weigh(self._evidence(now))

    def _evidence(self, now: int) -> Samples:
        """Evidence as of sample ``now``, its times counted from the answer."""
        answered = self._ringing.answered(self._hearing.tone_off)
        return counted_from(answered, self._hearing.evidence(now))

    @property
    def decides(self) -> bool:
        """Whether a tick may bring a verdict, or speak against the one that stands."""
        return self._verdict is None or not self._verdict.final or self._may_be_contradicted

    @property
    def follows_greeting(self) -> bool:
        """Whether the end of a machine's greeting is still to come."""
        final = self._verdict is not None and self._verdict.final
        return final and self._is_machine and self._greeting.ended is None

    @property
    def looked(self) -> Looked:
        """How far it is, by which it is known when to look at it next."""
        is_human = self._verdict is not None and self._verdict.final and self._verdict.party is Party.HUMAN
        return Looked(
            done=self.done,
            policy=self.policy,
            stage=Stage(self.decides, is_human, self.follows_greeting, self.stops_s),
            waits=self._hearing.waits,
            beep_off=self._greeting.beep_off,
            awaits_speech=bool(self._early_beeps),
        )

    @property
    def stops_s(self) -> float | None:
        """From when on it need not listen any more; None while that is not known."""
        if self._verdict is None or not self._verdict.final or self._greeting.awaits_beep:
            return None
        since_s = self._verdict.known_s
        if self.policy.until is Until.END and self._is_machine:
            if self._greeting.ended is None:
                return None
            since_s = self._greeting.ended.known_s
        return since_s + self.policy.watch_s

    @property
    def _is_machine(self) -> bool:
        """Whether the verdict so far is a machine."""
        return self._verdict is not None and self._verdict.party is Party.MACHINE

    @property
    def _may_be_contradicted(self) -> bool:
        """Whether a final verdict stands that what is said later can still speak against."""
        return (
            self._verdict is not None
            and self._verdict.party in (Party.HUMAN, Party.SILENCE, Party.UNSURE)
            and Party.MACHINE not in self._contradicted
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
        if decision.final and decision.deadline_s is None and sure and other:
            self._contradicted += (decision.party,)
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

    def _maybe_stop(self, known: int) -> None:
        """Stop listening when nothing more is due."""
        if self.stops_s is not None and known / RATE_HZ >= self.stops_s:
            self._stop_at = known

    def _conclude(self) -> None:
        """The audio ended before the detector was done."""
        heard = self._hearing.n_samples
        last = self._hearing.finish()
        self._take_runs(last)
        for tone in last.tones:
            self._take_tone(tone)
        self._take_early_beep(heard)
        self._observe(last)
        if self._verdict is None or not self._verdict.final:
            self._take(self._last_decision(heard), at=heard, known=heard)
        if self._is_machine:
            self._events += self._greeting.finish(heard)

    def _last_decision(self, heard: int) -> Decision:
        if self._hearing.spoken:
            return force(self.policy, self._weigh(heard), cause=Cause.AUDIO_ENDED)
        if self._hearing.n_frames == 0:
            return Decision(party=Party.UNSURE, cause=Cause.NO_AUDIO, probability=P_UNSURE, final=True)
        if self._ringing.goes_on(heard, self._hearing.tone_off):
            party, state, p = Party.NETWORK, SubState.RINGBACK, P_SILENCE
            return Decision(party=party, cause=Cause.RINGBACK, probability=p, final=True, sub_state=state)
        return Decision(party=Party.SILENCE, cause=Cause.AUDIO_ENDED, probability=P_SILENCE, final=True)

    def _tell_run_end(self, run: Run, known: int) -> None:
        self._events.append(SpeechEnded(at_s=run.off / RATE_HZ, known_s=known / RATE_HZ, on_s=run.on / RATE_HZ))

    def _take_events(self) -> tuple[Event, ...]:
        events, self._events = tuple(self._events), []
        return events
