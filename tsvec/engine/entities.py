"""The facade of a collection's entities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tsvec.engine.facade.handle import Handle
from tsvec.engine.facade.paging import read_page
from tsvec.engine.retries.fingerprints import parts_of_objects, parts_of_records
from tsvec.engine.writing.tasks import AttributesTask, DeleteTask
from tsvec.model.attributes import merge_patch
from tsvec.model.lists.replies import EntityList
from tsvec.model.lists.requests import EntitiesRequest
from tsvec.model.queries import DeletePointsRequest, HistoryRequest, Include, Order, ReadAt
from tsvec.model.replies import AttributesReply, DeleteReply, EntityInfo, HistoryReply
from tsvec.model.retries.once import IdempotencyKey, Once, once_given
from tsvec.model.validation import invalid_field
from tsvec.query.history import describe_attributes, describe_entity
from tsvec.query.lists.entities import page_entities
from tsvec.query.lists.history import page_history


class Entities(Handle):
    """The entities: which there are, what is known of each, and how that is changed."""

    def get_entity(
        self, entity_id: str, *, as_of: Any = None, wait_for_seq: int | None = None
    ) -> EntityInfo:
        """What is known of an entity; EntityNotFoundError if there is no point of it."""
        at = self._given(ReadAt, as_of=as_of, wait_for_seq=wait_for_seq)
        return describe_entity(self._read(at.as_of, at.wait_for_seq), entity_id)

    def list_entities(self, **request: Any) -> EntityList:
        """One page of the entities that have points.

        Keywords are the fields of `EntitiesRequest`: `prefix`, `entity_types`, `filter` (of their
        attributes), `start_time`, `end_time` (seen in between), `sort`, `order`, `limit`, `cursor`,
        `as_of`, `wait_for_seq`.
        """
        return self.summaries(self._given(EntitiesRequest, **request))

    def summaries(self, request: EntitiesRequest) -> EntityList:
        """`list_entities` for a request record."""
        return page_entities(read_page(self._store(), request, self.deadline), request)

    def get_history(
        self,
        entity_id: str,
        *,
        start_time: Any = None,
        end_time: Any = None,
        limit: int = 100,
        order: Order = "asc",
        cursor: str | None = None,
        every: str | None = None,
        include: Sequence[Include] = ("metadata",),
        as_of: Any = None,
        wait_for_seq: int | None = None,
    ) -> HistoryReply:
        """One page of an entity's points by event time.

        With `every`, a duration such as `1h`, only the newest of each interval so wide.
        """
        request = self._given(
            HistoryRequest,
            entity_id=entity_id,
            start_time=start_time,
            end_time=end_time,
            limit=limit,
            order=order,
            cursor=cursor,
            every=every,
            include=list(include),
            as_of=as_of,
            wait_for_seq=wait_for_seq,
        )
        return self.history(request)

    def history(self, request: HistoryRequest) -> HistoryReply:
        """`get_history` for a request record."""
        return page_history(read_page(self._store(), request, self.deadline), request)

    def delete_entity(
        self, entity_id: str, *, idempotency_key: IdempotencyKey = None
    ) -> DeleteReply:
        """Delete all points of an entity, its type and its attributes.

        EntityNotFoundError if there is no point of it. `restore_points` brings back all three.
        """
        request = self._given(DeletePointsRequest, entity_ids=[entity_id])
        store = self._store()
        once = once_given(idempotency_key, parts_of_records("delete_entity", request))
        task = DeleteTask(store, request, whole_entity=entity_id, once=once)
        return self._services.commit(task)

    def get_entity_attributes(
        self, entity_id: str, *, as_of: Any = None, wait_for_seq: int | None = None
    ) -> AttributesReply:
        """An entity's attributes; EntityNotFoundError if there is no point of it."""
        at = self._given(ReadAt, as_of=as_of, wait_for_seq=wait_for_seq)
        return describe_attributes(self._read(at.as_of, at.wait_for_seq), entity_id)

    def set_entity_attributes(
        self,
        entity_id: str,
        attributes: Mapping[str, Any],
        *,
        idempotency_key: IdempotencyKey = None,
    ) -> AttributesReply:
        """Give an entity these attributes instead of all it has."""
        _check_object("attributes", attributes)
        once = once_given(idempotency_key, parts_of_objects("set", entity_id, attributes))
        return self._change(entity_id, lambda _: attributes, once)

    def merge_entity_attributes(
        self,
        entity_id: str,
        patch: Mapping[str, Any],
        *,
        idempotency_key: IdempotencyKey = None,
    ) -> AttributesReply:
        """Change some of an entity's attributes by a merge patch (RFC 7396); null removes one."""
        _check_object("patch", patch)
        once = once_given(idempotency_key, parts_of_objects("merge", entity_id, patch))
        return self._change(entity_id, lambda before: merge_patch(before, patch), once)

    def _change(
        self,
        entity_id: str,
        change: Callable[[dict[str, Any]], Mapping[str, Any]],
        once: Once | None,
    ) -> AttributesReply:
        return self._services.commit(AttributesTask(self._store(), entity_id, change, once=once))


def _check_object(name: str, value: object) -> None:
    if not isinstance(value, Mapping):
        raise invalid_field(name, f"must be an object (a mapping), not {type(value).__name__}")
