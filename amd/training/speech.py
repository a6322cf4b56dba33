"""Fit the network of `amd.speech` to the clean speech of composed calls: ``python -m amd.training.speech``."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from amd.networks import Floats, Network, parse, save
from amd.speech import OUTPUTS, TICK_FRAMES, TICK_INPUTS
from amd.training.calls import Lesson, lesson
from amd.training.layers import Layers, torch_module

BATCH_CALLS: Final = 64
RATE_MAX: Final = 4e-3
RATE_MIN: Final = 4e-5
CLIP_NORM: Final = 1.0
PHASE_SHARE: Final = 0.1
"""Weight of the head that tells the phase of the call, in fitting only: it steadies the memory."""
N_PHASES: Final = 3
SCALE_EVERY: Final = 20
"""One tick in so many tells the scale of the inputs."""
LOG_EVERY: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How the network is fitted."""

    n_dense: int = 48
    n_units: int = 64
    n_epochs: int = 14
    rate_max: float = RATE_MAX
    seed: int = 1


def fit(
    lessons: Sequence[Lesson],
    recipe: Recipe,
    *,
    version: str,
    story: str,
    dev: Lesson | None = None,
    start: Network | None = None,
) -> Network:
    """Fit a network on the lessons, from ``start`` on where it is given; ``dev`` is only looked at.

    Raises
    ------
    MissingExtraError
        If torch is not installed.
    """
    layers = Layers(
        n_dense=recipe.n_dense,
        n_units=recipe.n_units,
        n_outputs=len(OUTPUTS) + N_PHASES,
        seed=recipe.seed,
        inputs=lessons[0].inputs[::SCALE_EVERY],
    )
    if start is not None:
        layers.begin_with(start)
    torch = torch_module()
    optimizer = torch.optim.AdamW(layers.parameters, lr=recipe.rate_max, weight_decay=1e-4)
    n_steps = recipe.n_epochs * sum(-(-one.sizes.size // BATCH_CALLS) for one in lessons)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=recipe.rate_max,
        total_steps=n_steps,
        pct_start=0.15,
        final_div_factor=recipe.rate_max / 25 / RATE_MIN,
    )
    rng = np.random.default_rng(recipe.seed)
    began_s = time.perf_counter()
    for epoch in range(recipe.n_epochs):
        losses = []
        for batch in _batches(lessons, rng):
            inputs, speech, phase, heard = (torch.from_numpy(part) for part in batch)
            logits = layers(inputs)
            per_frame = torch.nn.functional.binary_cross_entropy_with_logits(
                logits[:, :, : len(OUTPUTS)], speech, reduction="none"
            ).mean(2)
            per_tick = torch.nn.functional.cross_entropy(
                logits[:, :, len(OUTPUTS) :].transpose(1, 2), phase, reduction="none"
            )
            loss = ((per_frame + PHASE_SHARE * per_tick) * heard).sum() / heard.sum()
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(layers.parameters, CLIP_NORM)
            optimizer.step()
            schedule.step()
            losses.append(float(loss.detach()))
        if epoch % LOG_EVERY == LOG_EVERY - 1 or epoch == recipe.n_epochs - 1:
            network = layers.network(inputs=TICK_INPUTS, outputs=OUTPUTS, version=version, recipe=story)
            told = "" if dev is None else f", dev F1 {frame_f1(network, dev):.4f}"
            print(  # noqa: T201 - a person waits
                f"epoch {epoch + 1}: loss {np.mean(losses):.4f}{told}, {time.perf_counter() - began_s:.0f} s",
                flush=True,
            )
    return layers.network(inputs=TICK_INPUTS, outputs=OUTPUTS, version=version, recipe=story)


def between(start: Network, fitted: Network, share: float) -> Network:
    """Return a network whose weights lie so much of the way from where a fit started to where it led.

    It knows most of what was learnt, and forgets little of what was known (Wortsman et al. 2022, "Robust
    fine-tuning of zero-shot models", arXiv 2109.01903).
    """
    parts = {name: (start.arrays[name].astype(np.float64), array) for name, array in fitted.arrays.items()}
    arrays = {name: (old + share * (new - old)).astype(np.float32) for name, (old, new) in parts.items()}
    return replace(fitted, arrays=arrays)


def frame_f1(network: Network, dev: Lesson, log_odds_min: float = 0.0) -> float:
    """F1 of the frames of a lesson."""
    judged = judge(network, dev) >= log_odds_min
    truth = dev.speech > 0
    right = np.sum(judged & truth)
    return 2 * int(right) / max(1, int(np.sum(judged)) + int(np.sum(truth)))


def judge(network: Network, dev: Lesson) -> Floats:
    """Log-odds of speech of each frame of a lesson, of shape ``(n_ticks, TICK_FRAMES)``."""
    offsets = np.concatenate([[0], np.cumsum(dev.sizes)])
    state = network.start(dev.sizes.size)
    judged = np.zeros(dev.speech.shape, dtype=np.float32)
    for tick in range(int(dev.sizes.max())):
        rows = np.flatnonzero(dev.sizes > tick)
        places = offsets[rows] + tick
        judged[places], state[rows] = network.step(dev.inputs[places].astype(np.float32), state[rows])
    return judged


def _batches(
    lessons: Sequence[Lesson], rng: np.random.Generator
) -> Iterator[tuple[Floats, Floats, npt.NDArray[np.int64], Floats]]:
    """All calls once, those of like length together, in a random order of batches."""
    plan = []
    for number, one in enumerate(lessons):
        offsets = np.concatenate([[0], np.cumsum(one.sizes)])
        order = np.argsort(one.sizes + rng.uniform(0, 30, one.sizes.size), kind="stable")
        firsts = range(0, order.size, BATCH_CALLS)
        plan += [(number, order[first : first + BATCH_CALLS], offsets) for first in firsts]
    for place in rng.permutation(len(plan)):
        number, rows, offsets = plan[place]
        one = lessons[number]
        n_ticks = int(one.sizes[rows].max())
        inputs = np.zeros((rows.size, n_ticks, one.inputs.shape[1]), dtype=np.float32)
        speech = np.zeros((rows.size, n_ticks, TICK_FRAMES), dtype=np.float32)
        phase = np.zeros((rows.size, n_ticks), dtype=np.int64)
        heard = np.zeros((rows.size, n_ticks), dtype=np.float32)
        for at, row in enumerate(rows):
            size, start = int(one.sizes[row]), int(offsets[row])
            inputs[at, :size] = one.inputs[start : start + size]
            speech[at, :size] = one.speech[start : start + size]
            phase[at, :size] = one.phase[start : start + size]
            heard[at, :size] = 1
        yield inputs, speech, phase, heard


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(prog="python -m amd.training.speech", description=__doc__)
    parser.add_argument("sets", nargs="+", type=Path, metavar="SET", help="composed sets, of the train split")
    parser.add_argument("--dev", type=Path, metavar="SET", help="a set that is scored while fitting")
    parser.add_argument("--version", default="mine")
    parser.add_argument("--calls", type=int, metavar="N", help="the first so many of each set")
    parser.add_argument("--epochs", type=int, default=Recipe().n_epochs, metavar="N")
    parser.add_argument("--units", type=int, default=Recipe().n_units, metavar="N")
    parser.add_argument("--seed", type=int, default=Recipe().seed, metavar="N")
    parser.add_argument("--rate", type=float, default=RATE_MAX, metavar="X", help="highest rate of learning")
    parser.add_argument("--start", type=Path, metavar="FILE", help="go on from this network")
    parser.add_argument(
        "--share", type=float, default=1.0, metavar="X", help="go so much of the way from --start (default 1)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    options = parser.parse_args()
    if not 0 < options.share <= 1 or (options.share < 1 and options.start is None):
        parser.error(f"--share {options.share:g} must be above 0 and at most 1, and below 1 needs --start")
    recipe = Recipe(n_epochs=options.epochs, n_units=options.units, rate_max=options.rate, seed=options.seed)
    lessons = [
        lesson(folder, seed=recipe.seed + number, n_calls=options.calls, spoilt=True)
        for number, folder in enumerate(options.sets)
    ]
    dev = lesson(options.dev, seed=0) if options.dev else None
    story = f"python -m amd.training.speech: {recipe}, {sum(one.sizes.size for one in lessons)} composed calls"
    start = parse(options.start.read_bytes(), inputs=TICK_INPUTS, outputs=OUTPUTS) if options.start else None
    if start is not None:
        story += f"; {options.share:g} of the way from {start.version}: {start.recipe}"
    network = fit(lessons, recipe, version=options.version, story=story, dev=dev, start=start)
    save(network if start is None else between(start, network, options.share), options.out)


if __name__ == "__main__":
    main()
