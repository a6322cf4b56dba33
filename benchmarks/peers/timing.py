"""Fifteen times of a voice-activity mask and shallow boosted trees, asked once a tick: after arXiv 2604.09675.

The paper (Saurav 2026) tells of 15 temporal features of the activity of a pre-trained neural voice-activity
detector and a shallow tree ensemble. Its list of features was not at hand, so these fifteen are ours; so are the
training calls and the stopping rule: two probabilities and a least silence for ``human``, chosen on train calls by
`benchmarks.cost`. Its published accuracy is of other calls, and is not to be set beside what is measured here.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from amd.audio import RATE_HZ, Samples
from amd.cadence import Cadence
from amd.events import Cause, Party
from amd.evidence import NAMES
from amd.framing import HOP_SAMPLES, frame_end_sample
from amd.models import content_of
from amd.policy import Policy
from amd.training.listening import Recorded, Said
from amd.training.replay import decide
from amd.trees import Trees
from benchmarks.peers import activity
from benchmarks.peers.activity import Mask
from benchmarks.peers.asterisk import PeerVerdict
from benchmarks.peers.cadence import known_times_s

Floats = npt.NDArray[np.float64]

SHIPPED: Final = Path(__file__).with_name("timing-1.json")
FORMAT: Final = "amd peer trees 1"
TICK_FRAMES: Final = 6
"""Asked every 96 ms, as `amd` is."""
LAG_S: Final = HOP_SAMPLES / RATE_HZ
"""The last frame of a tick is judged with the piece of 32 ms that covers its middle."""
LONG_PAUSE_S: Final = 0.5
MEASURES: Final = (
    "first_speech_s",
    "since_first_speech_s",
    "n_runs",
    "first_run_s",
    "last_run_s",
    "longest_run_s",
    "mean_run_s",
    "spread_of_runs_s",
    "speech_s",
    "speech_share",
    "gap_s",
    "first_pause_s",
    "longest_pause_s",
    "mean_pause_s",
    "n_long_pauses",
)
"""Pauses are those between runs, the present silence not among them; what there is none of is 0."""
FORCED_P: Final = 0.85
"""Of a forced verdict, for what is compared with amd: as when these trees were fitted, whatever amd's is now."""
POLICY_FIELDS: Final = ("human_probability_min", "machine_probability_min", "human_gap_min_s")


def measures(mask: Mask) -> Floats:
    """Measure a mask at each tick: shape ``(n_ticks, 15)``, NaN before anyone spoke."""
    cadence = Cadence()
    ended: list[tuple[int, int]] = []
    rows = np.full((mask.size // TICK_FRAMES, len(MEASURES)), np.nan)
    for index, active in enumerate(mask.tolist()):
        _, run = cadence.step(index, active=active, voiced=active, hold=False)
        ended += [(run.on, run.off)] if run is not None else []
        tick, rest = divmod(index + 1, TICK_FRAMES)
        if rest == 0 and cadence.first_on is not None:
            open_run = [(cadence.run.on, cadence.run.off)] if cadence.run is not None else []
            rows[tick - 1] = _row(np.array([*ended, *open_run]) / RATE_HZ, frame_end_sample(index) / RATE_HZ)
    return rows


def _row(runs_s: Floats, now_s: float) -> tuple[float, ...]:
    lengths_s = runs_s[:, 1] - runs_s[:, 0]
    pauses_s = runs_s[1:, 0] - runs_s[:-1, 1]
    some = pauses_s if pauses_s.size else np.zeros(1)
    speech_s = float(lengths_s.sum())
    since_s = max(now_s - float(runs_s[0, 0]), 1e-3)
    return (
        float(runs_s[0, 0]),
        since_s,
        float(lengths_s.size),
        float(lengths_s[0]),
        float(lengths_s[-1]),
        float(lengths_s.max()),
        float(lengths_s.mean()),
        float(lengths_s.std()),
        speech_s,
        speech_s / since_s,
        max(0.0, now_s - float(runs_s[-1, 1])),
        float(some[0]),
        float(some.max()),
        float(some.mean()),
        float(np.sum(pauses_s >= LONG_PAUSE_S)),
    )


def recorded(rows: Floats, p_machine: Floats, *, duration_s: float) -> Recorded:
    """Return a call's ticks as the stopping rule of `amd.policy` takes them; there are no tones.

    Parameters
    ----------
    rows : ndarray of float64, shape (n_ticks, 15)
    p_machine : ndarray of float64, shape (n_ticks,)
        NaN before anyone spoke.
    duration_s : float
    """
    n_ticks = rows.shape[0]
    known_s = np.minimum(
        known_times_s(n_ticks * TICK_FRAMES, TICK_FRAMES)[TICK_FRAMES - 1 :: TICK_FRAMES] + LAG_S, duration_s
    )
    evidence = np.full((n_ticks, len(NAMES)), np.nan, dtype=np.float32)
    for name, measure in (("gap_s", "gap_s"), ("since_onset_s", "since_first_speech_s")):
        evidence[:, NAMES.index(name)] = rows[:, MEASURES.index(measure)]
    spoken = n_ticks > 0 and not np.isnan(p_machine[-1])
    nothing = np.zeros(n_ticks, dtype=np.bool_)
    return Recorded(
        early_media=False,
        known_s=known_s,
        evidence=evidence,
        machine_probability=p_machine,
        time_s=known_s,
        silent_s=known_s,
        rang=nothing,
        tone_near=nothing,
        tone=None,
        tone_tick=0,
        end=None if spoken else Said(Party.SILENCE, duration_s, Cause.AUDIO_ENDED),
        end_probability=float(p_machine[-1]) if spoken else float("nan"),
        end_evidence=evidence[-1] if n_ticks else np.full(len(NAMES), np.nan, dtype=np.float32),
        duration_s=duration_s,
    )


def probabilities(trees: Trees, rows: Floats) -> Floats:
    """Probability of a machine at each tick; NaN before anyone spoke."""
    p_machine = np.full(rows.shape[0], np.nan)
    spoken = ~np.isnan(rows[:, 0])
    p_machine[spoken] = 0.5 * (1 + np.tanh(trees.log_odds(rows[spoken]) / 2))
    return p_machine


@cache
def shipped() -> tuple[Trees, Policy]:
    """Return the trees that were fitted, and the stopping rule that was chosen for them."""
    content = content_of(SHIPPED.read_text(encoding="utf-8"), FORMAT)
    human, machine, gap_s = (float(content["policy"][name]) for name in POLICY_FIELDS)
    return Trees.of(content, MEASURES), Policy(
        human_probability_min=human,
        machine_probability_min=machine,
        human_gap_min_s=gap_s,
        forced_probability_min=FORCED_P,
    )


def judge(samples: Samples) -> PeerVerdict:
    """Judge one call of 8 kHz samples."""
    trees, policy = shipped()
    rows = measures(activity.silero(samples))
    said = decide(recorded(rows, probabilities(trees, rows), duration_s=samples.size / RATE_HZ), policy)
    return PeerVerdict(party=said.party, cause=str(said.cause), known_s=said.known_s)
