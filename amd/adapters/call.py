"""One call: what its system sends, the clock that fills what it does not, and the detector that judges both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from amd.adapters.clock import FILL_MAX_S, Clock, Timing
from amd.adapters.media import (
    Audio,
    Decoder,
    MediaEvent,
    Paused,
    Restarted,
    Resumed,
    Started,
    Stopped,
    Track,
)
from amd.audio import RATE_HZ, Chunk, Encoding, StreamDecoder
from amd.detector import Detector
from amd.events import Event, Verdict
from amd.model import Model
from amd.policy import PRESETS, Policy

Told = MediaEvent | Event
"""What a call tells: events of its system (never audio) and of the detector."""


class Judge(Protocol):
    """Who says what answered: a detector of the call's own, or a seat in a bank (`amd.adapters.sharing.Seat`)."""

    @property
    def done(self) -> bool:
        """Whether no event can come any more."""
        ...

    @property
    def verdict(self) -> Verdict | None:
        """The verdict so far."""
        ...

    def takes(self, encoding: Encoding) -> bool:
        """Whether bytes of this encoding, at 8 kHz, may be given as they came."""
        ...

    def feed(self, chunk: Chunk, /) -> tuple[Event, ...]:
        """Take audio; return what it made known, as far as that is known at once."""
        ...

    def finish(self) -> tuple[Event, ...]:
        """End the call."""
        ...


class Alone(Detector):
    """A detector of the call's own."""

    def takes(self, encoding: Encoding) -> bool:
        """Whether bytes of this encoding may be given as they came."""
        return encoding is Encoding.PCM16


class Call:
    r"""Judge one call from what its system sends.

    Times of its events are seconds from ``now_s``, the start of the call. Audio of our own side is not judged.

    Parameters
    ----------
    decoder : Decoder
        Of the system.
    timing : Timing
        How late its audio may come.
    now_s : float
        When the call began, of any clock that does not go back. `feed`, `tick` and `finish` take the same clock.
    policy : Policy, optional
    model : Model, optional
    judge : Judge, optional
        A detector with this policy and model unless given.

    Examples
    --------
    Nothing is ever sent, and the verdict comes all the same, an allowance after its time:

    >>> from amd.adapters.audiosocket import AudioSocketDecoder
    >>> call = Call(AudioSocketDecoder(), timing=Timing(jitter_s=0.2), now_s=100.0)
    >>> told = [event for n in range(121) for event in call.tick(100.0 + n / 10)]
    >>> [(event.type, str(event.party), event.final) for event in told]
    [('verdict', 'silence', False), ('verdict', 'silence', True)]
    """

    def __init__(
        self,
        decoder: Decoder,
        *,
        timing: Timing,
        now_s: float,
        policy: Policy = PRESETS["balanced"],
        model: Model | None = None,
        judge: Judge | None = None,
    ) -> None:
        self._decoder = decoder
        self._feed_run: Callable[[bytes | str], Audio | None] | None = getattr(decoder, "feed_run", None)
        self._clock = Clock(timing, now_s=now_s)
        self._detector = judge or Alone(policy, model=model)
        self._encoding: Encoding | None = None
        self._rate_hz = RATE_HZ
        self._sample_bytes = 1
        self._is_plain = False
        self._samples = StreamDecoder()
        self._heard_at_s = now_s
        self._stopped = False
        self.call_id: str | None = None

    @property
    def verdict(self) -> Verdict | None:
        """The verdict so far."""
        return self._detector.verdict

    @property
    def stopped(self) -> bool:
        """Whether the call is over."""
        return self._stopped

    @property
    def done(self) -> bool:
        """Whether no verdict event can come any more."""
        return self._stopped or self._detector.done

    @property
    def allowance_s(self) -> float:
        """Delay that is added to silence now: see `Clock.allowance_s`."""
        return self._clock.allowance_s

    def feed(self, data: bytes | str, now_s: float) -> tuple[Told, ...]:
        """Take what the system sent.

        Raises
        ------
        WireError
            If it is not what the protocol allows; whether one can go on after it, `Decoder` tells.
        """
        if self._stopped:
            return ()
        if self._feed_run is not None:
            audio = self._feed_run(data)
            if audio is not None:
                return self._hear(audio, now_s)
        return self._take(self._decoder.feed(data), now_s)

    def arrival_s(self, at_s: float) -> float:
        """When the call's second ``at_s`` came, or was due: see `Clock.arrival_s`."""
        return self._clock.arrival_s(at_s)

    def tick(self, now_s: float, most_s: float = FILL_MAX_S) -> tuple[Told, ...]:
        """Let time pass, when nothing waits to be fed: silence that is due is judged. Ten times a second do.

        Parameters
        ----------
        now_s : float
        most_s : float
            Judge no more silence than this at once.
        """
        if self._stopped:
            return ()
        told: tuple[Told, ...] = ()
        if now_s - self._heard_at_s > self._clock.allowance_s:
            told = self._take(self._decoder.flush(), now_s)
        return (*told, *self._judge_gap(self._clock.tick(now_s, most_s)))

    def finish(self, now_s: float) -> tuple[Told, ...]:
        """The connection ended: what is still due. A second call gives nothing.

        Raises
        ------
        WireError
            If a byte stream ended in a fault; `give_up` then.
        """
        if self._stopped:
            return ()
        return (*self._take(self._decoder.finish(), now_s), *self._conclude())

    def give_up(self) -> tuple[Told, ...]:
        """End a call whose stream is broken: the verdict on what was heard before."""
        return self._conclude()

    def _take(self, events: tuple[MediaEvent, ...], now_s: float) -> tuple[Told, ...]:
        told: list[Told] = []
        for event in events:
            if type(event) is Audio:
                if event.track is not Track.NEAR:
                    told += self._hear(event, now_s)
                continue
            told.append(event)
            if isinstance(event, Started):
                self.call_id = event.call_id or event.stream_id
            elif isinstance(event, Restarted):
                self._clock.restart()
            elif isinstance(event, Paused):
                self._clock.pause(now_s)
            elif isinstance(event, Resumed):
                self._clock.resume(now_s)
            elif isinstance(event, Stopped):
                told += self._conclude()
        return tuple(told)

    def _hear(self, audio: Audio, now_s: float) -> tuple[Event, ...]:
        self._heard_at_s = now_s
        detector = self._detector
        if detector.done:  # nothing can come of it
            return ()
        events: tuple[Event, ...] = ()
        if audio.encoding is not self._encoding or audio.rate_hz != self._rate_hz:
            events = self._change_form(audio)
        data = audio.data
        gap, skip = self._clock.take(len(data) // self._sample_bytes, audio.at_sample, now_s, audio.n_packets)
        if gap:
            events += self._judge_gap(gap)
        if skip:
            data = data[skip * self._sample_bytes :]
        if detector.done or not data:
            return events
        if self._is_plain:
            return events + detector.feed(data)
        return events + self._judge(self._samples.feed(data))

    def _change_form(self, audio: Audio) -> tuple[Event, ...]:
        """Audio of another encoding or rate follows."""
        events = self._judge(self._samples.finish())
        self._encoding, self._rate_hz = audio.encoding, audio.rate_hz
        self._sample_bytes = audio.encoding.sample_bytes
        self._is_plain = audio.rate_hz == RATE_HZ and self._detector.takes(audio.encoding)
        self._samples = StreamDecoder(audio.encoding, audio.rate_hz)
        self._clock.change_rate(audio.rate_hz)
        return events

    def _judge_gap(self, n_samples: int) -> tuple[Event, ...]:
        if n_samples == 0 or self._detector.done:
            return ()
        return self._judge(self._samples.gap(n_samples / self._rate_hz))

    def _judge(self, chunk: Chunk) -> tuple[Event, ...]:
        return self._detector.feed(chunk) if len(chunk) and not self._detector.done else ()

    def _conclude(self) -> tuple[Event, ...]:
        if self._stopped:
            return ()
        self._stopped = True
        rest = self._judge(self._samples.finish())
        self._samples = StreamDecoder()
        return (*rest, *self._detector.finish())
