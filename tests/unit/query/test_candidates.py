"""Exact nearest rows: the scan is widened until nothing it left out can matter."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from tests.contract.parts import Sample, random_samples
from tsvec.kernels.distance import measure_distances
from tsvec.kernels.scan import scan_nearest
from tsvec.model.times import TIME_MIN_US
from tsvec.query import candidates
from tsvec.query.candidates import Search, Source, Target, find_nearest

METRICS = ("cosine", "l2", "dot")


def target_of(metric, vector):
    return Target.of(metric, np.asarray(vector, np.float32))


def search(windows, vector, k, *, one_per_entity=False, rows=None):
    sources = [
        Source(part, slice(0, part.rows) if rows is None else rows) for part in windows.parts()
    ]
    target = target_of(windows.config.metric, vector)
    return Search(target, sources, k, one_per_entity)


def seqs_of(found):
    return [
        int(found.parts[source].seqs(slice(row, row + 1))[0])
        for source, row in zip(found.source.tolist(), found.row.tolist(), strict=True)
    ]


@pytest.fixture
def scans(monkeypatch):
    """The widths of the scans made."""
    widths = []
    scan = candidates.scan_nearest
    monkeypatch.setattr(candidates, "_FEW_ROWS", 0)

    def counted(metric, query, vectors, k, keep=None):
        widths.append(k)
        return scan(metric, query, vectors, k, keep)

    monkeypatch.setattr(candidates, "scan_nearest", counted)
    return widths


def crowd(rows, metric="cosine", seed=0):
    """Points nearer to each other than float32 can tell, the nearest not first, times all new."""
    rng = np.random.default_rng(seed)
    base = np.array([1.0, 2.0, 3.0, 4.0])
    vectors = (base * (1 + 3e-7 * rng.standard_normal((rows, 4)))).astype(np.float32)
    if metric == "dot":
        vectors = (base * (1 + 1e-8 * rng.standard_normal((rows, 4)))).astype(np.float32)
    names = [f"e{number % 9}" for number in range(rows)]
    return [
        Sample(name, row * 1_000_000, tuple(vector.tolist()))
        for row, (name, vector) in enumerate(zip(names, vectors, strict=True))
    ]


def brute(samples, metric, vector, k):
    vectors = np.array([sample.vector for sample in samples], np.float32)
    distances = measure_distances(metric, np.asarray(vector, np.float32), vectors)
    times = np.array([sample.timestamp for sample in samples])
    return (np.lexsort((-times, distances))[:k] + 1).tolist()


@pytest.mark.parametrize("metric", METRICS)
def test_a_crowd_within_the_error_of_the_scan_is_measured_whole(shelf, scans, metric):
    """The first width is not enough: every row is within the bound of the k-th."""
    holding = shelf(metric=metric)
    samples = crowd(900, metric)
    holding.commit(samples)
    query = [-900, 0, 0, 0] if metric == "l2" else [1, 2, 3, 4]
    found = find_nearest(search(holding.windows, query, 5))
    assert seqs_of(found) == brute(samples, metric, query, 5)
    assert len(scans) >= 2
    assert scans == [scans[0] * 4**turn for turn in range(len(scans))]
    assert found.measured >= 900


@pytest.mark.parametrize("metric", METRICS)
def test_an_order_that_float32_gets_wrong_is_put_right(shelf, scans, metric):
    """In many dimensions a float32 sum is off by more than these rows differ.

    The short vectors of another part must not make the scan of the long ones look exact.
    """
    dim = 256
    holding = shelf(metric=metric, dim=dim, block_rows=500)
    rng = np.random.default_rng(8)
    base = rng.uniform(0.5, 1.5, dim)
    vectors = (base * (1 + 2e-7 * rng.standard_normal((500, dim)))).astype(np.float32)
    samples = [Sample("a", row, tuple(vector.tolist())) for row, vector in enumerate(vectors)]
    opposite = [Sample("b", row, tuple((-1e-6 * base).tolist())) for row in range(500)]
    holding.commit(samples + opposite)
    query = 40 * base if metric == "l2" else base
    found = find_nearest(search(holding.windows, query, 5))
    assert seqs_of(found) == brute(samples, metric, query, 5)
    assert len(scans) > 2


def test_far_apart_rows_need_one_narrow_scan(shelf, scans):
    holding = shelf(metric="l2")
    samples = [Sample("a", row, (float(row), 0.0, 0.0, 0.0)) for row in range(900)]
    holding.commit(samples)
    found = find_nearest(search(holding.windows, [400.2, 0, 0, 0], 5))
    assert seqs_of(found) == [401, 402, 400, 403, 399]
    assert len(scans) == 1
    assert found.measured == scans[0] < 30
    assert not found.complete


def test_widening_stops_as_soon_as_it_may(shelf, scans):
    """Forty rows too close to tell, the rest far: one more round, not all rows."""
    holding = shelf(metric="l2", block_rows=10_000)
    near = crowd(40)
    far = [Sample("f", row, (1e3 + row, 0.0, 0.0, 0.0)) for row in range(5_000)]
    holding.commit(far[:2_500] + near + far[2_500:])
    query = [-100, 0, 0, 0]
    found = find_nearest(search(holding.windows, query, 3))
    assert seqs_of(found) == [seq + 2_500 for seq in brute(near, "l2", query, 3)]
    assert 1 < len(scans) < 5
    assert found.measured < 1_000


@pytest.mark.parametrize("metric", METRICS)
def test_one_entity_in_front_does_not_hide_the_others(shelf, scans, metric):
    """The nearest 1,500 rows are one entity's; the third entity is found all the same."""
    holding = shelf(metric=metric, dim=2)
    angles = np.linspace(0.001, 1.0, 1_500)
    rows = [Sample("mass", n, (float(np.cos(a)), float(np.sin(a)))) for n, a in enumerate(angles)]
    rows.insert(700, Sample("second", 1, (0.2, 0.9)))
    rows.insert(100, Sample("third", 2, (-0.2, 0.9)))
    holding.commit(rows)
    found = find_nearest(search(holding.windows, [1, 0], 3, one_per_entity=True))
    assert [found.parts[0].entity_id(row) for row in found.row.tolist()] == [
        "mass",
        "second",
        "third",
    ]
    assert seqs_of(found)[1:] == [702, 101]
    assert found.complete
    assert len(scans) >= 2


def test_fewer_entities_than_asked_are_all_there_are(shelf):
    holding = shelf(metric="l2")
    holding.commit(crowd(500))
    found = find_nearest(search(holding.windows, [0, 0, 0, 1], 50, one_per_entity=True))
    assert len(found.row) == 9
    assert found.complete
    some = find_nearest(search(holding.windows, [0, 0, 0, 1], 3, one_per_entity=True))
    assert not some.complete


@pytest.mark.parametrize("sealed", [False, True])
def test_ties_are_ordered_newer_first_then_entity_then_key_then_newer_commit(shelf, sealed):
    holding = shelf(metric="l2")
    vector = (1.0, 0.0, 0.0, 0.0)
    samples = [
        Sample("b", 5, vector),
        Sample("a", 5, vector, key="k2"),
        Sample("a", 5, vector, key="k1"),
        Sample("a", 5, vector),
        Sample("z", 9, vector),
        Sample("a", 5, vector, key="k1"),
        Sample("a", 1, vector),
        Sample("a", 5, (1.0, 0.0, 0.0, 0.5)),
    ]
    order = [5, 4, 6, 3, 2, 1, 7, 8]
    for sample in samples:
        holding.commit([sample])
        if sealed and holding.seq in (2, 5):
            holding.seal_all()
    for k in range(1, 9):
        found = find_nearest(search(holding.windows, [0, 0, 0, 0], k))
        assert seqs_of(found) == order[:k]
    each = find_nearest(search(holding.windows, [0, 0, 0, 0], 9, one_per_entity=True))
    assert seqs_of(each) == [5, 4, 1]


@pytest.mark.parametrize("metric", METRICS)
def test_ties_at_the_end_of_the_answer_are_found_behind_the_scan(shelf, scans, metric):
    """All vectors equal: the newest win, although a scan would propose the first it meets."""
    holding = shelf(metric=metric)
    holding.commit([Sample(f"e{n % 7}", n, (1.0, 2.0, 3.0, 4.0)) for n in range(700)])
    found = find_nearest(search(holding.windows, [4, 3, 2, 1], 6))
    assert seqs_of(found) == [700, 699, 698, 697, 696, 695]
    assert len(scans) > 1


@pytest.mark.parametrize("metric", METRICS)
def test_vectors_too_long_for_float32_are_measured_without_a_scan(shelf, scans, metric):
    holding = shelf(metric=metric)
    rng = np.random.default_rng(4)
    vectors = (rng.standard_normal((300, 4)) * 1e30).astype(np.float32)
    samples = [Sample("a", row, tuple(vector.tolist())) for row, vector in enumerate(vectors)]
    holding.commit(samples)
    for query in ([1e30, 0, 0, 1e30], [1e-30, 0, 0, 1]):
        found = find_nearest(search(holding.windows, query, 7))
        assert seqs_of(found) == brute(samples, metric, query, 7)
    assert scans == []


def test_a_long_query_is_measured_without_a_scan(shelf, scans):
    holding = shelf(metric="dot")
    samples = crowd(300)
    holding.commit(samples)
    found = find_nearest(search(holding.windows, [1e20, 0, 0, 0], 4))
    assert seqs_of(found) == brute(samples, "dot", [1e20, 0, 0, 0], 4)
    assert scans == []


def test_one_long_vector_does_not_slow_the_other_parts(shelf, scans):
    holding = shelf(metric="l2", block_rows=300)
    holding.commit([Sample("a", row, (float(row), 0.0, 0.0, 0.0)) for row in range(300)])
    holding.commit([Sample("b", row, (1e20, 0.0, 0.0, 0.0)) for row in range(300)])
    found = find_nearest(search(holding.windows, [7, 0, 0, 0], 1))
    assert seqs_of(found) == [8]
    assert len(scans) == 1


@pytest.mark.parametrize("metric", METRICS)
def test_rows_by_number_are_searched_like_a_run(shelf, metric):
    holding = shelf(metric=metric)
    samples = crowd(400, metric)
    holding.commit(samples)
    odd = np.arange(1, 400, 2)
    found = find_nearest(search(holding.windows, [1, 2, 3, 4], 9, rows=odd))
    assert seqs_of(found) == [2 * place for place in brute(samples[1::2], metric, [1, 2, 3, 4], 9)]


@pytest.mark.parametrize("metric", METRICS)
def test_a_scan_finds_what_measuring_every_row_finds(shelf, monkeypatch, metric):
    """Over hot and sealed parts, some searches certain at once and some after widening."""
    holding = shelf(metric=metric, block_rows=250)
    rng = np.random.default_rng(9)
    spread = [
        Sample(f"e{n % 13}", n, tuple(v.tolist()))
        for n, v in enumerate(rng.standard_normal((600, 4)).astype(np.float32))
    ]
    holding.commit(crowd(500, metric))
    holding.seal_all()
    holding.commit(spread)
    windows = holding.windows
    searches = [search(windows, [1, 2, 3, 4], k) for k in (5, 20, 64, 65, 400)]
    for turn in range(8):
        vector = rng.standard_normal(4)
        searches.append(search(windows, vector, 1 + 7 * turn, one_per_entity=turn % 2 == 0))
    monkeypatch.setattr(candidates, "_FEW_ROWS", 10_000)
    measured = [find_nearest(one) for one in searches]
    monkeypatch.setattr(candidates, "_FEW_ROWS", 0)
    for one, every in zip(map(find_nearest, searches), measured, strict=True):
        assert seqs_of(one) == seqs_of(every)
        assert one.distance.tobytes() == every.distance.tobytes()


def test_no_sources_find_nothing():
    found = find_nearest(Search(target_of("l2", [1.0]), [], 3))
    assert (len(found.row), found.complete, found.measured) == (0, True, 0)


def gathered(metric, source, target, width):
    """What a scan of copies of the chosen rows finds."""
    rows = source.all_rows()
    vectors = np.ascontiguousarray(source.part.scan_vectors(rows))
    costs, places = scan_nearest(metric, target.scan_vector, vectors, width)
    return costs, rows[places]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("sealed", [False, True])
def test_chosen_rows_are_scanned_alike_however_many_are_skipped(shelf, metric, sealed):
    """A run, rows masked where they lie, and few rows copied together."""
    holding = shelf(metric=metric, dim=8, block_rows=3_000)
    holding.commit(random_samples(2_003, dim=8))
    if sealed:
        holding.seal_all()
    [part] = holding.windows.parts()
    rng = np.random.default_rng(1)
    dense = np.flatnonzero(rng.random(2_003) < 0.5)
    choices = [dense, dense[dense > 700], np.arange(0, 2_003, 2), np.arange(5, 2_003, 15)]
    choices += [np.arange(0, 2_003, 17), np.arange(3, 2_003, 40), np.arange(100, 400)]
    choices += [slice(0, 2_003), slice(1_000, 1_313), np.append(np.arange(30), 2_002)]
    for rows in choices:
        source = Source(part, rows)
        for width in (1, 7, source.count):
            target = target_of(metric, rng.standard_normal(8))
            costs, found = source.scan(target, width)
            expected = gathered(metric, source, target, width)
            assert found.tolist() == expected[1].tolist()
            assert np.allclose(costs, expected[0], rtol=1e-5, atol=1e-5)
            assert (np.diff(costs) >= 0).all()


def test_a_masked_scan_copies_no_vectors(shelf):
    holding = shelf(metric="l2", dim=256, block_rows=5_000)
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((4_000, 256)).astype(np.float32)
    holding.commit([Sample("a", n, tuple(one.tolist())) for n, one in enumerate(vectors)])
    rows = np.flatnonzero(rng.random(4_000) < 0.9)
    for _ in range(2):
        [part] = holding.windows.parts()
        source, target = Source(part, rows), target_of("l2", vectors[0])
        source.scan(target, 10)
        tracemalloc.start()
        try:
            source.scan(target, 10)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < vectors.nbytes / 20
        if part.is_hot:
            holding.seal_all()


@pytest.mark.parametrize("metric", METRICS)
def test_the_nearest_of_what_is_seen(shelf, metric, monkeypatch):
    """As of random changes, after random cutoffs; rows masked, copied and in runs."""
    rng = np.random.default_rng(5)
    holding = shelf(metric=metric, block_rows=300)
    holding.live(rng, turns=12, rows=60)
    for turn in range(60):
        monkeypatch.setattr(candidates, "_SPARSE", (0, 2, 16)[turn % 3])
        seq = int(rng.choice([holding.seq, rng.integers(0, holding.seq)]))
        cutoff = int(rng.choice([TIME_MIN_US, rng.integers(-40, 40) * 1_000_000]))
        start, end = sorted((rng.integers(-60, 60, 2) * 1_000_000).tolist())
        living = holding.living(seq, cutoff)
        inside = [n for n, one in living.items() if start <= one.timestamp < end]
        sources = [
            Source(part, part.select(start, end))
            for part in holding.seen(seq, cutoff).overlapping(start, end)
        ]
        vector, k = rng.standard_normal(4), int(rng.choice([1, 3, 20]))
        target = target_of(metric, vector)
        found = find_nearest(Search(target, [one for one in sources if one.count], k))
        vectors = np.array([living[n].vector for n in inside], np.float32).reshape(-1, 4)
        distances = measure_distances(metric, target.vector, vectors)
        order = np.argsort(distances, kind="stable")[:k]
        assert found.distance.tolist() == distances[order].tolist()
        assert set(seqs_of(found)) <= set(inside)
        assert len(set(seqs_of(found))) == len(order)
