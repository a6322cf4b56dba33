"""The same detector for thousands of calls in lockstep: a call in a bank gives exactly the events it gives alone.

Calls come and go, each in a slot, at its own place in its audio, with its own encoding and policy. What every
frame needs is worked out for all calls at once (`amd.ears`); what few frames need, for the calls they are of.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final, NamedTuple, cast

import numpy as np

from amd.audio import RATE_HZ, Chunk, Encoding, Samples, StreamDecoder, check_samples, decode
from amd.detector import Detector
from amd.ears import Ears
from amd.errors import SlotError
from amd.events import Event, Verdict
from amd.framing import Slots
from amd.gate import Gate
from amd.hearing import Hearing
from amd.model import Model, shipped
from amd.policy import PRESETS, Policy
from amd.rows import SLOT

CAPACITY: Final = 4096
_BYTES: Final = (bytes, bytearray, memoryview)
_ENCODINGS: Final = tuple(Encoding)
_ALONE: Final = len(_ENCODINGS)
"""Kind of what has to be decoded call by call: other rates, and chunks that end within a sample."""
_SAMPLE_BYTES: Final = np.array([*(encoding.sample_bytes for encoding in _ENCODINGS), 1])


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
        self._gate = Gate(capacity, self._model)
        self._ears = Ears(self._model.network, capacity, self._gate)
        self._free = list(range(capacity))[::-1]
        self._calls: dict[int, Detector] = {}
        self._decoders: dict[int, StreamDecoder] = {}
        self._plain = np.full(capacity, _ALONE)

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
        self._plain[slot] = _kind(decoder)
        self._gate.follow(slot, self._calls[slot].looked)
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
        if not self._calls.keys() >= set(slots):
            for slot in slots:
                self._call(slot)
        if set(map(type, chunks)) != {bytes}:
            for chunk in chunks:  # before anything is taken
                if not isinstance(chunk, _BYTES):
                    check_samples(chunk)
        at = np.flatnonzero(~self._gate.done[np.asarray(slots, dtype=np.intp)]).tolist()
        if len(at) < len(slots):
            slots, chunks = [slots[one] for one in at], [chunks[one] for one in at]
        return self._take(*self._decode(slots, chunks))

    def _decode(self, slots: Sequence[int], chunks: Sequence[Chunk]) -> tuple[Slots, Samples, Slots]:
        """Decode chunks, those of one encoding at once.

        Returns
        -------
        slots : ndarray of int
            The calls, in the order of what follows.
        samples : ndarray of float32
            Of all calls, one after the other.
        sizes : ndarray of int
            How many samples each has.
        """
        sizes = np.fromiter(map(len, chunks), dtype=np.intp, count=len(chunks))
        of = np.asarray(slots, dtype=np.intp)
        plain = self._plain[of]
        is_whole = sizes % _SAMPLE_BYTES[plain] == 0
        if set(map(type, chunks)) != {bytes}:
            is_whole &= np.array([type(chunk) is bytes for chunk in chunks], dtype=np.bool_)
        plain = np.where(is_whole, plain, _ALONE)
        if plain.size and plain[0] != _ALONE and (plain == plain[0]).all():
            encoding = _ENCODINGS[plain[0]]
            return of, decode(b"".join(cast(Sequence[bytes], chunks)), encoding), sizes // encoding.sample_bytes
        order = np.argsort(plain, kind="stable")
        parts: list[Samples] = []
        for kind in np.unique(plain).tolist():
            members = np.flatnonzero(plain == kind).tolist()
            if kind != _ALONE:
                parts.append(decode(b"".join([bytes(chunks[at]) for at in members]), _ENCODINGS[kind]))
                sizes[members] //= _SAMPLE_BYTES[kind]
                continue
            for at in members:
                decoder = self._decoders[slots[at]]
                parts.append(decoder.feed(chunks[at]))
                sizes[at] = parts[-1].size
                self._plain[slots[at]] = _kind(decoder)
        samples = np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)
        return of[order], samples, sizes[order]

    def _take(self, slots: Slots, samples: Samples, sizes: Slots) -> list[SlotEvent]:
        """Give calls their samples, one call's after the other's."""
        batch = self._ears.feed(samples, slots, sizes, self._gate.decides)
        events = []
        for slot, group in groupby(batch.looks(), key=batch.places[SLOT].item):
            call = self._call(slot)
            events += [SlotEvent(slot, event) for event in call.take(batch.some(list(group)))]
            self._gate.follow(slot, call.looked)
        return events

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
        events = [] if call.done else self._take(np.array([slot]), rest, np.array([rest.size]))
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


def _kind(decoder: StreamDecoder) -> int:
    """Place of a decoder's encoding among all, where chunks can be decoded by it alone."""
    return _ALONE if decoder.encoding is None else _ENCODINGS.index(decoder.encoding)
