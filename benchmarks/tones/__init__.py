"""``python -m benchmarks tones``: generated tones with truth by construction, and hours without any."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.tones import judge, report, suite

T = TypeVar("T")
R = TypeVar("R")

CLIPS = Path(__file__).parents[2].parent / "shared" / "data"
FULL = {"n_beep": 14, "n_signal": 4, "every": 1}
QUICK = {"n_beep": 2, "n_signal": 1, "every": 40}


def run(*, seed: int, out: Path | None, quick: bool, clips: Path | None) -> None:
    """Run the suite, print its tables, write its figures."""
    size = QUICK if quick else FULL
    folder = CLIPS if clips is None else clips
    if clips is not None and not (folder / "clips.csv").is_file():
        raise FileNotFoundError(f"{folder}: need a folder with clips.csv")
    tasks, n_left_out = suite.tasks(seed, n_beep=size["n_beep"], n_signal=size["n_signal"])
    free = judge.tone_free(folder, every=size["every"]) if (folder / "clips.csv").is_file() else []
    batches = [free[at : at + judge.CLIPS_A_TASK] for at in range(0, len(free), judge.CLIPS_A_TASK)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool:
        outcomes = _gather(pool, judge.judge_task, tasks)
        quiet = _gather(pool, judge.judge_clips, batches)
    figures = report.figures(outcomes, quiet)
    figures = {"title": report.TITLE, "seed": seed, "quick": quick, "tasks_left_out": n_left_out} | figures
    ratios = judge.cpu_ratios(seed)
    report.show(figures, ratios)
    if out is not None:
        write(out, figures | {"cpu_over_rfft": {name: round(ratio, 1) for name, ratio in ratios.items()}})


def write(path: Path, figures: dict[str, Any]) -> None:
    """Write figures as JSON, always in the same order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _gather(pool: ProcessPoolExecutor, work: Callable[[T], list[R]], tasks: Sequence[T]) -> list[R]:
    """Results in the order of the tasks, however they were shared out."""
    return [result for results in pool.map(work, tasks) for result in results]
