"""temporal_knn equals brute force, wherever the points lie."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tsvec
from tests.property.oracle import Oracle, Question
from tests.property.pair import HOT_ONLY, Pair, sealing
from tests.property.scenes import DAY, METRICS, SECOND, batches, questions, vector_pools

SEAL_ROWS = 32
STEADY = settings(settings.get_profile("property"), max_examples=60)
names = (f"c{number}" for number in count())


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    """One that never seals and one that seals all the time."""
    with (
        tsvec.connect(tmp_path_factory.mktemp("hot"), settings=HOT_ONLY) as hot,
        tsvec.connect(tmp_path_factory.mktemp("mixed"), settings=sealing(SEAL_ROWS)) as mixed,
    ):
        yield hot, mixed


def make_pair(database, metric, dim):
    return Pair(database.create_collection(next(names), dim=dim, metric=metric), Oracle(metric))


@STEADY
@given(data=st.data(), metric=st.sampled_from(METRICS), dim=st.integers(1, 33))
def test_equals_brute_force_hot_and_mixed(databases, data, metric, dim):
    pool = data.draw(vector_pools(dim))
    groups = data.draw(st.lists(batches(pool), min_size=1, max_size=3))
    points = [point for group in groups for point in group]
    asked = data.draw(st.lists(questions(pool, points), min_size=4, max_size=8))
    hot, mixed = (make_pair(database, metric, dim) for database in databases)
    for group in groups:
        hot.ingest(group)
        mixed.ingest(group)
        mixed.settle()
    assert hot.collection.get_collection_stats().sealed_points == 0
    for question in asked:
        hot.ask(question)
        mixed.ask(question)
        assert answers(hot, question) == answers(mixed, question)


def answers(pair, question):
    """Everything of an answer that may be compared across databases, distances bit for bit."""
    reply = pair.collection.temporal_knn(**question.arguments())
    return [
        hit.model_dump(exclude={"recorded_at"}) | {"distance": hit.distance.hex()}
        for hit in reply.hits
    ]


@pytest.mark.parametrize("metric", METRICS)
def test_thousands_of_random_windows(databases, metric):
    rng = np.random.default_rng(7)
    rows, dim = 900, 8
    grid = (rng.integers(0, 300, rows) * SECOND).tolist()
    pool = rng.standard_normal((150, dim)).astype(np.float32)
    points = [
        {
            "entity_id": f"e{rng.integers(12):02d}",
            "timestamp": time,
            "vector": pool[rng.integers(len(pool))].tolist(),
        }
        for time in grid
    ]
    pair = make_pair(databases[1], metric, dim)
    for begin in range(0, rows, 90):
        pair.ingest(points[begin : begin + 90])
        pair.settle()
    stats = pair.collection.get_collection_stats()
    assert stats.partitions >= 2
    assert stats.hot_points > 0
    targets = [tuple(vector) for vector in rng.standard_normal((8, dim)).tolist()]
    edges = np.unique(np.concatenate([grid, np.array(grid) + 1, [-DAY, DAY]]))
    for turn in range(700):
        start, end = sorted(rng.choice(edges, 2).tolist())
        pair.ask(
            Question(
                vector=targets[turn % len(targets)],
                start=start if turn % 7 else None,
                end=end if turn % 11 else None,
                k=int(rng.integers(1, 40)),
                distinct=turn % 5 == 0,
            )
        )


@STEADY
@given(data=st.data(), metric=st.sampled_from(METRICS), dim=st.sampled_from((1, 3, 16)))
def test_the_scan_that_widens_equals_brute_force(databases, data, metric, dim):
    """Enough rows in one part for a scan to leave some out, many of them as near as the k-th."""
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    rows = data.draw(st.integers(100, 400))
    scale = data.draw(st.sampled_from((1.0, 1e-3, 1e14, 1e30)))
    base = rng.standard_normal(dim)
    spread = data.draw(st.sampled_from((0.0, 1e-9, 1e-7, 1e-4, 1.0)))
    vectors = (scale * (base + spread * rng.standard_normal((rows, dim)))).astype(np.float32)
    pair = make_pair(databases[0], metric, dim)
    pair.ingest(_crowd(rng, vectors, data.draw(st.sampled_from((1, 20)))))
    for k in (1, 5, 30):
        for distinct in (False, True):
            pair.ask(Question(vector=tuple((scale * base).tolist()), k=k, distinct=distinct))


def _crowd(rng, vectors, entities):
    return [
        {
            "entity_id": f"e{rng.integers(entities):02d}",
            "timestamp": int(rng.integers(0, 50)) * SECOND,
            "vector": vector.tolist(),
            "key": f"{row:03d}",
        }
        for row, vector in enumerate(vectors)
    ]
