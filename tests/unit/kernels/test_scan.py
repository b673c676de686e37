"""The float32 scan: its order, and that its error is never more than `cost_error` says."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from tsvec.kernels.distance import measure_distances
from tsvec.kernels.scan import (
    SAFE_NORM,
    cost_bounds,
    cost_error,
    cost_of,
    scan_all,
    scan_nearest,
)

METRICS = ("cosine", "l2", "dot")
DIMS = (1, 2, 3, 8, 17, 128, 1_000, 4_096)


def unit(vectors):
    wide = vectors.astype(np.float64)
    return (wide / np.linalg.norm(wide, axis=-1, keepdims=True)).astype(np.float32)


def scanned(metric, query, vectors, k):
    """Costs and rows of a scan of vectors as they are stored."""
    if metric == "cosine":
        return scan_nearest(metric, unit(query), unit(vectors), k)
    return scan_nearest(metric, query, vectors, k)


def worst_error(metric, query, vectors):
    """The largest ratio of a scan's error to its bound, over all rows."""
    costs, rows = scanned(metric, query, vectors, len(vectors))
    assert sorted(rows.tolist()) == list(range(len(vectors)))
    assert (np.diff(costs) >= 0).all()
    distances = measure_distances(metric, query, vectors[rows])
    wide = vectors.astype(np.float64)
    norm, norm_max = np.linalg.norm(query.astype(np.float64)), np.linalg.norm(wide, axis=1).max()
    ratios = [
        abs(cost - cost_of(metric, distance))
        / cost_error(metric, cost, len(query), float(norm), float(norm_max))
        for cost, distance in zip(costs.tolist(), distances.tolist(), strict=True)
    ]
    return max(ratios)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e10, 1e-18, 1e-25])
def test_random_vectors_stay_within_the_bound(metric, dim, scale):
    rng = np.random.default_rng(dim)
    for spread in (1.0, 1e-3, 1e-7):
        base = rng.standard_normal(dim)
        rows = (base + spread * rng.standard_normal((120, dim))) * scale
        query = (base + spread * rng.standard_normal(dim)) * scale
        assert worst_error(metric, query.astype(np.float32), rows.astype(np.float32)) <= 1.0


def hostile(kind, dim, rng):
    """Vectors whose products add up badly: alternating, cancelling, of all sizes, of one sign."""
    rows = rng.uniform(0.9, 1.1, (100, dim))
    match kind:
        case "one sign":
            pass
        case "alternating":
            rows[:, ::2] *= -1
        case "cancelling":
            rows[:, : dim // 2] *= 1e6
            rows[:, dim // 2 :] *= -1e6
        case "one large":
            rows[:, 0] = 1e7
        case "all sizes":
            rows *= 10.0 ** rng.uniform(-12, 6, (100, dim))
        case "all sizes in order":
            rows *= np.logspace(-12, 6, dim)
        case _:
            rows = np.ones((100, dim)) + 2.0**-23 * rng.integers(0, 3, (100, dim))
    return rows.astype(np.float32)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dim", [2, 17, 512, 4_096])
@pytest.mark.parametrize(
    "kind",
    [
        "one sign",
        "alternating",
        "cancelling",
        "one large",
        "all sizes",
        "all sizes in order",
        "ulp",
    ],
)
def test_hostile_vectors_stay_within_the_bound(metric, dim, kind):
    rng = np.random.default_rng(7)
    vectors = hostile(kind, dim, rng)
    for query in (vectors[0], hostile("one sign", dim, rng)[0], hostile("all sizes", dim, rng)[0]):
        assert worst_error(metric, query, vectors) <= 1.0


def test_vectors_that_are_almost_of_unit_length_are_scanned_as_they_are():
    """Stored unit vectors may be a millionth off; the bound allows for it."""
    rng = np.random.default_rng(1)
    for dim in (2, 128, 4_096):
        vectors = unit(rng.standard_normal((200, dim))) * np.float32(1 + 0.99e-6)
        query = rng.standard_normal(dim).astype(np.float32)
        costs, rows = scan_nearest("cosine", unit(query), vectors, 200)
        distances = measure_distances("cosine", query, vectors[rows])
        error = np.abs(costs - (distances - 1.0)).max()
        assert error <= cost_error("cosine", -1.0, dim, 1.0, 1.0)


@pytest.mark.parametrize("metric", ["l2", "dot"])
def test_the_longest_vectors_that_are_scanned_do_not_overflow(metric):
    vectors = np.full((300, 4), SAFE_NORM * 0.49, np.float32)
    vectors[::2] *= -1
    costs, rows = scan_nearest(metric, vectors[0], vectors, 300)
    assert np.isfinite(costs).all()
    assert sorted(rows.tolist()) == list(range(300))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 20, 99, 100, 101, 2_000])
def test_the_nearest_come_first(metric, k):
    rng = np.random.default_rng(k)
    vectors = rng.standard_normal((2_000, 6)).astype(np.float32)
    query = rng.standard_normal(6).astype(np.float32)
    costs, rows = scanned(metric, query, vectors, k)
    assert costs.dtype == np.float64
    assert (len(costs), len(rows), len(set(rows.tolist()))) == (k, k, k)
    truth = np.argsort(measure_distances(metric, query, vectors), kind="stable")[:k]
    assert len(set(truth.tolist()) & set(rows.tolist())) >= k - 1


def test_costs_of_distances():
    assert cost_of("cosine", 0.25) == -0.75
    assert cost_of("l2", 3.0) == 9.0
    assert cost_of("dot", -3.0) == -3.0


def test_scans_of_many_threads_do_not_disturb_each_other():
    rng = np.random.default_rng(2)
    vectors = rng.standard_normal((5_000, 16)).astype(np.float32)
    queries = rng.standard_normal((8, 16)).astype(np.float32)
    alone = [scan_nearest("l2", query, vectors, 50) for query in queries]
    problems = []

    def scan(number):
        for _ in range(20):
            costs, rows = scan_nearest("l2", queries[number], vectors, 50)
            if (costs != alone[number][0]).any() or (rows != alone[number][1]).any():
                problems.append(number)

    threads = [threading.Thread(target=scan, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def masks(rows, rng):
    """Which of some rows count: most, few, one at an end, all, runs that cross bytes."""
    for share in (0.9, 0.5, 0.1):
        keep = rng.random(rows) < share
        keep[rng.integers(rows)] = True
        yield keep
    for only in (0, rows // 2, rows - 1):
        yield np.arange(rows) == only
    yield np.ones(rows, np.bool_)
    yield np.arange(rows) % 8 == 7 if rows > 8 else np.arange(rows) == 0
    low = rng.integers(rows)
    yield (np.arange(rows) >= low // 2) & (np.arange(rows) <= low)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("rows", [1, 7, 8, 9, 63, 64, 65, 1_001, 4_100])
@pytest.mark.parametrize("dim", [1, 3, 16, 130])
def test_a_masked_scan_finds_what_a_scan_of_the_kept_rows_finds(metric, rows, dim):
    rng = np.random.default_rng(rows * dim)
    vectors = rng.standard_normal((rows, dim)).astype(np.float32)
    query = rng.standard_normal(dim).astype(np.float32)
    if metric == "cosine":
        vectors, query = unit(vectors), unit(query)
    for array in (vectors, read_only(vectors)):
        for keep in masks(rows, rng):
            kept = np.flatnonzero(keep)
            copied = np.ascontiguousarray(vectors[kept])
            for k in {1, (len(kept) + 1) // 2, len(kept)}:
                costs, found = scan_nearest(metric, query, array, k, keep)
                expected, places = scan_nearest(metric, query, copied, k)
                assert (len(costs), len(set(found.tolist()))) == (k, k)
                assert keep[found].all()
                assert np.allclose(costs, expected, rtol=1e-5, atol=1e-5 * dim)
                assert (np.diff(costs) >= 0).all()
                if dim > 1:
                    assert found.tolist() == kept[places].tolist()


def read_only(vectors):
    """The same numbers as a view of memory that cannot be written, as of a mapped file."""
    return np.frombuffer(vectors.tobytes(), np.float32).reshape(vectors.shape)


def test_masked_scans_stay_within_the_bound_of_error():
    rng = np.random.default_rng(3)
    for metric in METRICS:
        for dim in (2, 17, 512):
            vectors = hostile("all sizes", dim, rng)
            query = hostile("one sign", dim, rng)[0]
            stored, sought = (
                (vectors, query) if metric != "cosine" else (unit(vectors), unit(query))
            )
            keep = rng.random(len(vectors)) < 0.7
            costs, rows = scan_nearest(metric, sought, stored, int(keep.sum()), keep)
            norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
            norm = float(np.linalg.norm(query.astype(np.float64)))
            distances = measure_distances(metric, query, vectors[rows])
            for cost, distance in zip(costs.tolist(), distances.tolist(), strict=True):
                error = cost_error(metric, cost, dim, norm, float(norms.max()))
                assert abs(cost - cost_of(metric, distance)) <= error


def test_a_masked_scan_changes_nothing_and_may_be_masked_by_a_view():
    rng = np.random.default_rng(5)
    vectors = rng.standard_normal((300, 4)).astype(np.float32)
    keep = np.repeat(rng.random(300) < 0.5, 2)[::2]
    before = vectors.copy(), keep.copy()
    _, found = scan_nearest("l2", vectors[7], vectors, int(keep.sum()), keep)
    assert sorted(found.tolist()) == np.flatnonzero(keep).tolist()
    assert (vectors == before[0]).all()
    assert (keep == before[1]).all()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e10, 1e-18, 1e-25])
def test_the_true_cost_of_every_row_lies_between_its_bounds(metric, dim, scale):
    rng = np.random.default_rng(dim)
    for spread in (1.0, 1e-3, 1e-7):
        base = rng.standard_normal(dim)
        vectors = (base + spread * rng.standard_normal((120, dim))) * scale
        query = ((base + spread * rng.standard_normal(dim)) * scale).astype(np.float32)
        vectors = vectors.astype(np.float32)
        shown = (unit(query), unit(vectors)) if metric == "cosine" else (query, vectors)
        costs = scan_all(metric, *shown)
        wide = vectors.astype(np.float64)
        norm = float(np.linalg.norm(query.astype(np.float64)))
        norm_max = float(np.linalg.norm(wide, axis=1).max())
        low, high = cost_bounds(metric, costs, dim, norm, norm_max)
        truth = [cost_of(metric, each) for each in measure_distances(metric, query, vectors)]
        assert (low <= truth).all()
        assert (truth <= high).all()
        best, rows = scan_nearest(metric, *shown, 7)
        assert np.allclose(np.sort(costs)[:7], best, rtol=1e-4, atol=1e-5 * scale**2)
        assert len(set(rows.tolist())) == 7
