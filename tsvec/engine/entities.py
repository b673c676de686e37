"""The facade of a collection's entities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tsvec.engine.store import CollectionStore
from tsvec.model.queries import HistoryRequest, Include, Order
from tsvec.model.replies import EntityInfo, HistoryReply
from tsvec.model.validation import record_of
from tsvec.query.history import describe_entity, page_history


class Entities:
    """Reads about single entities."""

    def __init__(self, store: Callable[[], CollectionStore]) -> None:
        self._store = store

    def get_entity(self, entity_id: str) -> EntityInfo:
        """What is known of an entity; EntityNotFoundError if it was never seen."""
        windows, facts = self._store().facts_of(entity_id)
        return describe_entity(windows, entity_id, facts)

    def get_history(
        self,
        entity_id: str,
        *,
        start_time: Any = None,
        end_time: Any = None,
        limit: int = 100,
        order: Order = "asc",
        cursor: str | None = None,
        include: Sequence[Include] = ("metadata",),
    ) -> HistoryReply:
        """One page of an entity's points by event time."""
        fields = {"start_time": start_time, "end_time": end_time, "cursor": cursor}
        given = {name: value for name, value in fields.items() if value is not None}
        always = {"entity_id": entity_id, "limit": limit, "order": order, "include": list(include)}
        request = record_of(HistoryRequest, always | given)
        return self.history(request)

    def history(self, request: HistoryRequest) -> HistoryReply:
        """`get_history` for a request record."""
        return page_history(self._store().windows, request)
