"""Real streams, replayed as they arrived, answer like a bulk load in order of time."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from itertools import count
from pathlib import Path

import numpy as np
import pytest

import tsvec
from tests.property.pair import sealing
from tests.unit.engine.rig import wait_until
from tsvec import PointBatch

COMMITS = Path(__file__).parents[1] / "data" / "commits.npz"
STORMS = files("tsvec.cli") / "storms.npz"
SEAL_ROWS = 400
SECOND = 1_000_000
PROBES = 50
INCLUDE = ("metadata", "vector")
names = (f"c{number}" for number in count())


def commits() -> PointBatch:
    """Commits in the order they arrived, which is not the order of their times."""
    with np.load(COMMITS, allow_pickle=False) as data:
        entities = [str(data["entity_names"][number]) for number in data["entity"]]
        arrival = data["ts_arrival"].tolist()
        vectors, times = data["vec"].astype(np.float32), data["ts"] * SECOND
    return PointBatch.of_columns(
        entity_id=entities,
        vector=vectors,
        timestamp=times.astype(np.int64),
        metadata=[b'{"arrived":%d}' % moment for moment in arrival],
        key=[str(row) for row in range(len(entities))],
    )


def storms() -> PointBatch:
    """Storm by storm, as the archive has them: many begin before others end."""
    with STORMS.open("rb") as file, np.load(file, allow_pickle=False) as data:
        offsets, labels = data["offsets"], data["classes"][data["label"]]
        values, times = data["values"], data["unix_seconds"]
    lengths = np.diff(offsets)
    number = np.repeat(np.arange(len(lengths)), lengths)
    return PointBatch.of_columns(
        entity_id=[f"storm-{storm}" for storm in number.tolist()],
        vector=values.astype(np.float32),
        timestamp=times.astype(np.int64) * SECOND,
        entity_type=[str(label) for label in labels[number]],
        metadata=[b'{"row":%d}' % row for row in range(len(number))],
    )


def batches(stream: PointBatch, order: np.ndarray, sizes: Iterator[int]) -> Iterator[PointBatch]:
    begin = 0
    for size in sizes:
        if begin >= len(order):
            return
        yield stream.take(order[begin : begin + size])
        begin += size


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    settings = sealing(SEAL_ROWS)
    with tsvec.connect(tmp_path_factory.mktemp("replay"), settings=settings) as opened:
        yield opened


def load(database, metric, dim, arriving):
    collection = database.create_collection(next(names), dim=dim, metric=metric)
    for future in [collection.submit(batch) for batch in arriving]:
        future.result()
    wait_until(lambda: collection.get_collection_stats().hot_points < SEAL_ROWS)
    return collection


def probes(stream, rng):
    """Questions over random ranges, some about an entity, some with selectors."""
    times = np.sort(stream.timestamp)
    for turn in range(PROBES):
        start, end = np.sort(rng.choice(times, 2)).tolist()
        row = int(rng.integers(len(stream)))
        question = {"start_time": start, "end_time": end, "k": int(rng.integers(1, 60))}
        if turn % 5 == 4:
            question |= {"entity_id": stream.entity_id[row], "distinct": "entity"}
            del question["start_time" if turn % 2 else "end_time"]
        else:
            noise = 1 + 0.01 * rng.standard_normal(stream.dim)
            question["query_vector"] = (stream.vector[row] * noise).astype(np.float32)
        if turn % 7 == 3:
            question["entity_ids"] = [
                stream.entity_id[n] for n in rng.integers(len(stream), size=30)
            ]
        yield question


def said(reply):
    """What an answer says of the world, as opposed to when and in which order it was told."""
    hits = [
        (
            hit.entity_id,
            hit.entity_type,
            hit.timestamp,
            hit.key,
            hit.distance.hex(),
            hit.metadata,
            hit.vector.tolist(),
        )
        for hit in reply.hits
    ]
    return hits, reply.eligible


@pytest.mark.parametrize("metric", ["cosine", "l2"])
@pytest.mark.parametrize("stream", [commits, storms])
def test_arrival_in_small_batches_equals_a_bulk_load_in_time_order(database, stream, metric):
    points = stream()
    rng = np.random.default_rng(11)
    rows, by_time = len(points), np.argsort(points.timestamp, kind="stable")
    assert (np.diff(points.timestamp) < 0).any()
    small = batches(points, np.arange(rows), iter(rng.integers(1, 40, rows).tolist()))
    replayed = load(database, metric, points.dim, small)
    bulk = load(database, metric, points.dim, batches(points, by_time, iter([rows])))
    stats = [collection.get_collection_stats() for collection in (replayed, bulk)]
    assert [one.points for one in stats] == [rows, rows]
    assert stats[0].entities == stats[1].entities == len(set(points.entity_id))
    answered = 0
    for question in probes(points, rng):
        answers = [
            collection.temporal_knn(**question, include=INCLUDE) for collection in (replayed, bulk)
        ]
        assert said(answers[0]) == said(answers[1])
        answered += answers[0].returned > 0
    assert answered > PROBES * 0.8


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_histories_are_the_same_too(database, order):
    points = commits()
    by_time = np.argsort(points.timestamp, kind="stable")
    collections = [
        load(database, "cosine", points.dim, batches(points, rows, iter([70] * 50)))
        for rows in (np.arange(len(points)), by_time)
    ]
    for name in sorted(set(points.entity_id))[:20]:
        replayed, bulk = (
            [
                (point.timestamp, point.key, point.metadata)
                for point in collection.entities.get_history(name, limit=1_000, order=order).items
            ]
            for collection in collections
        )
        assert replayed == bulk
