"""The best scores, and how little is looked at to find them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.contract.parts import Sample, random_samples
from tsvec.kernels.decay import Decay, closeness_of
from tsvec.kernels.distance import measure_distances
from tsvec.query.candidates import Search, Source, Target
from tsvec.query.nearest import decay as module
from tsvec.query.nearest.decay import find_decayed

SECOND = 1_000_000


def search(windows, vector, k, *, one_per_entity=False):
    sources = [Source(part, part.select(-(10**18), 10**18)) for part in windows.parts()]
    target = Target.of(windows.config.metric, np.asarray(vector, np.float32))
    return Search(target, sources, k, one_per_entity)


def seqs_of(found):
    return [
        int(found.parts[source].seqs(slice(row, row + 1))[0])
        for source, row in zip(found.source.tolist(), found.row.tolist(), strict=True)
    ]


def brute(given, metric, vector, decay, k, *, one_per_entity=False):
    """The seqs of the best of {seq: sample}, by scoring each."""
    vectors = np.array([sample.vector for sample in given.values()], np.float32)
    away = measure_distances(metric, np.asarray(vector, np.float32), vectors)
    times = np.array([sample.timestamp for sample in given.values()])
    scores = decay.weights(times) * closeness_of(metric, away)
    ranked = sorted(
        zip(scores.tolist(), given.items(), strict=True),
        key=lambda one: (
            -one[0],
            -one[1][1].timestamp,
            one[1][1].entity_id,
            one[1][1].key or "",
            -one[1][0],
        ),
    )
    found, seen = [], set()
    for _, (seq, sample) in ranked:
        if not (one_per_entity and sample.entity_id in seen):
            found.append(seq)
            seen.add(sample.entity_id)
    return found[:k]


@pytest.mark.parametrize("metric", ["cosine", "l2"])
@pytest.mark.parametrize("one_per_entity", [False, True])
def test_every_row_might_have_been_scored(shelf, metric, one_per_entity, monkeypatch):
    monkeypatch.setattr(module, "_FIRST_ROWS", 8)
    holding = shelf(metric=metric)
    for seed, seals in ((1, True), (2, True), (3, False)):
        holding.commit(random_samples(150, seed=seed))
        if seals:
            holding.seal_all()
    for half_life in (1, 100_000, SECOND, 30 * SECOND, 10**15):
        for at in (-100 * SECOND, 0, 40 * SECOND, 10**12):
            decay = Decay(at, half_life)
            for k in (1, 4, 1_000):
                question = search(holding.windows, [1, 2, 3, 4], k, one_per_entity=one_per_entity)
                found = find_decayed(question, decay)
                expected = brute(
                    holding.given, metric, [1, 2, 3, 4], decay, k, one_per_entity=one_per_entity
                )
                assert seqs_of(found) == expected
                assert (np.diff(found.score) <= 0).all()


def test_the_dead_are_not_scored(lived):
    shelf, rng = lived
    decay = Decay(30 * SECOND, 10 * SECOND)
    for _ in range(10):
        seq = int(rng.integers(1, shelf.seq + 1))
        living = {n: shelf.given[n] for n in sorted(shelf.living(seq))}
        found = find_decayed(search(shelf.seen(seq), [1, 0, 0, 0], 7), decay)
        assert seqs_of(found) == brute(living, "l2", [1, 0, 0, 0], decay, 7)


def line(rows, *, name="a"):
    """Points a second apart, all at the same place."""
    return [Sample(name, row * SECOND, (1.0, 0.0)) for row in range(rows)]


def test_what_is_too_old_is_not_looked_at(shelf, monkeypatch):
    monkeypatch.setattr(module, "_FIRST_ROWS", 16)
    holding = shelf(metric="cosine", dim=2)
    holding.commit(line(500))
    holding.seal_all()
    holding.commit([Sample("b", (500 + row) * SECOND, (1.0, 0.0)) for row in range(100)])
    decay = Decay(600 * SECOND, SECOND)
    found = find_decayed(search(holding.windows, [1, 0], 5), decay)
    assert seqs_of(found) == [600, 599, 598, 597, 596]
    assert found.decayed["p-00000001"] == 500
    assert found.decayed[next(name for name in found.decayed if name.startswith("hot-"))] == 84
    assert found.measured <= 16
    assert not found.complete


def test_equal_scores_of_nothing_come_newest_first(shelf, monkeypatch):
    """So old that every weight is zero, which must not make all of them candidates."""
    monkeypatch.setattr(module, "_FIRST_ROWS", 16)
    holding = shelf(metric="l2", dim=2)
    holding.commit(line(300))
    holding.seal_all()
    found = find_decayed(search(holding.windows, [5, 0], 3), Decay(10**15, 1))
    assert found.score.tolist() == [0.0, 0.0, 0.0]
    assert seqs_of(found) == [300, 299, 298]
    assert sum(found.decayed.values()) > 250


def test_ties_go_by_entity_and_key(shelf):
    holding = shelf(metric="l2", dim=2)
    names = [("b", None), ("a", "z"), ("a", None), ("c", None), ("a", "b")]
    holding.commit([Sample(name, SECOND, (1.0, 0.0), key) for name, key in names])
    decay = Decay(SECOND, SECOND)
    assert seqs_of(find_decayed(search(holding.windows, [1, 0], 4), decay)) == [3, 5, 2, 1]
    one = search(holding.windows, [1, 0], 2, one_per_entity=True)
    assert seqs_of(find_decayed(one, decay)) == [3, 1]


def test_completeness_is_told(shelf):
    holding = shelf(metric="l2", dim=2)
    holding.commit(line(4) + line(4, name="b"))
    decay = Decay(0, SECOND)
    whole = find_decayed(search(holding.windows, [1, 0], 3, one_per_entity=True), decay)
    assert (len(whole.row), whole.complete) == (2, True)
    part = find_decayed(search(holding.windows, [1, 0], 1, one_per_entity=True), decay)
    assert (len(part.row), part.complete) == (1, False)
    nothing = find_decayed(search(shelf(metric="l2", dim=2).windows, [1, 0], 3), decay)
    assert (len(nothing.row), nothing.complete) == (0, True)
