"""All within a radius: none too many, none too few, at the very edge too."""

from __future__ import annotations

import numpy as np
import pytest

from tests.contract.parts import Sample
from tsvec.kernels.distance import measure_distances
from tsvec.query.candidates import Search, Source, Target
from tsvec.query.nearest import radius as module
from tsvec.query.nearest.radius import find_within


def ask(windows, vector, radius, limit=1_000, *, every=1):
    sources = []
    for part in windows.parts():
        rows = part.select(-(10**18), 10**18)
        sources.append(Source(part, rows if every == 1 else np.arange(0, part.rows, every)))
    target = Target.of(windows.config.metric, np.asarray(vector, np.float32))
    return find_within(Search(target, sources, limit), radius)


@pytest.fixture
def crowd(shelf, request):
    """Vectors around one, at distances that single precision cannot always tell apart."""
    metric, spread = request.param
    rng = np.random.default_rng(1)
    vectors = (np.array([1.0, 2.0, 3.0, 4.0]) + spread * rng.standard_normal((700, 4))).astype(
        np.float32
    )
    samples = [
        Sample(f"e{row % 7}", row, tuple(vector.tolist())) for row, vector in enumerate(vectors)
    ]
    holding = shelf(metric=metric)
    holding.commit(samples[:400])
    holding.seal_all()
    holding.commit(samples[400:])
    query = np.array([1, 2, 3, 4.5], np.float32)
    return holding.windows, query, measure_distances(metric, query, vectors)


CROWDS = [(metric, spread) for metric in ("cosine", "l2", "dot") for spread in (1.0, 1e-6)]


@pytest.mark.parametrize("crowd", CROWDS, indirect=True)
@pytest.mark.parametrize("chunk", [50, 1 << 16])
def test_the_edge_is_exact(crowd, chunk, monkeypatch):
    monkeypatch.setattr(module, "CHUNK_ROWS_MAX", chunk)
    windows, query, away = crowd
    for place in range(0, 700, 70):
        edge = float(np.sort(away)[place])
        for radius in (edge, float(np.nextafter(edge, -np.inf))):
            inside = int(np.count_nonzero(away <= radius))
            for limit in (1, 20, 1_000):
                found = ask(windows, query, radius, limit)
                assert found.matched == inside
                assert (
                    found.nearest.distance.tolist() == np.sort(away)[: min(limit, inside)].tolist()
                )


@pytest.mark.parametrize("crowd", CROWDS[:1], indirect=True)
def test_only_some_rows_and_few_measured(crowd):
    windows, query, away = crowd
    radius = float(np.median(away))
    some = ask(windows, query, radius, 5, every=3)
    assert some.matched == int(np.count_nonzero(np.r_[away[:400:3], away[400::3]] <= radius))
    assert ask(windows, query, radius, 5).nearest.measured < 20


def test_nothing_is_near(shelf):
    holding = shelf(metric="l2", dim=2)
    assert ask(holding.windows, [0, 0], 5.0).matched == 0
    holding.commit([Sample("a", 1, (3.0, 4.0))])
    assert ask(holding.windows, [0, 0], 4.999).matched == 0
    assert ask(holding.windows, [0, 0], 5.0).matched == 1
    assert ask(holding.windows, [3, 4], 0.0).matched == 1
    assert ask(holding.windows, [3, 4], 1e200).matched == 1
