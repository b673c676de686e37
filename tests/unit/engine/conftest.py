"""Databases that are closed when their test ends."""

from __future__ import annotations

import pytest

from tests.unit.engine.rig import ManualClock, close_in_time, open_database
from tests.unit.engine.workshop import Workshop


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def opened(tmp_path):
    """Opens the database of this test with fail points and settings; all are closed at the end."""
    databases = []

    def open_here(rules="", **options):
        databases.append(open_database(tmp_path / "db", rules, **options))
        return databases[-1]

    yield open_here
    for database in databases:
        close_in_time(database)


@pytest.fixture
def database(opened):
    """A database with an empty collection `c` of two dimensions, compared by l2."""
    made = opened()
    made.create_collection("c", dim=2, metric="l2")
    return made


@pytest.fixture
def workshop(tmp_path):
    """Makes the workshop of this test; it is closed at the end."""
    made = []

    def make(rules="", place="", **options):
        (tmp_path / place).mkdir(exist_ok=True)
        made.append(Workshop(tmp_path / place, rules, **options))
        return made[-1]

    yield make
    for shop in made:
        shop.close()
