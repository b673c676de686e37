"""Window sets made without a database."""

from __future__ import annotations

import pytest

from tests.contract.parts import Holding
from tsvec.window.window_set import WindowSet


class Shelf(Holding):
    """A holding that shows its points as a window set."""

    def __init__(self, directory, **options):
        super().__init__(directory, **options)
        self.sealed = []

    def seal_all(self):
        """Make everything hot a partition."""
        self.sealed.append(self.seal(self.hot.slices()))
        self.hot.drop_sealed(self.seq)

    @property
    def windows(self):
        hot, sealed = self.hot.slices(), tuple(self.sealed)
        return WindowSet(self.config, "h", self.seq, 0, sealed, hot, self.registry)


@pytest.fixture
def shelf(tmp_path):
    return lambda **options: Shelf(tmp_path, **options)
