"""Every test here is marked `crash`; the long forms run with TSVEC_CRASH=long."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.processes import Ledger, get_ready


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.crash)


@pytest.fixture(scope="session", autouse=True)
def children() -> None:
    get_ready()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "data")
