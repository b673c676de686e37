"""Whatever happens to a collection in whatever order, it answers as the oracle does."""

from __future__ import annotations

import tempfile

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import tsvec
from tests.property.oracle import Oracle
from tests.property.pair import Pair, sealing
from tests.property.scenes import ENTITIES, METRICS, batches, questions, ranges, vector_pools

SEAL_ROWS = 40
WINDOWS = {"1h": 3_600_000_000, "7d": 604_800_000_000, "36500d": 3_153_600_000_000_000}
PAGES = st.sampled_from((1, 2, 5, 1_000))


class Life(RuleBasedStateMachine):
    """Ingests, seals, restarts and questions of one collection."""

    @initialize(data=st.data(), metric=st.sampled_from(METRICS), dim=st.integers(1, 9))
    def begin(self, data, metric, dim):
        self.directory = tempfile.TemporaryDirectory()
        self.database = tsvec.connect(self.directory.name, settings=sealing(SEAL_ROWS))
        self.width = data.draw(st.sampled_from(sorted(WINDOWS)))
        self.database.create_collection("life", dim=dim, metric=metric, window_size=self.width)
        self.pair = Pair(self.database.collection("life"), Oracle(metric))
        self.pool = data.draw(vector_pools(dim))
        self.points = []

    def teardown(self):
        if hasattr(self, "database"):
            self.database.close()
            self.directory.cleanup()

    @rule(data=st.data())
    def ingest(self, data):
        points = data.draw(batches(self.pool))
        self.pair.ingest(points)
        self.points += points

    @rule()
    def settle(self):
        self.pair.settle()

    @rule(settle=st.booleans(), data=st.data())
    def restart(self, settle, data):
        """Nothing that is asked before and after may differ by a byte."""
        asked = data.draw(st.lists(questions(self.pool, self.points), max_size=4))
        before = [self.answer(question) for question in asked]
        if settle:
            self.pair.settle()
            assert [self.answer(question) for question in asked] == before
        self.database.close()
        self.database = tsvec.connect(self.directory.name, settings=sealing(SEAL_ROWS))
        self.pair.collection = self.database.collection("life")
        assert [self.answer(question) for question in asked] == before

    def answer(self, question):
        include = ("metadata", "vector")
        reply = self.pair.collection.temporal_knn(**question.arguments(), include=include)
        bits = [hit.distance.hex() for hit in reply.hits]
        return reply.model_dump_json(), bits

    @precondition(lambda self: self.points)
    @rule(data=st.data())
    def ask(self, data):
        for _ in range(3):
            question = data.draw(questions(self.pool, self.points))
            if self.pair.oracle.vector_of(question) is not None:
                self.pair.ask(question)

    @precondition(lambda self: self.points)
    @rule(data=st.data(), order=st.sampled_from(("asc", "desc")), limit=PAGES)
    def read_history(self, data, order, limit):
        seen = sorted(self.pair.oracle.types)
        entity_id = data.draw(st.sampled_from(seen))
        times = [point["timestamp"] for point in self.points if point["entity_id"] == entity_id]
        self.pair.read_history(entity_id, *data.draw(ranges(times)), order, limit)

    @rule(data=st.data(), limit=PAGES)
    def walk_windows(self, data, limit):
        span = data.draw(ranges([point["timestamp"] for point in self.points]))
        self.pair.walk_windows(*span, limit, WINDOWS[self.width])

    @precondition(lambda self: self.points)
    @rule(entity_id=st.sampled_from(ENTITIES))
    def look_at(self, entity_id):
        if entity_id in self.pair.oracle.types:
            self.pair.look_at(entity_id)

    @invariant()
    def counts_agree(self):
        if hasattr(self, "pair"):
            self.pair.count()


def test_any_order_of_events():
    run_state_machine_as_test(
        Life,
        settings=settings(
            settings.get_profile("property"), max_examples=25, stateful_step_count=20
        ),
    )
