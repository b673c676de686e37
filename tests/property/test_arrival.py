"""Real commits as they really arrived, late ones and all, against a bulk load in order of time."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tsvec
from tests.property.oracle import micros
from tests.property.test_replay import INCLUDE, batches, commits, probes, said
from tests.unit.engine.rig import wait_until
from tsvec import Settings
from tsvec.engine.upkeep.compacting import extents_of
from tsvec.window.compaction import DEPTH_MAX, most_covering

SETTINGS = Settings(seal_rows=64, compact_rows_max=400)
TARGETS = 8
WINDOWS = 2_000


@pytest.fixture(scope="module")
def stream():
    """Without keys: the same part of the tree changed twice in one second is one point."""
    points = commits()
    return type(points).of_columns(
        entity_id=points.entity_id,
        vector=points.vector,
        timestamp=points.timestamp,
        metadata=points.metadata,
    )


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    with tsvec.connect(tmp_path_factory.mktemp("arrival"), settings=SETTINGS) as opened:
        yield opened


def load(database, name, arriving):
    collection = database.create_collection(name, dim=384, window_size="1d")
    replies = [future.result() for future in [collection.submit(batch) for batch in arriving]]
    store = collection._store()
    wait_until(lambda: not store.is_sealing_due)
    return collection, replies


@pytest.fixture(scope="module")
def arrived(database, stream):
    rng = np.random.default_rng(3)
    sizes = iter(rng.integers(1, 40, len(stream)).tolist())
    return load(database, "arrived", batches(stream, np.arange(len(stream)), sizes))


@pytest.fixture(scope="module")
def bulk(database, stream):
    by_time = np.argsort(stream.timestamp, kind="stable")
    return load(database, "bulk", batches(stream, by_time, iter([len(stream)])))


@pytest.fixture(scope="module")
def living(stream):
    """The places in the stream of the points that nothing replaced."""
    return last_places(stream, 0, len(stream))


def last_places(stream, begin, end):
    """The places of rows that no later row of this stretch has the identity of."""
    rows = range(begin, end)
    times = stream.timestamp.tolist()
    last = {(stream.entity_id[place], times[place]): place for place in rows}
    return np.array(sorted(last.values()))


def test_what_is_counted_of_late_and_repeated_points(stream, arrived, bulk, living):
    replaced = len(stream) - len(living)
    assert replaced > 0
    for collection, replies in (arrived, bulk):
        assert sum(reply.ingested for reply in replies) == len(stream)
        assert sum(reply.replaced for reply in replies) == replaced
        assert collection.get_collection_stats().points == len(living)
    assert sum(reply.late for reply in arrived[1]) == count_late(stream, arrived[1])
    assert sum(reply.late for reply in bulk[1]) == 0


def count_late(stream, replies):
    """Rows stored that are more than a day behind the newest of the commits before."""
    late, begin, high = 0, 0, None
    for reply in replies:
        end = begin + reply.ingested
        if high is not None:
            times = stream.timestamp[last_places(stream, begin, end)]
            late += int((times < high - 86_400_000_000).sum())
        high = int(stream.timestamp[:end].max())
        begin = end
    return late


def test_the_answers_are_those_of_a_bulk_load(stream, arrived, bulk):
    collections = (arrived[0], bulk[0])
    for collection in collections:
        collection.compact()
    for question in probes(stream, np.random.default_rng(5)):
        one, other = (said(each.temporal_knn(**question, include=INCLUDE)) for each in collections)
        assert one == other
    for name in sorted(set(stream.entity_id)):
        one, other = (
            [
                (point.timestamp, point.metadata, point.vector.tobytes())
                for point in each.entities.get_history(name, limit=1_000, include=INCLUDE).items
            ]
            for each in collections
        )
        assert one == other


def test_at_most_two_partitions_cover_an_instant(arrived, bulk):
    for collection, _ in (arrived, bulk):
        status = collection.compact()
        assert (status.state, status.waiting) == ("idle", 0)
        extents = extents_of(collection._store())
        assert len(extents) > 2
        assert most_covering(extents) <= DEPTH_MAX


class Ranking:
    """All points by their distance from one target, its sums without rounding."""

    def __init__(self, stream, places, target):
        vectors = stream.vector[places].astype(np.float64)
        length = math.sqrt(math.fsum((target * target).tolist()))
        products = [math.fsum(row) for row in (vectors * target).tolist()]
        lengths = [math.sqrt(math.fsum(row)) for row in (vectors * vectors).tolist()]
        away = [1 - p / (length * own) for p, own in zip(products, lengths, strict=True)]
        times = stream.timestamp[places]
        names = [stream.entity_id[place] for place in places.tolist()]
        order = sorted(
            range(len(places)), key=lambda n: (round(away[n], 12), -int(times[n]), names[n])
        )
        self.times = times[order]
        self.names = [names[n] for n in order]

    def nearest(self, start, end, k):
        inside = np.flatnonzero((self.times >= start) & (self.times < end))
        return [(self.names[n], int(self.times[n])) for n in inside[:k].tolist()], len(inside)


def random_windows(times, rng):
    """Bounds on the times of points and a microsecond beside them; every tenth range is empty."""
    edges = np.unique(np.concatenate([times, times + 1, times - 1]))
    for turn in range(WINDOWS):
        start, end = sorted(rng.choice(edges, 2).tolist())
        yield (start, start) if turn % 10 == 0 else (start, end)


def test_thousands_of_windows_equal_brute_force(stream, arrived, bulk, living):
    rng = np.random.default_rng(9)
    targets = rng.standard_normal((TARGETS, stream.dim)).astype(np.float32)
    rankings = [Ranking(stream, living, target.astype(np.float64)) for target in targets]
    for turn, (start, end) in enumerate(random_windows(stream.timestamp[living], rng)):
        number, k = turn % TARGETS, int(rng.integers(1, 30))
        collection = (arrived, bulk)[turn // TARGETS % 2][0]
        reply = collection.temporal_knn(targets[number], start_time=start, end_time=end, k=k)
        expected, count = rankings[number].nearest(start, end, k)
        assert [(hit.entity_id, micros(hit.timestamp)) for hit in reply.hits] == expected
        assert (reply.eligible.value, reply.exact) == (count, True)


def test_the_past_is_what_had_arrived_by_then(stream, arrived):
    collection, replies = arrived
    rng = np.random.default_rng(10)
    target = rng.standard_normal(stream.dim).astype(np.float32)
    ends = np.cumsum([reply.ingested for reply in replies])
    for number in rng.integers(0, len(replies), 25).tolist():
        there = last_places(stream, 0, int(ends[number]))
        ranking = Ranking(stream, there, target.astype(np.float64))
        expected, count = ranking.nearest(0, 10**18, 20)
        together = [one for one in replies if one.recorded_at == replies[number].recorded_at]
        moments = [replies[number].seq]
        if together[-1] is replies[number]:
            moments.append(replies[number].recorded_at)
        for as_of in moments:
            reply = collection.temporal_knn(target, k=20, as_of=as_of)
            assert [(hit.entity_id, micros(hit.timestamp)) for hit in reply.hits] == expected
            assert (reply.eligible.value, reply.as_of_seq) == (count, replies[number].seq)
