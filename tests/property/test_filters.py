"""Filters equal plain Python, wherever points lie and whatever became of them; and never break."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tsvec
from tests.property.filter_truth import documents, filters, holds, names
from tests.property.pair import HOT_ONLY, sealing
from tests.unit.engine.rig import wait_until
from tsvec.model.filters.parser import parse_filter
from tsvec.model.limits import LIMITS
from tsvec.storage.predicates.runner import PredicateRunner

SEAL_ROWS = 8
SECOND = 1_000_000
ENTITIES = ("a", "b", "c")
SOMETIMES = settings(settings.get_profile("property"), max_examples=25)
names_of_collections = (f"f{number}" for number in count())


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    """One that never seals, one that seals all the time, one that remembers next to nothing."""
    forgetful = tsvec.Settings(seal_rows=SEAL_ROWS, filter_cache_bytes=3_000)
    with (
        tsvec.connect(tmp_path_factory.mktemp("hot"), settings=HOT_ONLY) as hot,
        tsvec.connect(tmp_path_factory.mktemp("mixed"), settings=sealing(SEAL_ROWS)) as mixed,
        tsvec.connect(tmp_path_factory.mktemp("forgetful"), settings=forgetful) as other,
    ):
        yield hot, mixed, other


@dataclass
class Version:
    """A point that was stored with a change, and the change that ended it."""

    seq: int
    entity_id: str
    second: int
    metadata: dict[str, Any]
    end: int | None = None

    def lives(self, seq: int) -> bool:
        return self.seq <= seq and (self.end is None or self.end > seq)


class Filtered:
    """A collection, and everything that was ever in it."""

    def __init__(self, database: tsvec.Database) -> None:
        self.collection = database.create_collection(next(names_of_collections), dim=1, metric="l2")
        self.versions: list[Version] = []
        self.attributes: list[tuple[int, str, dict[str, Any]]] = []
        self.seq = 0
        self._second = 0

    def ingest(self, some: list[dict[str, Any]]) -> None:
        points = []
        for document in some:
            entity_id, second = ENTITIES[self._second % 3], self._second
            self._second += 1
            self.seq += 1
            self.versions.append(Version(self.seq, entity_id, second, document))
            points.append(
                {
                    "entity_id": entity_id,
                    "timestamp": second * SECOND,
                    "vector": [float(second)],
                    "metadata": document,
                }
            )
        assert self.collection.ingest(points).seq == self.seq
        store = self.collection._store()
        wait_until(lambda: not store.is_sealing_due)

    def replace(self, document: dict[str, Any]) -> None:
        """Give the oldest living point other metadata."""
        old = next(one for one in self.versions if one.end is None)
        if old.metadata == document:
            return
        point = {"entity_id": old.entity_id, "timestamp": old.second * SECOND}
        reply = self.collection.ingest(
            [point | {"vector": [float(old.second)], "metadata": document}]
        )
        self.seq += 1
        assert (reply.seq, reply.replaced) == (self.seq, 1)
        old.end = self.seq
        self.versions.append(Version(self.seq, old.entity_id, old.second, document))

    def set_attributes(self, entity_id: str, attributes: dict[str, Any]) -> None:
        if any(one.entity_id == entity_id and one.end is None for one in self.versions):
            before = self.seq
            reply = self.collection.entities.set_entity_attributes(entity_id, attributes)
            if reply.as_of_seq > before:
                self.seq += 1
                self.attributes.append((self.seq, entity_id, attributes))
            assert reply.as_of_seq == self.seq

    def delete(self, given: dict[str, Any], end: int | None = None) -> None:
        """Delete by filter, before a second."""
        gone = [one for one in self.expected(given, self.seq) if end is None or one.second < end]
        selector = {"filter": given} | ({} if end is None else {"end_time": end * SECOND})
        preview = self.collection.delete_points(**selector, dry_run=True)
        assert preview.deleted == len(gone)
        assert self.collection.delete_points(**selector).deleted == len(gone)
        for victim in sorted(gone, key=lambda one: one.seq):
            self.seq += 1
            victim.end = self.seq

    def compact(self) -> None:
        self.collection.compact()

    def attributes_of(self, entity_id: str, seq: int) -> dict[str, Any]:
        mine = [given for at, who, given in self.attributes if who == entity_id and at <= seq]
        return mine[-1] if mine else {}

    def expected(self, given: dict[str, Any], seq: int) -> list[Version]:
        return [
            one
            for one in self.versions
            if one.lives(seq) and holds(given, one.metadata, self.attributes_of(one.entity_id, seq))
        ]

    def check(self, given: dict[str, Any], seq: int) -> None:
        """One question in several ways: all of it, a part, an entity, the best of each entity."""
        chosen = sorted(self.expected(given, seq), key=lambda one: one.second)
        self._ask(given, seq, chosen)
        late = [one for one in chosen if one.second >= 4]
        self._ask(given, seq, late, start_time=4 * SECOND)
        mine = [one for one in chosen if one.entity_id == "b"]
        self._ask(given, seq, mine, entity_ids=["b", "nobody"])
        firsts = {one.entity_id: one for one in reversed(chosen)}
        best = sorted(firsts.values(), key=lambda one: one.second)
        self._ask(given, seq, best, distinct="entity")

    def _ask(self, given: dict[str, Any], seq: int, chosen: list[Version], **more: Any) -> None:
        reply = self.collection.temporal_knn(
            [0.0], k=500, filter=given, include=[], as_of=seq, **more
        )
        assert [hit.seq for hit in reply.hits] == [one.seq for one in chosen]
        assert (reply.eligible.value, reply.eligible.relation) == (len(chosen), "eq")


@SOMETIMES
@given(data=st.data())
def test_equals_plain_python_hot_sealed_replaced_deleted_compacted_and_in_the_past(databases, data):
    sides = [Filtered(database) for database in databases]
    asked = data.draw(st.lists(filters(), min_size=1, max_size=4))
    for _ in range(data.draw(st.integers(1, 4))):
        some = data.draw(st.lists(documents(), min_size=1, max_size=12))
        entity, attributes = data.draw(st.sampled_from(ENTITIES)), data.draw(documents())
        other, given = data.draw(documents()), data.draw(filters())
        end = data.draw(st.none() | st.integers(0, 20))
        deletes, compacts = data.draw(st.booleans()), data.draw(st.booleans())
        for side in sides:
            side.ingest(some)
            side.set_attributes(entity, attributes)
            side.replace(other)
            side.check(asked[0], side.seq)
            if deletes and (end is not None or not parse_filter(given).is_empty):
                side.delete(given, end)
                side.ingest(some[:2])
            if compacts:
                side.compact()
    hot = sides[0]
    assert hot.collection.get_collection_stats().sealed_points == 0
    seqs = data.draw(st.lists(st.integers(0, hot.seq), min_size=2, max_size=5))
    for side in sides:
        assert side.seq == hot.seq
        for given in asked:
            for seq in (side.seq, *seqs):
                side.check(given, seq)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary(max_size=3)
    | st.sampled_from(
        ["$eq", "$in", "$or", "a", "\ud800", "a\0", "../", "'; DROP TABLE documents"]
    ),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(
            names
            | st.sampled_from(
                ["$eq", "$ne", "$gt", "$lte", "$in", "$nin", "$exists", "$not", "$and", "$or"]
            )
            | st.sampled_from(
                ["$attributes", "$where", "", ".", "a.", "a.b", "\\", "\ud800", "a.0"]
            )
            | st.text(max_size=3),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    with tsvec.connect(tmp_path_factory.mktemp("odd"), settings=sealing(20)) as database:
        made = database.create_collection("odd", dim=1, metric="l2")
        rows = [{"a": {"b": [row, "x", None]}, "0": row / 3, "$ref": "é\0"} for row in range(30)]
        for row, document in enumerate(rows):
            made.ingest(entity_id="e", timestamp=row * SECOND, vector=[0.0], metadata=document)
        made.entities.set_entity_attributes("e", {"a": [1, {"b": True}]})
        yield made


@settings(settings.get_profile("property"), max_examples=300)
@given(anything | filters())
def test_no_filter_whatsoever_gets_anything_but_an_answer_or_a_clear_refusal(odd, given):
    refusal = None
    try:
        reply = odd.temporal_knn([0.0], filter=given)
    except tsvec.TsvecError as error:
        refusal = error
    if refusal is None:
        assert reply.returned == min(10, reply.eligible.value)
    else:
        assert refusal.status == 400, refusal
        [detail] = refusal.details
        assert detail.field.startswith("filter"), detail
        assert detail.message


@pytest.mark.parametrize(
    "given",
    [
        {"$or": [{"a": 1}] * (LIMITS.filter_terms_max // 2 - 1)},
        {"$or": [{f"a.{term}": {"$gt": term}} for term in range(LIMITS.filter_terms_max // 3 - 1)]},
        {"a.b": {"$in": [f"x{term}" for term in range(LIMITS.filter_terms_max - 3)]}},
        {"a.b": {"$nin": [2**63 + term for term in range(LIMITS.filter_terms_max - 3)]}},
        {"a": "x" * (LIMITS.filter_bytes_max - 10)},
    ],
    ids=("ors", "paths", "texts", "integers", "bytes"),
)
def test_the_largest_filters_are_answered(odd, given):
    assert odd.temporal_knn([0.0], filter=given).exact


def test_an_answer_is_that_of_its_seq_while_points_come_and_go(tmp_path):
    """Threads ask while another writes, seals, deletes and compacts under them."""
    filtered_by = {"n": {"$lt": 50}, "$attributes": {"fleet": {"$ne": "red"}}}
    settings = tsvec.Settings(seal_rows=64, filter_cache_bytes=20_000)
    stop, answers, faults = threading.Event(), [], []

    def ask(collection):
        while not stop.is_set():
            try:
                reply = collection.temporal_knn([0.0], k=1, filter=filtered_by)
                answers.append((reply.as_of_seq, reply.eligible.value))
            except Exception as error:
                faults.append(error)
                return

    with tsvec.connect(tmp_path, settings=settings) as database:
        collection = database.create_collection("c", dim=1, metric="l2")
        collection.ingest(entity_id="e0", timestamp=0, vector=[0.0], metadata={"n": 0})
        threads = [threading.Thread(target=ask, args=(collection,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        rng = np.random.default_rng(0)
        for turn in range(25):
            collection.ingest(
                [
                    {
                        "entity_id": f"e{row % 3}",
                        "timestamp": (turn * 20 + row + 1) * SECOND,
                        "vector": [1.0],
                        "metadata": {"n": int(rng.integers(100))},
                    }
                    for row in range(20)
                ]
            )
            if turn % 5 == 1:
                fleet = ("red", "blue")[turn % 2]
                collection.entities.set_entity_attributes(f"e{turn % 3}", {"fleet": fleet})
            if turn % 7 == 3:
                collection.delete_points(filter={"n": int(rng.integers(100))})
            if turn % 10 == 9:
                collection.compact()
        wait_until(lambda: len(answers) > 60 or bool(faults))
        stop.set()
        for thread in threads:
            thread.join()
        assert faults == []
        for seq, value in set(answers):
            again = collection.temporal_knn([0.0], k=1, filter=filtered_by, as_of=seq)
            assert again.eligible.value == value


def test_a_cold_filter_is_evaluated_once_for_all_who_ask_at_once(tmp_path, monkeypatch):
    read, run = [], PredicateRunner.run

    def counting(runner, predicate, rows):
        read.append(len(rows))
        return run(runner, predicate, rows)

    monkeypatch.setattr(PredicateRunner, "run", counting)
    with tsvec.connect(tmp_path, settings=HOT_ONLY) as database:
        collection = database.create_collection("c", dim=1, metric="l2")
        collection.ingest(
            entity_id=["e"] * 3_000,
            timestamp=[second * SECOND for second in range(3_000)],
            vector=np.zeros((3_000, 1), np.float32),
            metadata=[{"n": row % 10} for row in range(3_000)],
        )
        found = []
        ask = [
            threading.Thread(
                target=lambda: found.append(collection.temporal_knn([0.0], filter={"n": 3}))
            )
            for _ in range(6)
        ]
        for thread in ask:
            thread.start()
        for thread in ask:
            thread.join()
        assert [reply.eligible.value for reply in found] == [300] * 6
        assert sum(read) == 3_000
        collection.ingest(entity_id="e", vector=[0.0], metadata={"n": 3})
        assert collection.temporal_knn([0.0], filter={"n": 3}).eligible.value == 301
        assert sum(read) == 3_001
