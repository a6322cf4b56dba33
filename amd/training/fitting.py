"""From labeled sets to a model: fit, calibrate, choose the stopping rule, and tell how well it did: ``amd train``.

The calibration and the rule are fitted to what networks say of speakers that they were not fitted to: the calls
are dealt into folds by speaker, and each fold is judged by a network of the others. The network that is kept is
then fitted to all calls.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from amd import __version__
from amd.errors import ManifestError
from amd.evaluation.scores import confusion, quantiles, rate, wilson
from amd.events import Party
from amd.evidence import NAMES
from amd.model import Model
from amd.networks import Floats, Network
from amd.policy import PRESETS, Policy, preset
from amd.training.answer import Heard, Recipe, fit, hear, judge
from amd.training.calibration import GAP_MAX_S, SINCE_MAX_S, calibrate, calibration_error
from amd.training.cost import COSTS
from amd.training.listening import Recorded, record, weighed
from amd.training.replay import PARTIES, Stack
from amd.training.rule import choose

GROUPS_MIN: Final = 2
SPOKEN: Final = ("human", "machine")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to make of the sets.

    Parameters
    ----------
    recipe : Recipe
        Of the network.
    version : str
        The model's name.
    start : Model or None
        Whose network the fit goes on from, with the recipe's sizes.
    date : str
        ISO date for the card.
    n_folds : int
        Into which the speakers are dealt.
    n_calls : int or None
        The first so many of each set; all unless given.
    n_rule_calls : int
        The first so many of all calls choose calibration and stopping rule; hearing them whole takes longest.
    jobs : int
        Worker processes.
    """

    recipe: Recipe
    version: str
    date: str
    n_folds: int = 3
    n_calls: int | None = None
    n_rule_calls: int = 6000
    jobs: int = 1
    start: Model | None = None


def train(
    sets: Sequence[Path],
    plan: Plan,
    *,
    held_out: Sequence[Path] = (),
    told: Callable[[str], None] = lambda _: None,
) -> Model:
    """Make a model of labeled sets.

    Parameters
    ----------
    sets : sequence of Path
        Folders with ``manifest.csv``, at least two speakers (column ``group``) each of people and machines.
    plan : Plan
    held_out : sequence of Path
        Sets of other speakers, to calibrate and to choose the stopping rule on, in place of folds.
    told : callable, optional
        Called with a line of text as the work goes on.

    Raises
    ------
    ManifestError
        If a set cannot be used, there is too little in them, or a speaker is on both sides.
    MissingExtraError
        If torch is not installed.
    """
    told("hearing the calls")
    heard = [call for folder in sets for call in hear(folder, n_calls=plan.n_calls, jobs=plan.jobs)]
    _check(heard)
    rung = [call for folder in sets for call in hear(folder, n_calls=plan.n_calls, rung=True, jobs=plan.jobs)]
    judging = held_out or sets
    judged: list[Floats] = []
    others = [call for folder in held_out for call in hear(folder, jobs=plan.jobs)]
    shared = {call.group for call in heard} & {call.group for call in others}
    if shared:
        raise ManifestError(f"{len(shared)} speakers are in the sets and in those held out, as {min(shared)!r}")
    if not held_out:
        judged = _judge_by_others(heard, rung, plan, told)
    told("fitting to all calls")
    network = _fitted([*heard, *rung], plan, version=plan.version, story=_story(plan, len(heard)), told=told)
    if held_out:
        judged = judge(network, others)
    told("hearing how they would have been decided")
    plain = Model(network=network, prior_log_odds=0.0, curves=())
    recorded = _recorded(judging, plan, plain, limit=None if held_out else plan.n_calls)
    replaced = [said_by(one, log_odds) for one, log_odds in zip(recorded, judged, strict=False)]
    told("calibrating, and choosing the stopping rule")
    model = calibrated(network, replaced)
    by_model = [weighed(one, model) for one in replaced]
    policies = {name: choose(by_model, PRESETS[name], cost)[0] for name, cost in COSTS.items()}
    model = dataclasses.replace(model, policies=policies)
    card = _card(heard, by_model, model, plan)
    card |= {
        "calls_after_rings": len(rung),
        "folds": None if held_out else plan.n_folds,
        "manifests_sha256": _digests(sets),
        "held_out_sha256": _digests(held_out),
    }
    return dataclasses.replace(model, card=card)


def deal(groups: Sequence[str], n_folds: int) -> list[int]:
    """Fold of each call: all calls of a speaker in one, the folds of like size, whatever the order of the calls.

    Examples
    --------
    >>> deal(["ann", "bob", "ann", "cy"], 2)
    [0, 1, 0, 1]
    """
    names, counts = np.unique(groups, return_counts=True)
    sizes = [0] * n_folds
    fold_of: dict[str, int] = {}
    for place in np.lexsort((names, -counts)).tolist():
        fold = int(np.argmin(sizes))
        fold_of[str(names[place])] = fold
        sizes[fold] += int(counts[place])
    return [fold_of[group] for group in groups]


def _check(heard: Sequence[Heard]) -> None:
    for machine, what in ((False, "people"), (True, "machines")):
        groups = {call.group for call in heard if call.machine is machine and call.weight.any()}
        if len(groups) < GROUPS_MIN:
            raise ManifestError(
                f"{len(groups)} speakers of {what} in the sets, need {GROUPS_MIN}: "
                "without a column `group` each file counts as a speaker of its own"
            )


def _fitted(
    heard: Sequence[Heard], plan: Plan, *, version: str, story: str, told: Callable[[str], None]
) -> Network:
    start = plan.start.network if plan.start else None
    return fit(heard, plan.recipe, version=version, story=story, start=start, told=told)


def _judge_by_others(
    heard: Sequence[Heard], rung: Sequence[Heard], plan: Plan, told: Callable[[str], None]
) -> list[Floats]:
    """Log-odds of each call by a network that heard none of its speaker, not after rings either."""
    folds = deal([call.group for call in heard], plan.n_folds)
    judged: list[Floats] = [np.zeros(0, dtype=np.float32)] * len(heard)
    for fold in range(plan.n_folds):
        told(f"fold {fold + 1} of {plan.n_folds}")
        inside = [place for place, one in enumerate(folds) if one == fold]
        others = [call for call, one in zip(heard, folds, strict=True) if one != fold]
        if not inside or not others:
            raise ManifestError(
                f"{len(set(folds))} speakers cannot be dealt into {plan.n_folds} folds: fewer folds?"
            )
        inside_groups = {heard[place].group for place in inside}
        others += [call for call in rung if call.group not in inside_groups]
        network = _fitted(others, plan, version="fold", story="", told=told)
        for place, log_odds in zip(inside, judge(network, [heard[place] for place in inside]), strict=True):
            judged[place] = log_odds
    return judged


def _recorded(sets: Sequence[Path], plan: Plan, model: Model, *, limit: int | None) -> list[Recorded]:
    """The first calls, heard whole, in the order in which they were heard for fitting."""
    found: list[Recorded] = []
    for folder in sets:
        n_left = plan.n_rule_calls - len(found)
        if n_left > 0:
            found += record(
                folder, plan.jobs, n_calls=n_left if limit is None else min(limit, n_left), model=model
            )
    return found


def said_by(recorded: Recorded, log_odds: Floats) -> Recorded:
    """Return a call as if another network had heard it; ``log_odds`` are its answers, tick by tick."""
    place = NAMES.index("voice_log_odds")
    evidence = recorded.evidence.copy()
    spoken = ~np.isnan(evidence[:, place])
    n_ticks = min(evidence.shape[0], log_odds.size)
    padded = np.full(evidence.shape[0], log_odds[-1] if log_odds.size else 0.0, dtype=np.float32)
    padded[:n_ticks] = log_odds[:n_ticks]
    evidence[spoken, place] = padded[spoken]
    end = recorded.end_evidence.copy()
    end[place] = np.where(np.isnan(end[place]), np.nan, padded[-1] if padded.size else 0.0)
    return dataclasses.replace(recorded, evidence=evidence, end_evidence=end)


def calibrated(network: Network, recorded: Sequence[Recorded]) -> Model:
    """Return the model of a network, calibrated on calls of speakers that what it says was not fitted to."""
    rows, machine = [], []
    for one in recorded:
        if one.call is None or str(one.call.label) not in SPOKEN:
            continue
        n_ticks = one.n_ticks if one.tone is None else one.tone_tick
        evidence = one.evidence[:n_ticks].astype(np.float64)
        gap_s, since_s = (evidence[:, NAMES.index(name)] for name in ("gap_s", "since_onset_s"))
        open_yet = (gap_s <= GAP_MAX_S) & (since_s <= SINCE_MAX_S)
        rows.append(evidence[open_yet])
        machine.append(np.full(int(open_yet.sum()), one.call.label is Party.MACHINE))
    prior, curves = calibrate(np.concatenate(rows), np.concatenate(machine))
    return Model(network=network, prior_log_odds=prior, curves=curves)


def _story(plan: Plan, n_calls: int) -> str:
    story = f"amd train {__version__}: {plan.recipe}, {n_calls} calls"
    return f"{story}; from {plan.start.version}: {plan.start.network.recipe}" if plan.start else story


def _digests(sets: Sequence[Path]) -> list[str]:
    return [hashlib.sha256((folder / "manifest.csv").read_bytes()).hexdigest() for folder in sets]


def _card(heard: Sequence[Heard], recorded: Sequence[Recorded], model: Model, plan: Plan) -> dict[str, Any]:
    """What a user should know of a model before trusting it; no file, folder or speaker is named."""
    return {
        "date": plan.date,
        "code": __version__,
        "recipe": dataclasses.asdict(plan.recipe),
        "from": plan.start.version if plan.start else None,
        "calls": len(heard),
        "people": sum(not call.machine and bool(call.weight.any()) for call in heard),
        "machines": sum(call.machine for call in heard),
        "speakers": len({call.group for call in heard if call.speech.any()}),
        "calls_not_heard": len(recorded),
        "costs": {name: dataclasses.asdict(cost) for name, cost in COSTS.items()},
        "on_speakers_not_heard": {name: _scores(recorded, preset(name, model)) for name in COSTS},
    }


def _scores(recorded: Sequence[Recorded], policy: Policy) -> dict[str, Any]:
    """What a policy makes of calls: counts, intervals and waits."""
    calls = [one.call for one in recorded if one.call is not None]
    decided = Stack(recorded).decide(policy)
    said = [PARTIES[code] for code in decided.party]
    counts = confusion([call.label for call in calls], said)
    right = np.array([call.label is party for call, party in zip(calls, said, strict=True)])
    spoken = ~np.isnan(decided.probability)
    waits = {
        party: quantiles(
            [
                known_s - call.times_s[since]
                for call, one, known_s in zip(calls, said, decided.known_s.tolist(), strict=True)
                if call.label is one is party and since in call.times_s
            ]
        )
        for party, since in ((Party.HUMAN, "greeting_end_s"), (Party.MACHINE, "speech_start_s"))
    }
    return {
        "right": str(wilson(int(right.sum()), right.size)),
        "human called machine": str(rate(counts, Party.HUMAN, Party.MACHINE)),
        "machine called human": str(rate(counts, Party.MACHINE, Party.HUMAN)),
        "unsure": str(wilson(sum(one is Party.UNSURE for one in said), len(said))),
        "human after greeting p50, s": round(waits[Party.HUMAN].p50, 2),
        "machine after speech p50, s": round(waits[Party.MACHINE].p50, 2),
        "calibration error": round(calibration_error(decided.probability[spoken], right[spoken]), 4),
    }
