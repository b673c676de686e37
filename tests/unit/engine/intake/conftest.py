"""What the threads of a database with default settings do, done here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tsvec.model.limits import LIMITS, in_force


@pytest.fixture(autouse=True)
def _default_limits() -> Iterator[None]:
    with in_force(LIMITS):
        yield
