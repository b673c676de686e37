"""Real, late data: commits replayed as they arrived must answer like a load in order of time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import tsvec
from benchmarks.data import Columns
from benchmarks.measure import Context, timed
from benchmarks.result import Figure, Outcome, Target
from benchmarks.upkeep import check_points
from tsvec.model.replies import TemporalKnnReply
from tsvec.model.vectors import Float32Array, Int64Array

COLLECTION = "commits"
PROBES = 200
BATCH_ROWS = 200
_SEED = 20_261_120


@dataclass(frozen=True, slots=True)
class Commits:
    """One row a commit, in the order they arrived; its hash is its key: none replaces another."""

    entity_id: list[str]
    key: list[str]
    timestamp: np.ndarray[Any, np.dtype[np.datetime64]]
    vector: Float32Array

    def columns(self, rows: Int64Array) -> Columns:
        """These rows as keyword arguments of `Collection.ingest`."""
        return {
            "entity_id": [self.entity_id[row] for row in rows.tolist()],
            "key": [self.key[row] for row in rows.tolist()],
            "timestamp": self.timestamp[rows],
            "vector": self.vector[rows],
        }


def run(context: Context) -> Outcome:
    """Replay and bulk load, then the same questions to both."""
    if context.data is None:
        return Outcome(skipped="needs --data DIR with meta.npz, vec0.npz and entities.json")
    commits = read_commits(context.data)
    arrival = np.arange(len(commits.key))
    by_time = np.argsort(commits.timestamp, kind="stable")
    replies = []
    rates = []
    for name, order in (("replay as it arrived", arrival), ("load in order of time", by_time)):
        context.say(name)
        path = context.scratch / "commits"
        with tsvec.connect(path) as database:
            collection = database.create_collection(
                COLLECTION, dim=commits.vector.shape[1], window_size="30d"
            )
            with timed() as watch:
                for at in range(0, len(order), BATCH_ROWS):
                    collection.ingest(**commits.columns(order[at : at + BATCH_ROWS]))
            rates.append(len(order) / watch.seconds)
            check_points(collection, len(order))
            replies.append([collection.temporal_knn(**asked) for asked in make_probes(commits)])
        shutil.rmtree(path)
    same = sum(map(is_same, *replies))
    return Outcome(
        figures=[
            Figure.of(
                f"of {PROBES} questions answered alike", [same], target=Target(at_least=PROBES)
            ),
            Figure.of("replay as it arrived", rates[:1], unit="rows/s"),
            Figure.of("load in order of time", rates[1:], unit="rows/s"),
        ],
        facts={
            "rows": len(arrival),
            "dim": commits.vector.shape[1],
            "rows a batch": BATCH_ROWS,
            "hits compared": sum(reply.returned for reply in replies[0]),
        },
    )


def read_commits(directory: Path) -> Commits:
    """The commits in a directory; `entities.json` names the entities and says how many shards."""
    about = json.loads((directory / "entities.json").read_text())
    with np.load(directory / "meta.npz") as meta:
        ids, seconds, entity = (meta[name] for name in ("id", "ts", "entity"))
    shards = []
    for number in range(about["shards"]):
        with np.load(directory / f"vec{number}.npz") as file:
            shards.append(file["v"].astype(np.float32))
    return Commits(
        entity_id=[about["entities"][number] for number in entity.tolist()],
        key=[f"{number:016x}" for number in ids.tolist()],
        timestamp=seconds.astype("datetime64[s]").astype("datetime64[us]"),
        vector=np.concatenate(shards),
    )


def make_probes(commits: Commits) -> list[dict[str, Any]]:
    """Questions near random commits, over ranges from an hour to everything, some per entity."""
    random = np.random.default_rng(_SEED)
    probes = []
    for number, row in enumerate(random.integers(len(commits.key), size=PROBES).tolist()):
        noise = 0.02 * random.standard_normal(commits.vector.shape[1], np.float32)
        width = np.timedelta64(int(10 ** random.uniform(0, 5)), "h")
        probes.append(
            {
                "query_vector": commits.vector[row] + noise,
                "start_time": commits.timestamp[row] - width,
                "end_time": commits.timestamp[row] + width,
                "k": int(random.integers(1, 50)),
                "distinct": "entity" if number % 4 == 0 else None,
                "entity_ids": [commits.entity_id[row]] if number % 4 == 1 else None,
            }
        )
    return probes


def is_same(one: TemporalKnnReply, other: TemporalKnnReply) -> bool:
    """Whether two replies name the same points at the same distances in the same order."""
    return one.eligible == other.eligible and _places(one) == _places(other)


def _places(reply: TemporalKnnReply) -> Sequence[tuple[object, ...]]:
    return [(hit.entity_id, hit.timestamp, hit.key, hit.distance) for hit in reply.hits]
