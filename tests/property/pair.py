"""A collection and an oracle that are given the same points and asked the same questions."""

from __future__ import annotations

from typing import Any

from tests.property.oracle import Oracle, Question, Row, check_answer, micros
from tests.unit.engine.rig import wait_until
from tsvec import Collection, Settings

HOT_ONLY = Settings(seal_rows=100_000)


def sealing(rows: int) -> Settings:
    """Settings that seal every `rows` points."""
    return Settings(seal_rows=rows)


class Pair:
    """`collection` is what is tested, `oracle` knows what it should say."""

    def __init__(self, collection: Collection, oracle: Oracle) -> None:
        self.collection = collection
        self.oracle = oracle

    def ingest(self, points: list[dict[str, Any]]) -> None:
        reply = self.collection.ingest(points)
        counts = self.oracle.add(points)
        assert {name: getattr(reply, name) for name in counts} == counts
        assert (reply.rejected, reply.errors) == (0, [])
        assert reply.seq == len(self.oracle.rows)

    def settle(self) -> None:
        """Wait until everything that is due is sealed."""
        store = self.collection._store()
        wait_until(lambda: not store.is_sealing_due)

    def ask(self, question: Question) -> None:
        reply = self.collection.temporal_knn(**question.arguments())
        assert reply.as_of_seq == len(self.oracle.rows)
        check_answer(self.oracle, question, reply)

    def read_history(
        self, entity_id: str, start: int | None, end: int | None, order: str, limit: int
    ) -> None:
        found: list[Any] = []
        cursor = None
        while True:
            page = self.collection.entities.get_history(
                entity_id,
                start_time=start,
                end_time=end,
                order=order,
                limit=limit,
                cursor=cursor,
                include=("metadata", "vector"),
            )
            found += page.items
            cursor = page.next_cursor
            assert len(page.items) == limit or cursor is None
            if cursor is None:
                break
        expected = self.oracle.history(entity_id, start, end)
        assert [stored(point) for point in found] == (
            expected if order == "asc" else expected[::-1]
        )

    def look_at(self, entity_id: str) -> None:
        """Compare `get_entity`."""
        info = self.collection.entities.get_entity(entity_id)
        rows = self.oracle.history(entity_id)
        assert (info.entity_type, info.points) == (self.oracle.types[entity_id], len(rows))
        assert micros(info.first_seen) == rows[0].timestamp
        assert micros(info.last_seen) == rows[-1].timestamp
        assert info.latest.seq == rows[-1].seq

    def count(self) -> None:
        """Compare `get_collection_stats`."""
        stats, rows = self.collection.get_collection_stats(), list(self.oracle.living.values())
        assert stats.points == stats.hot_points + stats.sealed_points == len(rows)
        assert stats.entities == len({row.entity_id for row in rows})
        times = [row.timestamp for row in rows]
        bounds = (stats.first_time, stats.last_time)
        assert [bound and micros(bound) for bound in bounds] == [
            min(times, default=None),
            max(times, default=None),
        ]

    def walk_windows(self, start: int | None, end: int | None, limit: int, width: int) -> None:
        """Compare `list_windows`, page by page."""
        found: dict[int, int] = {}
        cursor = None
        while True:
            page = self.collection.list_windows(
                start_time=start, end_time=end, limit=limit, cursor=cursor
            )
            for window in page.items:
                assert micros(window.end_time) - micros(window.start_time) == width
                assert 0 <= window.hot_points <= window.points
                assert (window.partitions == 0) == (window.points == window.hot_points)
                found[micros(window.start_time)] = window.points
            cursor = page.next_cursor
            assert len(page.items) == limit or cursor is None
            if cursor is None:
                break
        assert list(found) == sorted(found)
        assert found == self.oracle.windows(start, end, width)


def stored(point: Any) -> Row:
    """A point of a reply as the oracle keeps it."""
    vector = tuple(point.vector.astype(float).tolist())
    when = micros(point.timestamp)
    return Row(point.entity_id, when, vector, point.key, point.metadata, point.seq)
