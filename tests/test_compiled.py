"""What is compiled rounds as it is meant to, is kept for its own sources, and works where none can be kept."""

import subprocess
import sys

import numpy as np

from amd import compiled as module
from amd.compiled import compiled, exact, sources
from amd.measuring import measure


@exact
def sum_of_squares(one, other):
    return one * one + other * other


@compiled
def fill(ones, others, found):
    for at in range(ones.size):
        found[at] = sum_of_squares(ones[at], others[at])


def test_an_exact_function_rounds_every_operation_whoever_calls_it():
    ones, others = np.random.default_rng(4).standard_normal((2, 1000)).astype(np.float32)
    found = np.empty_like(ones)
    fill(ones, others, found)  # compiles the other for the first time, with its own way with sums
    np.testing.assert_array_equal(found, ones * ones + others * others)


def test_what_is_kept_on_disk_is_of_these_sources(tmp_path, monkeypatch):
    assert measure._cache._cache_file._source_stamp[1] == sources()
    (tmp_path / "one.py").write_text("from amd.compiled import exact")
    (tmp_path / "other.py").write_text("import math")
    monkeypatch.setattr(module, "__file__", str(tmp_path / "compiled.py"))
    before = sources.__wrapped__()
    (tmp_path / "other.py").write_text("import cmath")
    assert sources.__wrapped__() == before
    (tmp_path / "one.py").write_text("from amd.compiled import compiled")
    assert sources.__wrapped__() != before != sources()


def test_where_nothing_can_be_written_it_is_compiled_all_the_same():
    code = (
        "import numba.core.caching as caching; caching.CacheImpl._locator_classes = [];"
        "import numpy as np; from amd.framing import Framer, cut;"
        "print(Framer().feed(np.zeros(300, np.float32)).shape, type(cut._cache).__name__)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stdout.split() == ["(1,", "256)", "NullCache"], run.stderr
