"""Window sets made without a database."""

from __future__ import annotations

import numpy as np
import pytest

from tests.contract.parts import Holding, random_samples
from tsvec.model.times import TIME_MIN_US
from tsvec.window.window_set import WindowSet


class Shelf(Holding):
    """A holding that shows its points as a window set."""

    def __init__(self, directory, **options):
        super().__init__(directory, **options)
        self.sealed = []

    def seal_all(self, **options):
        """Make everything hot a partition."""
        self.sealed.append(self.seal(self.hot.slices(), **options))
        self.hot.drop_sealed(self.seq)

    @property
    def stored(self):
        return [*self.sealed, *self.hot.slices()]

    @property
    def windows(self):
        return self.seen()

    def seen(self, seq=None, cutoff=TIME_MIN_US):
        """The window set after a change, by default the last."""
        parts = (tuple(self.sealed), self.hot.slices())
        at = self.seq if seq is None else seq
        return WindowSet(self.config, "h", at, 0, *parts, self.registry, cutoff)

    def live(self, rng, turns=10, rows=15):
        """Points that come, are replaced and deleted, while some are sealed."""
        for turn in range(turns):
            self.commit(random_samples(rows, seed=1_000 * turn, dim=self.config.dim))
            living = rng.permutation(sorted(self.living())).tolist()
            self.replace(self.stored, living[:3])
            self.delete(self.stored, living[3:7])
            if turn % 4 == 2:
                self.seal_all()


@pytest.fixture
def shelf(tmp_path):
    return lambda **options: Shelf(tmp_path, **options)


@pytest.fixture(params=range(3))
def lived(request, tmp_path):
    """A shelf with a past: hot points, deaths in files and deaths since; and a chance."""
    rng = np.random.default_rng(request.param)
    shelf = Shelf(tmp_path, metric="l2", block_rows=60)
    shelf.live(rng)
    return shelf, rng
