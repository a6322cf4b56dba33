"""``python -m benchmarks probe SET [--dev SET]``: can the line alone tell people from machines?

If so, a detector fitted to such calls could learn the composer instead of the call. Logistic regression and
boosted trees see the channel features of the first speech and nothing of its times
(`benchmarks.channel_features`). Classes are made equal, so chance is 50 %; no speaker is both fitted to and
scored. Needs scikit-learn.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from amd.evaluation.scores import Share, wilson
from amd.workers import spread
from benchmarks.accuracy import read_sets
from benchmarks.channel_features import FAMILIES, FEATURES, Floats, Heard, channel_of
from benchmarks.fit_peers import jobs_of
from benchmarks.scoring import share_data, short

SPEECH_S: Final = (1.0, 0.4)
"""The first second of speech; and less, since one person in some has no more than a word to say."""
CHANCE: Final = 0.5
OFF_MAX: Final = 0.08
"""How far from chance the probe may be."""
N_FOLDS: Final = 5
SEED: Final = 0

Flags = npt.NDArray[np.bool_]


def run(folder: Path, dev: Path | None, *, out: Path | None, n_calls: int | None, n_jobs: int | None) -> None:
    """Print how well the channel tells the label, and which features carry it; write it as JSON if asked to."""
    console = Console(width=10_000)
    rows: list[tuple[str, ...]] = []
    carried: list[Table] = []
    found: list[dict[str, Any]] = []
    for speech_s in SPEECH_S:
        heard = hear([folder], speech_s, n_calls, n_jobs)
        held = hear([dev], speech_s, None, n_jobs) if dev is not None else None
        for name, share, drops in probes(heard, held):
            verdict = "within" if abs(share.value - CHANCE) <= OFF_MAX else "beyond"
            rows.append((f"{speech_s:g} s", name, short(share), verdict))
            points = {family: round(100 * lost, 2) for family, lost in drops.items()}
            found.append({"speech_s": speech_s, "classifier": name, **share_data(share), "points_lost": points})
            if drops:
                carried.append(
                    drops_table(f"{name}, {speech_s:g} s: accuracy lost when shuffled among calls", drops)
                )
    where = (
        f"fitted to {folder.name}, scored on {dev.name}" if dev else f"{folder.name}, {N_FOLDS} folds of speakers"
    )
    console.print(results_table(f"channel probe, {where}; chance is 50 %", rows), *carried)
    if out is not None:
        sets = read_sets([folder], n_calls).described() + (read_sets([dev]).described() if dev else [])
        data = {"command": "python -m benchmarks probe", "sets": sets, "found": found}
        out.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def hear(folders: Sequence[Path], speech_s: float, n_calls: int | None, n_jobs: int | None) -> list[Heard]:
    """Measure the calls that have so much speech, as many people as machines."""
    work = partial(channel_of, speech_s=speech_s)
    found = spread(work, jobs_of(folders, n_calls), jobs=n_jobs)
    return balanced([one for one in found if one is not None])


def balanced(heard: Sequence[Heard]) -> list[Heard]:
    """Draw as many people as machines, in the order they were in."""
    rng = np.random.default_rng(SEED)
    people = [index for index, one in enumerate(heard) if not one.machine]
    machines = [index for index, one in enumerate(heard) if one.machine]
    least = min(len(people), len(machines))
    kept = [rng.permutation(one)[:least] for one in (people, machines)]
    return [heard[int(index)] for index in np.sort(np.concatenate(kept)).astype(int)]


def components(groups: Sequence[str]) -> npt.NDArray[np.int64]:
    """Number calls so that those that share a speaker, directly or through others, have the same number.

    Examples
    --------
    >>> components(["a", "b;c", "a;d", "c"]).tolist()
    [0, 1, 0, 1]
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    for text in groups:
        first, *others = text.split(";")
        for other in others:
            parent[root(other)] = root(first)
    roots = [root(text.split(";")[0]) for text in groups]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(roots))}
    return np.array([numbers[name] for name in roots])


def probes(heard: Sequence[Heard], held: Sequence[Heard] | None) -> Iterator[tuple[str, Share, dict[str, float]]]:
    """Score each classifier: its name, accuracy, and what it loses when a family of features is shuffled."""
    rows, machine = _arrays(heard)
    if held is not None:
        held_rows, held_machine = _arrays(held)
        folds = [(np.arange(machine.size), machine.size + np.arange(held_machine.size))]
        rows, machine = np.concatenate([rows, held_rows]), np.concatenate([machine, held_machine])
    else:
        from sklearn.model_selection import GroupKFold  # noqa: PLC0415 - scikit-learn comes with the extra `train`

        groups = components([one.group for one in heard])
        n_folds = min(N_FOLDS, int(groups.max()) + 1)
        if n_folds < 2:
            raise SystemExit("all calls share speakers: nobody is left to score; give --dev")
        folds = list(GroupKFold(n_folds).split(rows, machine, groups))
    for name, make in _classifiers().items():
        fitted = [(make().fit(rows[fit], machine[fit]), score) for fit, score in folds]
        right = sum(int(np.sum(model.predict(rows[score]) == machine[score])) for model, score in fitted)
        share = wilson(right, sum(score.size for _, score in fitted))
        yield name, share, _drops(fitted, rows, machine, share.value) if "trees" in name else {}


def _arrays(heard: Sequence[Heard]) -> tuple[Floats, Flags]:
    if not heard:
        raise SystemExit("no call has so much speech of people and of machines")
    return np.stack([one.features for one in heard]), np.array([one.machine for one in heard])


def _classifiers() -> dict[str, Any]:
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415
    from sklearn.impute import SimpleImputer  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    def line() -> Any:
        steps = (
            SimpleImputer(keep_empty_features=True),
            StandardScaler(),
            LogisticRegression(C=0.1, max_iter=1000),
        )
        return make_pipeline(*steps)

    def trees() -> Any:
        return HistGradientBoostingClassifier(
            max_iter=150,
            max_depth=4,
            learning_rate=0.06,
            min_samples_leaf=40,
            random_state=SEED,
            early_stopping=False,
        )

    return {"logistic regression": line, "boosted trees": trees}


def _drops(fitted: Sequence[tuple[Any, Any]], rows: Floats, machine: Flags, share: float) -> dict[str, float]:
    """Accuracy that is lost when the features of a family, all together, come from another call."""
    rng = np.random.default_rng(SEED)
    names = {**FAMILIES, **{name: (name,) for name in FEATURES}}
    found = {}
    for family, members in names.items():
        columns = [FEATURES.index(name) for name in members]
        right = total = 0
        for model, score in fitted:
            shuffled = rows[score].copy()
            shuffled[:, columns] = shuffled[rng.permutation(score.size)][:, columns]
            right += int(np.sum(model.predict(shuffled) == machine[score]))
            total += score.size
        found[family] = share - right / total
    return found


def results_table(title: str, rows: Sequence[Sequence[str]]) -> Table:
    """One row a classifier."""
    headers = ("speech", "classifier", "right", f"{100 * OFF_MAX:.0f} points of chance")
    made = Table(*headers, box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")
    for row in rows:
        made.add_row(*row)
    return made


def drops_table(title: str, drops: dict[str, float]) -> Table:
    """Families in order of what they carry, then the five features that carry most alone."""
    made = Table(
        "features", "points", box=None, pad_edge=False, header_style="bold", title=title, title_justify="left"
    )
    families = sorted(FAMILIES, key=lambda name: -drops[name])
    single = sorted((name for name in FEATURES if name not in FAMILIES), key=lambda name: -drops[name])[:5]
    for name in (*families, *single):
        made.add_row(name, f"{100 * drops[name]:+.1f}")
    return made
