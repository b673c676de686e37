"""Thousands of lives of a collection; the suite tries a hundred in tests/property."""

from __future__ import annotations

import pytest

from tests.crash.processes import IS_LONG
from tests.property.time_machine import TimeMachine, TimeMachineOnDuckDB, live

SEQUENCES = 5_000


@pytest.mark.skipif(not IS_LONG, reason="the long form runs with TSVEC_CRASH=long")
def test_thousands_of_lives():
    live(TimeMachine, SEQUENCES, anew=True)


@pytest.mark.skipif(not IS_LONG, reason="the long form runs with TSVEC_CRASH=long")
def test_hundreds_of_lives_on_duckdb():
    live(TimeMachineOnDuckDB, SEQUENCES // 20, anew=True)
