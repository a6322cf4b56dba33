"""The same detector for thousands of calls in lockstep: a call in a bank gives exactly the events it gives alone.

Calls come and go, each in a slot, at its own place in its audio and with its own encoding and policy. What every
frame needs is worked out for all calls at once (`amd.ears`); what few frames need is done for the calls they are of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from amd.audio import RATE_HZ, Chunk, Encoding, Samples, StreamDecoder, check_samples, decode
from amd.detector import Detector
from amd.ears import Ears
from amd.errors import SlotError
from amd.events import Event, Verdict
from amd.hearing import Hearing
from amd.model import Model, shipped
from amd.policy import PRESETS, Policy

CAPACITY: Final = 4096
_BYTES: Final = (bytes, bytearray, memoryview)


class SlotEvent(NamedTuple):
    """An event, and the call that it is of."""

    slot: int
    event: Event


class DetectorBank:
    r"""Say what answered each of many calls, while they stream.

    Parameters
    ----------
    policy : Policy, optional
        When to decide, for calls that are opened without one of their own; ``balanced`` unless given.
    capacity : int, optional
        How many calls may be open at once; memory for so many is set aside.
    model : Model, optional
        The shipped one unless given.

    Examples
    --------
    Two calls, one of which ends after five seconds of nothing:

    >>> bank = DetectorBank(capacity=2)
    >>> one, other = bank.open(encoding="mulaw"), bank.open()
    >>> bank.feed([one, other], [b"\xff" * 8000 * 5, b""])
    []
    >>> [(event.slot, event.event.type, str(event.event.party)) for event in bank.close(one)]
    [(0, 'verdict', 'silence')]
    """

    def __init__(
        self, policy: Policy = PRESETS["balanced"], *, capacity: int = CAPACITY, model: Model | None = None
    ) -> None:
        self._policy = policy
        self._model = model or shipped()
        self._ears = Ears(self._model.network, capacity)
        self._free = list(range(capacity))[::-1]
        self._calls: dict[int, Detector] = {}
        self._decoders: dict[int, StreamDecoder] = {}

    @property
    def n_open(self) -> int:
        """How many calls are open."""
        return len(self._calls)

    def open(
        self, policy: Policy | None = None, *, encoding: Encoding | str = Encoding.PCM16, rate_hz: int = RATE_HZ
    ) -> int:
        """Begin a call; return its slot, which a later call may have again once this one is closed.

        Parameters
        ----------
        policy : Policy, optional
            The bank's unless given.
        encoding, rate_hz
            As of `Detector`.

        Raises
        ------
        SlotError
            If as many calls are open as the bank has room for.
        """
        if not self._free:
            raise SlotError(
                f"all {len(self._calls)} slots are taken: close calls that are over, or open a bank with more?"
            )
        decoder = StreamDecoder(Encoding(encoding), rate_hz)
        slot = self._free.pop()
        self._ears.clear(slot)
        hearing = Hearing(self._model.network, ears=self._ears, slot=slot)
        self._calls[slot] = Detector(policy or self._policy, model=self._model, hearing=hearing)
        self._decoders[slot] = decoder
        return slot

    def feed(self, slots: Sequence[int], chunks: Sequence[Chunk]) -> list[SlotEvent]:
        """Take the next piece of some calls.

        Parameters
        ----------
        slots : sequence of int
            Calls that are open, each at most once, in any order.
        chunks : sequence of bytes-like or ndarray of shape (n_samples,)
            Of each call, as for `Detector.feed`; of any length, none included.

        Returns
        -------
        list of SlotEvent
            What this audio made known, call by call; of one call in order of ``known_s``.

        Raises
        ------
        SlotError
            If a slot is not open, or named twice.
        AudioError
            If a chunk is not such audio. Nothing of any call is taken then.
        """
        if len(slots) != len(chunks):
            raise SlotError(f"{len(slots)} slots with {len(chunks)} chunks: each call needs one")
        if len(set(slots)) != len(slots):
            raise SlotError("a slot is named twice: join its chunks")
        calls = [self._call(slot) for slot in slots]
        for chunk in chunks:  # before anything is taken
            if not isinstance(chunk, _BYTES):
                check_samples(chunk)
        live = [at for at, call in enumerate(calls) if not call.done]
        order, samples, sizes = self._decode([slots[at] for at in live], [chunks[at] for at in live])
        return self._take([slots[live[at]] for at in order], samples, sizes)

    def _decode(self, slots: Sequence[int], chunks: Sequence[Chunk]) -> tuple[list[int], Samples, list[int]]:
        """Decode chunks, those of one encoding at once.

        Returns
        -------
        order : list of int
            Which chunk is where in what follows.
        samples : ndarray of float32
            Of all chunks, one after the other.
        sizes : list of int
            How many samples each has.
        """
        alike: dict[Encoding | None, list[int]] = {}
        for at, (slot, chunk) in enumerate(zip(slots, chunks, strict=True)):
            encoding = self._decoders[slot].encoding if isinstance(chunk, _BYTES) else None
            whole = encoding is not None and len(chunk) % encoding.sample_bytes == 0
            alike.setdefault(encoding if whole else None, []).append(at)
        parts: list[Samples] = []
        sizes: list[int] = []
        for encoding, members in alike.items():
            if encoding is None:
                alone = [self._decoders[slots[at]].feed(chunks[at]) for at in members]
                parts += alone
                sizes += [samples.size for samples in alone]
            else:
                parts.append(decode(b"".join([chunks[at] for at in members]), encoding))
                sizes += [len(chunks[at]) // encoding.sample_bytes for at in members]
        order = [at for members in alike.values() for at in members]
        return order, np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32), sizes

    def _take(self, slots: Sequence[int], samples: Samples, sizes: Sequence[int]) -> list[SlotEvent]:
        """Give calls their samples, one call's after the other's."""
        frames = self._ears.feed(samples, np.array(slots, dtype=np.intp), np.array(sizes, dtype=np.intp))
        return [
            SlotEvent(slot, event)
            for at, slot in enumerate(slots)
            for event in self._call(slot).take(frames.of(at))
        ]

    def _call(self, slot: int) -> Detector:
        call = self._calls.get(slot)
        if call is None:
            raise SlotError(f"slot {slot} is not open: closed before, or another bank's?")
        return call

    def close(self, slot: int) -> list[SlotEvent]:
        """End a call: return the verdict that is still due, and free its slot.

        Raises
        ------
        SlotError
            If the slot is not open.
        """
        call = self._call(slot)
        rest = self._decoders.pop(slot).finish()
        events = [] if call.done else self._take([slot], rest, [rest.size])
        events += [SlotEvent(slot, event) for event in call.end()]
        del self._calls[slot]
        self._free.append(slot)
        return events

    def verdict(self, slot: int) -> Verdict | None:
        """Return a call's verdict so far, as `Detector.verdict`."""
        return self._call(slot).verdict

    def done(self, slot: int) -> bool:
        """Whether no event of a call can come any more: feeding on is allowed and costs nothing."""
        return self._call(slot).done
