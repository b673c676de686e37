"""Made-up data: clustered vectors in order of time, the same on every run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tsvec
from benchmarks.upkeep import wait_until_sealed, wait_until_settled
from tsvec.model.vectors import Float32Array

COLLECTION = "bench"
DIM = 128
ENTITIES = 1_000
HOT_ROWS = 1_000
"""Unsealed rows of every data set: too few to be sealed by age, so they stay the same."""

START = np.datetime64("2024-01-01T00:00:00", "us")
STEP = np.timedelta64(30, "s")
_CLUSTERS = 64
_SPREAD = 0.5
_CHUNK_ROWS = 10_000
_SEED = 20_240_101
_SEAL_NOW = tsvec.Settings(seal_age_seconds=0.001, seal_age_rows_min=1)

Columns = dict[str, Any]
"""Keyword arguments of `Collection.ingest`."""


def time_of(row: int) -> np.datetime64:
    """Event time of a row."""
    moment: np.datetime64 = START + row * STEP
    return moment


def make_vectors(rows: int, *, seed: int, unit: bool = True, dim: int = DIM) -> Float32Array:
    """Vectors (rows, dim) around fixed centres; of unit length, or of lengths around 1 to 3."""
    centres = np.random.default_rng(_SEED).standard_normal((_CLUSTERS, dim), np.float32)
    random = np.random.default_rng((_SEED, seed))
    vectors = centres[random.integers(_CLUSTERS, size=rows)]
    vectors += _SPREAD * random.standard_normal((rows, dim), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    if not unit:
        vectors *= random.lognormal(0.5, 0.5, (rows, 1)).astype(np.float32)
    return vectors


def entity_of(number: int) -> str:
    """The entity of a row."""
    return f"entity-{number % ENTITIES:04}"


def make_columns(first: int, rows: int, *, unit: bool = True) -> Columns:
    """Rows [first, first + rows) as columns; the same ones only if asked for in the same pieces."""
    numbers = np.arange(first, first + rows)
    return {
        "entity_id": list(map(entity_of, numbers.tolist())),
        "vector": make_vectors(rows, seed=first, unit=unit),
        "timestamp": START + numbers * STEP,
    }


def sealed_columns(rows: int) -> Iterator[Columns]:
    """The sealed rows of `Datasets.directory(rows)` in the order of time, in pieces."""
    for first in range(0, rows, _CHUNK_ROWS):
        yield make_columns(first, min(_CHUNK_ROWS, rows - first))


def stored_vectors(rows: int) -> Float32Array:
    """All vectors of it, (rows + HOT_ROWS, DIM), in the order of time."""
    pieces = [*sealed_columns(rows), make_columns(rows, HOT_ROWS)]
    return np.concatenate([columns["vector"] for columns in pieces])


@dataclass(frozen=True, slots=True)
class Question:
    """A vector and a range of time; rows [low, high) lie in it."""

    vector: Float32Array
    low: int
    high: int

    @property
    def request(self) -> dict[str, Any]:
        """Keyword arguments of `Collection.temporal_knn`."""
        return {
            "query_vector": self.vector,
            "start_time": time_of(self.low),
            "end_time": time_of(self.high),
            "k": 10,
        }


def make_questions(count: int, rows: int, share: float, *, seed: int) -> list[Question]:
    """Questions over `share` of the first `rows` rows each, spread over all of their time."""
    width = max(1, round(rows * share))
    vectors = make_vectors(count, seed=seed)
    lows: NDArray[np.int64] = np.linspace(0, rows - width, count).astype(np.int64)
    np.random.default_rng((_SEED, seed, 1)).shuffle(lows)
    return [
        Question(vector, low, low + width)
        for vector, low in zip(vectors, lows.tolist(), strict=True)
    ]


class Datasets:
    """Database directories with a collection of sealed rows, each built once."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch

    def directory(self, rows: int) -> Path:
        """A closed database with `rows` sealed rows and then `HOT_ROWS` hot ones, left alone until
        the background had nothing to do.
        """
        path = self._scratch / f"rows-{rows}"
        if not path.exists():
            _build(path, rows)
        return path


def _build(path: Path, rows: int) -> None:
    with tsvec.connect(path) as database:
        collection = database.create_collection(COLLECTION, dim=DIM)
        for columns in sealed_columns(rows):
            collection.ingest(**columns)
        wait_until_sealed(collection)
    with tsvec.connect(path, settings=_SEAL_NOW) as database:
        collection = database.collection(COLLECTION)
        wait_until_sealed(collection, hot_rows_max=0)
        wait_until_settled(collection)
    with tsvec.connect(path) as database:
        database.collection(COLLECTION).ingest(**make_columns(rows, HOT_ROWS))
