"""Two hundred lives of a collection in every run of the suite; thousands in `make crash`."""

from __future__ import annotations

from tests.property.time_machine import TimeMachine, TimeMachineOnDuckDB, live

SEQUENCES = 200


def test_any_life_of_a_collection():
    live(TimeMachine, SEQUENCES)


def test_some_lives_on_duckdb():
    live(TimeMachineOnDuckDB, SEQUENCES // 20)
