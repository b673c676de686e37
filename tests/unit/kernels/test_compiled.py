"""Compiled loops, with and without a place to keep them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

from tsvec.kernels.compiled import compiled

ROOT = Path(__file__).parents[3]
_ASK = "import numpy as np; from tsvec.kernels.distance import measure_distances as m; "
_ASK += "a = np.ones((2, 3), np.float32); print(m('l2', a[0], a).tolist())"


def double(value):
    return 2 * value


def test_without_a_directory_for_the_cache_it_is_compiled_all_the_same(monkeypatch):
    calls = []
    njit = numba.njit

    def nowhere(signatures, **options):
        calls.append(options.get("cache", False))
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return njit(signatures, **options)

    monkeypatch.setattr(numba, "njit", nowhere)
    assert compiled("f8(f8)")(double)(21.0) == 42.0
    assert calls == [True, False]


def test_only_the_types_it_was_compiled_for_are_taken():
    with pytest.raises(TypeError, match="No matching definition"):
        compiled("f8(f8)")(double)("text")


def test_the_code_is_kept_where_the_environment_says(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", _ASK], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "[0.0, 0.0]\n", done.stderr
    assert list(tmp_path.rglob("loops.measure_l2-*.nbi"))


def test_sums_may_be_reordered_but_nan_and_infinity_are_kept():
    @compiled("f8(f8[::1])")
    def total(values):
        found = 0.0
        for value in values:
            found += value
        return found

    assert np.isnan(total(np.array([1.0, np.nan])))
    assert total(np.array([1.0, np.inf])) == np.inf
    assert total(np.arange(1_000.0)) == 499_500.0
