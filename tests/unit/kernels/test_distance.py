"""Distances: the formulas, and that a row's distance depends on nothing but the row."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tsvec.kernels.distance import choose_nearest, measure_distances, similarity_of

METRICS = ("cosine", "l2", "dot")
DIMS = (1, 2, 3, 7, 8, 9, 15, 16, 17, 127, 128, 129, 384, 1_000, 4_096)


def exact(metric, query, vector):
    """The distance with sums that are not rounded."""
    pairs = list(zip(query.tolist(), vector.tolist(), strict=True))
    product = math.fsum(a * b for a, b in pairs)
    if metric == "l2":
        return math.sqrt(math.fsum((a - b) ** 2 for a, b in pairs))
    if metric == "dot":
        return -product
    lengths = [math.sqrt(math.fsum(x * x for x in side)) for side in zip(*pairs, strict=True)]
    return min(max(1 - product / (lengths[0] * lengths[1]), 0.0), 2.0)


def sample(rows, dim, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((rows, dim)) * scale).astype(np.float32)


def bits(distances):
    return [value.hex() for value in distances.tolist()]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dim", DIMS)
def test_the_formula(metric, dim):
    query, *vectors = sample(6, dim, seed=dim)
    found = measure_distances(metric, query, np.array(vectors))
    assert found.dtype == np.float64
    scale = float(np.linalg.norm(query) * max(np.linalg.norm(vector) for vector in vectors))
    for value, vector in zip(found.tolist(), vectors, strict=True):
        assert value == pytest.approx(exact(metric, query, vector), rel=1e-13, abs=1e-14 * scale)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("scale", [3e38, 1e30, 1e-30, 1e-38, 1e-44])
def test_neither_huge_nor_tiny_numbers_overflow_or_vanish(metric, scale):
    rng = np.random.default_rng(1)
    vectors = (rng.uniform(0.3, 1.0, (5, 9)) * scale).astype(np.float32)
    with np.errstate(all="raise"):
        found = measure_distances(metric, vectors[0], vectors)
    assert np.isfinite(found).all()
    for value, vector in zip(found.tolist(), vectors, strict=True):
        assert value == pytest.approx(exact(metric, vectors[0], vector), rel=1e-12, abs=1e-15)
    if metric != "dot":
        assert abs(found[0]) <= 4e-16


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dim", DIMS)
def test_a_row_alone_has_the_distance_it_has_in_company(metric, dim):
    vectors = sample(60, dim, seed=dim)
    query = sample(1, dim, seed=99)[0]
    together = bits(measure_distances(metric, query, vectors))
    one_by_one = [measure_distances(metric, query, vectors[i : i + 1]) for i in range(60)]
    assert bits(np.concatenate(one_by_one)) == together
    shuffled = np.random.default_rng(3).permutation(60)
    assert bits(measure_distances(metric, query, vectors[shuffled])) == [
        together[place] for place in shuffled
    ]
    unaligned = np.frombuffer(b"\0" * 4 + vectors.tobytes(), np.float32)[1:].reshape(60, dim)
    assert bits(measure_distances(metric, query, unaligned)) == together


def test_measuring_changes_neither_query_nor_vectors():
    vectors, query = sample(5, 4), sample(1, 4)[0]
    before = vectors.copy(), query.copy()
    for metric in METRICS:
        measure_distances(metric, query, vectors)
    assert (vectors == before[0]).all()
    assert (query == before[1]).all()


def test_cosine_stays_between_nought_and_two():
    vectors = sample(2_000, 3, seed=5)
    for sign in (1, -1):
        found = [measure_distances("cosine", row, sign * row[None, :])[0] for row in vectors]
        assert min(found) >= 0.0
        assert max(found) <= 2.0


def test_no_rows_have_no_distances():
    assert measure_distances("l2", sample(1, 3)[0], np.empty((0, 3), np.float32)).shape == (0,)


def test_what_is_measured_may_be_read_only():
    vectors, query = sample(5, 4), sample(1, 4)[0]
    found = measure_distances("l2", query, vectors)
    vectors.flags.writeable = query.flags.writeable = False
    assert bits(measure_distances("l2", query, vectors)) == bits(found)


@pytest.mark.parametrize("k", [1, 2, 7, 64, 200])
@pytest.mark.parametrize("values", [3, 1_000_000])
def test_the_nearest_are_those_that_sorting_puts_first(k, values):
    for seed in range(40):
        rng = np.random.default_rng(seed)
        distances = rng.integers(0, values, 100).astype(np.float64)
        times = rng.integers(0, values, 100)
        order = np.lexsort((-times, distances))
        places, tied = choose_nearest(distances, times, k)
        pairs = list(zip(distances[order].tolist(), times[order].tolist(), strict=True))
        assert [(distances[p], times[p]) for p in places] == pairs[:k]
        if not tied:
            assert places.tolist() == order[:k].tolist()
            assert len(set(pairs[: k + 1])) == min(k + 1, 100)


def test_equals_that_do_not_fit_are_told():
    distances, times = np.array([1.0, 0.5, 1.0]), np.array([7, 7, 7])
    assert choose_nearest(distances, times, 2)[1]
    assert not choose_nearest(distances, np.array([7, 7, 8]), 2)[1]
    assert choose_nearest(distances, np.array([7, 7, 8]), 2)[0].tolist() == [1, 2]


def test_similarities():
    assert similarity_of("cosine", 0.25) == 0.75
    assert similarity_of("l2", 3.0) == 0.25
    assert similarity_of("dot", -7.0) == 7.0
