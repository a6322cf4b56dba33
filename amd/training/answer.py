"""Fit the network of `amd.answer` to labeled calls. `amd.training.fitting` does that and all that follows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from amd.answer import OUTPUTS
from amd.audio import RATE_HZ
from amd.networks import Floats, Network
from amd.sources import samples_of
from amd.speech import TICK_FRAMES, TICK_INPUTS
from amd.training.calls import (
    AFTER,
    BATCH_CALLS,
    BEFORE,
    TICK_SAMPLES,
    WITHIN,
    Mask,
    in_samples,
    ringback,
    speech_mask,
    ticks_of,
)
from amd.training.layers import Layers, torch_module
from amd.training.truth import read_truth
from amd.workers import spread

TICK_S: Final = TICK_SAMPLES / RATE_HZ
PARTIES: Final = ("human", "machine")
RATE_MAX: Final = 3e-3
CLIP_NORM: Final = 1.0
JITTER: Final = 0.05
"""Noise on the inputs, in fitting: they are in units of 20 dB."""
SPEECH_SHARE: Final = 0.5
PHASE_SHARE: Final = 0.3
"""Weights of the heads that tell speech and the phase of the call, in fitting only: they steady the memory."""
N_PHASES: Final = 3
RUNG_EVERY: Final = 3
"""One call in so many is heard once more in fitting, after rings, which change nothing of what it is."""
SCALE_EVERY: Final = 20
"""One call in so many tells the scale of the inputs."""
FIRST_S: Final = 0.6
DECIDED_S: Final = 2.5
LATE_S: Final = 6.0
WEIGHT_FIRST: Final = 0.3
WEIGHT_WAIT: Final = 2.0
WEIGHT_LATE: Final = 0.2
"""Ticks count most in the wait after the greeting, where people are decided, and little where all is decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How the network is fitted."""

    n_dense: int = 64
    n_units: int = 96
    n_epochs: int = 12
    rate_max: float = RATE_MAX
    seed: int = 1


def going_on(recipe: Recipe, start: Network) -> Recipe:
    """Return the recipe with the sizes of a network to go on from, and slower, lest it forget what it knows."""
    n_dense, n_units = start.arrays["dense_bias"].size, start.n_units
    return replace(recipe, n_dense=n_dense, n_units=n_units, rate_max=recipe.rate_max / 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One call: its ticks, and what is true of them."""

    inputs: npt.NDArray[np.float16]
    speech: Mask
    phase: npt.NDArray[np.int64]
    weight: Floats
    machine: bool
    group: str


def hear(folder: Path, *, n_calls: int | None = None, rung: bool = False, jobs: int = 1) -> list[Heard]:
    """Hear a labeled set in so many processes; calls that nobody answered teach speech and phase only.

    ``rung`` hears one call in `RUNG_EVERY`, each after rings.
    """
    truths = read_truth(folder, n_calls=n_calls)
    truths = truths[::RUNG_EVERY] if rung else truths
    batches = [truths[first : first + BATCH_CALLS] for first in range(0, len(truths), BATCH_CALLS)]
    work = partial(_hear_batch, folder, rung)
    return [one for heard in spread(work, enumerate(batches), jobs=jobs) for one in heard]


def _hear_batch(folder: Path, rung: bool, batch: tuple[int, Sequence[dict[str, Any]]]) -> list[Heard]:  # noqa: FBT001
    number, truths = batch
    samples = [samples_of(folder / truth["file"]) for truth in truths]
    if rung:
        rng = np.random.default_rng(number)
        leads = [ringback(rng) for _ in truths]
        samples = [np.concatenate(parts) for parts in zip(leads, samples, strict=True)]
        truths = [_later(truth, lead.size / RATE_HZ) for truth, lead in zip(truths, leads, strict=True)]
    return [heard_of(inputs, truth) for inputs, truth in zip(ticks_of(samples), truths, strict=True)]


def _later(truth: dict[str, Any], by_s: float) -> dict[str, Any]:
    """Return what is true of a call when so much is heard before it."""
    moved = {name: [[at_s + by_s for at_s in span] for span in truth[name]] for name in ("speech", "beep")}
    ended_s = truth["greeting_end_s"]
    return {**truth, **moved, "greeting_end_s": None if ended_s is None else ended_s + by_s}


def heard_of(inputs: Floats, truth: dict[str, Any]) -> Heard:
    """Put what was heard of a call, of shape ``(n_ticks, n_inputs)``, beside what is true of it."""
    n_ticks = inputs.shape[0]
    mask = speech_mask(in_samples(truth["speech"]), n_ticks * TICK_FRAMES)
    phase, weight = lesson_of(truth, n_ticks)
    return Heard(
        inputs=inputs.astype(np.float16),
        speech=mask.reshape(n_ticks, TICK_FRAMES),
        phase=phase,
        weight=weight,
        machine=truth["label"] == "machine",
        group=f"{truth['group']}",
    )


def lesson_of(truth: dict[str, Any], n_ticks: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """Phase of each tick as of its end, and how much its verdict counts."""
    ends_s = (np.arange(n_ticks) + 1) * TICK_S
    began_s = truth["speech"][0][0] if truth["speech"] else np.inf
    ended_s = np.inf if truth["greeting_end_s"] is None else truth["greeting_end_s"]
    phase = np.full(n_ticks, BEFORE, dtype=np.int64)
    phase[ends_s > began_s] = WITHIN
    phase[ends_s > ended_s] = AFTER
    weight = np.zeros(n_ticks, dtype=np.float32)
    if truth["label"] in PARTIES:
        from_s = min(began_s, truth["beep"][0][0] if truth["beep"] else np.inf)
        weight[ends_s > from_s + TICK_S] = 1.0
        weight[(ends_s > from_s + TICK_S) & (ends_s < from_s + FIRST_S)] = WEIGHT_FIRST
        weight[(ends_s > from_s + LATE_S) & (ends_s < ended_s)] = WEIGHT_FIRST
        weight[(ends_s > ended_s) & (ends_s < ended_s + DECIDED_S)] = WEIGHT_WAIT
        weight[ends_s > ended_s + DECIDED_S + 1.0] = WEIGHT_LATE
    return phase, weight


def fit(
    calls: Sequence[Heard],
    recipe: Recipe,
    *,
    version: str,
    story: str,
    dev: Sequence[Heard] = (),
    names: Sequence[str] = TICK_INPUTS,
    start: Network | None = None,
    told: Callable[[str], None] = lambda _: None,
) -> Network:
    """Fit a network on the calls; ``dev`` is only looked at, ``told`` is called with a line after each epoch.

    ``names`` are those of the inputs; the fit goes on from ``start``, which must be of the recipe's sizes.

    Raises
    ------
    MissingExtraError
        If torch is not installed.
    """
    sample = np.concatenate([call.inputs for call in calls[::SCALE_EVERY]])
    layers = Layers(
        n_dense=recipe.n_dense,
        n_units=recipe.n_units,
        n_outputs=len(OUTPUTS) + TICK_FRAMES + N_PHASES,
        seed=recipe.seed,
        inputs=sample,
    )
    if start is not None:
        layers.begin_with(start)
    torch = torch_module()
    optimizer = torch.optim.AdamW(layers.parameters, lr=recipe.rate_max, weight_decay=1e-4)
    n_steps = recipe.n_epochs * -(-len(calls) // BATCH_CALLS)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=recipe.rate_max, total_steps=n_steps)
    rng = np.random.default_rng(recipe.seed)
    cross = torch.nn.functional.binary_cross_entropy_with_logits
    began_s = time.perf_counter()
    for epoch in range(recipe.n_epochs):
        losses = []
        for batch in _batches(calls, rng):
            ticks, speech, phase, weight, machine, heard = (torch.from_numpy(part) for part in batch)
            logits = layers(ticks + JITTER * torch.randn_like(ticks))
            verdict, frames, phases = torch.split(logits, [len(OUTPUTS), TICK_FRAMES, N_PHASES], dim=2)
            of_verdict = cross(verdict[:, :, 0], machine[:, None].expand_as(weight), reduction="none") * weight
            of_speech = cross(frames, speech, reduction="none").mean(2) * heard
            of_phase = torch.nn.functional.cross_entropy(phases.transpose(1, 2), phase, reduction="none") * heard
            loss = of_verdict.sum() / weight.sum().clamp(min=1)
            losses.append(float(loss.detach()))
            loss = loss + (SPEECH_SHARE * of_speech + PHASE_SHARE * of_phase).sum() / heard.sum()
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(layers.parameters, CLIP_NORM)
            optimizer.step()
            schedule.step()
        network = layers.network(inputs=names, outputs=OUTPUTS, version=version, recipe=story)
        on_dev = f", dev {loss_of(network, dev):.4f}" if dev else ""
        told(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}{on_dev}, {time.perf_counter() - began_s:.0f} s")
    return network


def judge(network: Network, calls: Sequence[Heard]) -> list[Floats]:
    """Log-odds of a machine at each tick of each call."""
    sizes = np.array([call.inputs.shape[0] for call in calls])
    state = network.start(len(calls))
    judged = np.zeros((len(calls), int(sizes.max())), dtype=np.float32)
    for tick in range(int(sizes.max())):
        rows = np.flatnonzero(sizes > tick)
        inputs = np.stack([calls[row].inputs[tick] for row in rows.tolist()]).astype(np.float32)
        log_odds, state[rows] = network.step(inputs, state[rows])
        judged[rows, tick] = log_odds[:, 0]
    return [row[:size] for row, size in zip(judged, sizes, strict=True)]


def loss_of(network: Network, calls: Sequence[Heard]) -> float:
    """Cross-entropy of the verdict, in nats, weighted as in fitting."""
    total, weights = 0.0, 0.0
    for log_odds, call in zip(judge(network, calls), calls, strict=True):
        wrong = -log_odds if call.machine else log_odds
        total += float(np.sum(np.logaddexp(0, wrong) * call.weight))
        weights += float(np.sum(call.weight))
    return total / weights


def _batches(calls: Sequence[Heard], rng: np.random.Generator) -> Iterator[tuple[npt.NDArray[Any], ...]]:
    """All calls once, those of like length together, in a random order of batches."""
    sizes = np.array([call.inputs.shape[0] for call in calls])
    order = np.argsort(sizes + rng.uniform(0, 15, sizes.size), kind="stable")
    for first in rng.permutation(np.arange(0, order.size, BATCH_CALLS)).tolist():
        batch = [calls[row] for row in order[first : first + BATCH_CALLS].tolist()]
        n_calls, n_ticks = len(batch), max(call.inputs.shape[0] for call in batch)
        inputs = np.zeros((n_calls, n_ticks, calls[0].inputs.shape[1]), dtype=np.float32)
        speech = np.zeros((n_calls, n_ticks, TICK_FRAMES), dtype=np.float32)
        phase = np.zeros((n_calls, n_ticks), dtype=np.int64)
        weight, heard = (np.zeros((n_calls, n_ticks), dtype=np.float32) for _ in range(2))
        for row, call in enumerate(batch):
            size = call.inputs.shape[0]
            inputs[row, :size], speech[row, :size] = call.inputs, call.speech
            phase[row, :size], weight[row, :size], heard[row, :size] = call.phase, call.weight, 1
        yield inputs, speech, phase, weight, np.array([call.machine for call in batch], dtype=np.float32), heard
