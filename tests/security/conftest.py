"""What the tests of security share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.api.conftest import refused
from tests.e2e.conftest import environment, started, tsvec
from tests.security.world import OWNER, STORMS, World
from tsvec.storage.manifest import Manifest

__all__ = ["environment", "refused", "started", "tsvec"]


@pytest.fixture
def damaged() -> Callable[[Path], AbstractContextManager[World]]:
    """Gives a world whose owner's `storms` cannot be opened."""

    @contextmanager
    def make(directory: Path) -> Iterator[World]:
        with World(directory / "data") as world:
            keys = (world.owner, world.rival, world.confined)
        tenant = directory / "data" / "tenants" / OWNER
        [log] = [
            path.parent / "log"
            for path in tenant.glob("*/manifest.json")
            if Manifest.read(path).config.name == STORMS
        ]
        for segment in log.iterdir():
            segment.write_bytes(b"")
        with World.again(directory / "data") as world:
            world.owner, world.rival, world.confined = keys
            yield world

    return make
