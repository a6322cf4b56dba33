"""Hear a call once, deciding nothing: what `amd.policy` asks of each tick, kept for `amd.training.replay`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from amd.audio import RATE_HZ, Encoding, Samples
from amd.detector import Detector
from amd.evaluation.manifest import Call, read_manifest
from amd.events import Cause, Party
from amd.evidence import NAMES
from amd.framing import frame_known_sample
from amd.hearing import Hearing
from amd.model import Model, machine_probability, shipped
from amd.policy import PRESETS, Decision
from amd.sources import open_source
from amd.workers import spread

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class Said(NamedTuple):
    """A final verdict: who, when it could be known (s from the start of the audio), and why."""

    party: Party
    known_s: float
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What was heard on one call, tick by tick.

    Parameters
    ----------
    call : Call or None
        Its row of the manifest; None for audio of no set.
    early_media : bool
        How it was heard: only policies of the same ``early_media`` can be replayed.
    known_s : ndarray of float64, shape (n_ticks,)
        How much audio had been heard at each tick.
    evidence : ndarray of float32, shape (n_ticks, len(amd.evidence.NAMES))
        NaN but for ``time_s`` where nobody has spoken.
    machine_probability : ndarray of float64, shape (n_ticks,)
        NaN where nobody has spoken.
    time_s, silent_s : ndarray of float64, shape (n_ticks,)
        Since the audio started, and since the last tone ended.
    rang, tone_near : ndarray of bool, shape (n_ticks,)
        Whether ringback was heard, and whether a tone sounds or did just before.
    tone : Said or None
        What the first tone that decides alone says.
    tone_tick : int
        The number of ticks that can decide before that tone does.
    end : Said or None
        What is said at the end of the audio if nobody has spoken; None if somebody has.
    end_probability : float
        Of a machine, at the end of the audio; NaN if nobody has spoken.
    end_evidence : ndarray of float32, shape (len(amd.evidence.NAMES),)
        At the end of the audio; NaN if nobody has spoken.
    duration_s : float
        How much audio there was.
    """

    call: Call | None = None
    early_media: bool
    known_s: Floats
    evidence: Samples
    machine_probability: Floats
    time_s: Floats
    silent_s: Floats
    rang: Flags
    tone_near: Flags
    tone: Said | None
    tone_tick: int
    end: Said | None
    end_probability: float
    end_evidence: Samples
    duration_s: float

    @property
    def n_ticks(self) -> int:
        """How often evidence was taken."""
        return int(self.known_s.size)


class _Listener(Detector):
    """A detector that never decides, and notes what it would have decided by."""

    def __init__(self, *, encoding: Encoding, rate_hz: int, early_media: bool, model: Model | None) -> None:
        policy = replace(PRESETS["balanced"], early_media=early_media)
        hearing = Hearing((model or shipped()).network)  # so that no tick is passed over
        super().__init__(policy, encoding=encoding, rate_hz=rate_hz, model=model, hearing=hearing)
        self._ticks: list[tuple[float, float, float, float, bool, bool]] = []
        self._vectors: list[Samples] = []
        self._first_tone: tuple[Said, int] | None = None
        self._end: Said | None = None
        self._end_probability = float("nan")
        self._end_vector: Samples = np.full(len(NAMES), np.nan, dtype=np.float32)
        self._over = False

    def _decide(self, now: int) -> None:
        """Note the tick; ``known`` is the frame's own, since a tick comes with its last frame."""
        hearing = self._hearing
        vector = self._evidence(now)
        p_machine = machine_probability(self._model.weigh(vector)) if hearing.spoken else float("nan")
        known = frame_known_sample(hearing.n_heard - 1)
        near = hearing.tone_is_near(now)
        silent_s = (now - hearing.tone_off) / RATE_HZ
        self._ticks.append((known / RATE_HZ, p_machine, now / RATE_HZ, silent_s, self._ringing.rang, near))
        self._vectors.append(vector)

    def _take(self, decision: Decision, *, at: int, known: int) -> None:  # noqa: ARG002 - as the detector's
        """Note the first decision of a tone: no others come here before the audio is over."""
        if self._first_tone is None and not self._over:
            said = Said(decision.party, known / RATE_HZ, decision.cause)
            self._first_tone = (said, len(self._ticks))

    def _last_decision(self, heard: int) -> Decision:
        """Note what is said at the end, or by which probability."""
        decision = super()._last_decision(heard)
        self._over = True
        if self._hearing.spoken:
            self._end_vector = self._evidence(heard)
            self._end_probability = machine_probability(self._model.weigh(self._end_vector))
        else:
            self._end = Said(decision.party, heard / RATE_HZ, decision.cause)
        return decision

    def recorded(self, call: Call | None) -> Recorded:
        """Return what was heard, after ``finish()``."""
        columns = np.array(self._ticks, dtype=np.float64).reshape(-1, 6).T
        said, tone_tick = self._first_tone if self._first_tone is not None else (None, 0)
        return Recorded(
            call=call,
            early_media=self.policy.early_media,
            known_s=columns[0],
            evidence=np.array(self._vectors, dtype=np.float32).reshape(-1, len(NAMES)),
            machine_probability=columns[1],
            time_s=columns[2],
            silent_s=columns[3],
            rang=columns[4] > 0,
            tone_near=columns[5] > 0,
            tone=said,
            tone_tick=tone_tick,
            end=self._end,
            end_probability=self._end_probability,
            end_evidence=self._end_vector,
            duration_s=self.heard_s,
        )


def hear(
    path: Path, *, call: Call | None = None, early_media: bool = False, model: Model | None = None
) -> Recorded:
    """Hear one recording to its end, deciding nothing.

    Parameters
    ----------
    path : Path
        Whatever `amd.recordings.classify` reads.
    call : Call, optional
        Its row of a manifest, kept with it.
    early_media : bool
    model : Model, optional
        The shipped one unless given.
    """
    source = open_source(path, encoding=None, rate_hz=RATE_HZ, channel=None)
    listener = _Listener(encoding=source.encoding, rate_hz=source.rate_hz, early_media=early_media, model=model)
    with closing(source.blocks) as blocks:
        for block in blocks:
            listener.feed(block)
    listener.finish()
    return listener.recorded(call)


def record(
    folder: Path,
    jobs: int | None = None,
    *,
    n_calls: int | None = None,
    early_media: bool = False,
    model: Model | None = None,
) -> list[Recorded]:
    """Hear a labeled set, in the order of its manifest.

    Parameters
    ----------
    folder : Path
        With ``manifest.csv``.
    jobs : int, optional
        Worker processes; as many as cores unless given.
    n_calls : int, optional
        The first so many; all unless given.
    early_media : bool
        For policies with ``early_media``.
    model : Model, optional
        The shipped one unless given.

    Raises
    ------
    ManifestError
        If the manifest cannot be used.
    """
    calls = read_manifest(folder)[:n_calls]
    work = partial(_hear, folder, early_media, model)
    return list(spread(work, calls, jobs=jobs))


def _hear(folder: Path, early_media: bool, model: Model | None, call: Call) -> Recorded:  # noqa: FBT001 - `partial`
    return hear(folder / call.file, call=call, early_media=early_media, model=model)


def weighed(recorded: Recorded, model: Model) -> Recorded:
    """Return the call with the probabilities of another model, from the same evidence."""
    spoken = ~np.isnan(recorded.machine_probability)
    by_model = np.full(recorded.n_ticks, np.nan)
    by_model[spoken] = [machine_probability(model.weigh(row)) for row in recorded.evidence[spoken]]
    end = recorded.end_probability
    if recorded.end is None:
        end = machine_probability(model.weigh(recorded.end_evidence))
    return replace(recorded, machine_probability=by_model, end_probability=end)


def of_probabilities(
    p_machine: Sequence[float], *, gaps_s: Sequence[float], tick_s: float = 0.096, call: Call | None = None
) -> Recorded:
    """Make up a call on which somebody speaks from the start, for tests and examples."""
    n_ticks = len(p_machine)
    times_s: Floats = np.arange(1, n_ticks + 1) * np.float64(tick_s)
    evidence = np.full((n_ticks, len(NAMES)), np.nan, dtype=np.float32)
    evidence[:, NAMES.index("gap_s")] = gaps_s
    evidence[:, NAMES.index("since_onset_s")] = times_s
    return Recorded(
        call=call,
        early_media=False,
        known_s=times_s,
        evidence=evidence,
        machine_probability=np.array(p_machine, dtype=np.float64),
        time_s=times_s,
        silent_s=times_s,
        rang=np.zeros(n_ticks, dtype=np.bool_),
        tone_near=np.zeros(n_ticks, dtype=np.bool_),
        tone=None,
        tone_tick=0,
        end=None,
        end_probability=float(p_machine[-1]),
        end_evidence=evidence[-1],
        duration_s=float(times_s[-1]),
    )
