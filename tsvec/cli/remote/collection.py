"""A collection and its entities as commands see them: the methods of `Collection`, over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from tsvec.cli.remote.connection import Connection, moment_of, path_of_point, path_to, query_of
from tsvec.model.collections import CollectionStats, CompactionStatus, WindowList
from tsvec.model.lists.replies import EntityList, PointList, UpdateReply
from tsvec.model.lists.requests import EntitiesRequest, PointPatch, PointRequest, PointsRequest
from tsvec.model.nearest.replies import TemporalDiffReply, TemporalRangeReply
from tsvec.model.nearest.requests import (
    TemporalDiffRequest,
    TemporalKnnWalkRequest,
    TemporalRangeRequest,
)
from tsvec.model.points import OnConflict, OnError
from tsvec.model.queries import (
    DeletedPointsRequest,
    DeletePointsRequest,
    HistoryRequest,
    PointRef,
    RestorePointsRequest,
    TemporalKnnBatchRequest,
    TemporalKnnRequest,
    WindowsRequest,
)
from tsvec.model.replies import (
    AttributesReply,
    DeletedPointList,
    DeleteReply,
    EntityInfo,
    HistoryReply,
    IngestReply,
    Point,
    RestoreReply,
    TemporalKnnBatchReply,
    TemporalKnnReply,
)

COMPACTION_PAUSE_SECONDS = 0.2
"""Between two questions how far a compaction is."""

_ARROW_STREAM = "application/vnd.apache.arrow.stream"


class RemoteCollection:
    """A collection behind a URL."""

    def __init__(self, server: Connection, name: str) -> None:
        self.name = name
        self.entities = RemoteEntities(server, name)
        self._server = server

    def ingest_arrow(
        self,
        stream: bytes,
        on_error: OnError,
        on_conflict: OnConflict,
        space: str | None = None,
        idempotency_key: str | None = None,
    ) -> IngestReply:
        """Store the points of an Arrow IPC stream as one commit."""
        params = {"on_error": on_error, "on_conflict": on_conflict}
        return self._server.call(
            IngestReply,
            "POST",
            path_to(self.name, "points"),
            body=stream,
            media_type=_ARROW_STREAM,
            params=params if space is None else params | {"space": space},
            key=idempotency_key,
        )

    def answer(self, request: TemporalKnnRequest) -> TemporalKnnReply:
        """The nearest points."""
        path = path_to(self.name, "query", "temporal-knn")
        return self._server.call(TemporalKnnReply, "POST", path, record=request)

    def answer_batch(self, request: TemporalKnnBatchRequest) -> TemporalKnnBatchReply:
        """Many such questions."""
        path = path_to(self.name, "query", "temporal-knn", "batch")
        return self._server.call(TemporalKnnBatchReply, "POST", path, record=request)

    def answer_walk(self, request: TemporalKnnWalkRequest) -> TemporalKnnBatchReply:
        """One such question at many moments."""
        path = path_to(self.name, "query", "temporal-knn", "walk")
        return self._server.call(TemporalKnnBatchReply, "POST", path, record=request)

    def answer_range(self, request: TemporalRangeRequest) -> TemporalRangeReply:
        """All points within a radius."""
        path = path_to(self.name, "query", "temporal-range")
        return self._server.call(TemporalRangeReply, "POST", path, record=request)

    def answer_diff(self, request: TemporalDiffRequest) -> TemporalDiffReply:
        """How what is near differs between two time ranges."""
        path = path_to(self.name, "query", "temporal-diff")
        return self._server.call(TemporalDiffReply, "POST", path, record=request)

    def get_collection_stats(
        self, *, as_of: Any = None, wait_for_seq: int | None = None
    ) -> CollectionStats:
        """Counts and sizes."""
        path, params = path_to(self.name, "stats"), moment_of(as_of, wait_for_seq)
        return self._server.call(CollectionStats, "GET", path, params=params)

    def windows(self, request: WindowsRequest) -> WindowList:
        """One page of windows."""
        path = path_to(self.name, "windows")
        return self._server.call(WindowList, "GET", path, params=query_of(request))

    def delete(
        self, request: DeletePointsRequest, idempotency_key: str | None = None
    ) -> DeleteReply:
        """Delete points, or count them."""
        path = path_to(self.name, "points", "delete")
        return self._server.call(DeleteReply, "POST", path, record=request, key=idempotency_key)

    def restore(
        self, request: RestorePointsRequest, idempotency_key: str | None = None
    ) -> RestoreReply:
        """Bring deleted points back, or count them."""
        path = path_to(self.name, "points", "restore")
        return self._server.call(RestoreReply, "POST", path, record=request, key=idempotency_key)

    def deleted(self, request: DeletedPointsRequest) -> DeletedPointList:
        """One page of deleted points."""
        path = path_to(self.name, "points", "deleted")
        return self._server.call(DeletedPointList, "GET", path, params=query_of(request))

    def points(self, request: PointsRequest) -> PointList:
        """One page of points."""
        path = path_to(self.name, "points")
        return self._server.call(PointList, "GET", path, params=query_of(request))

    def point(self, request: PointRequest) -> Point:
        """One point."""
        params = query_of(request, "entity_id", "timestamp")
        return self._server.call(Point, "GET", path_of_point(self.name, request), params=params)

    def update(
        self, ref: PointRef, patch: PointPatch, idempotency_key: str | None = None
    ) -> UpdateReply:
        """Change a point's metadata."""
        path, params = path_of_point(self.name, ref), query_of(ref, "entity_id", "timestamp")
        # Of a patch, a null is a change, so it has to be sent.
        body = patch.model_dump_json().encode()
        return self._server.call(
            UpdateReply, "PATCH", path, body=body, params=params, key=idempotency_key
        )

    def compact(
        self, *, wait: bool = True, progress: Callable[[CompactionStatus], None] | None = None
    ) -> CompactionStatus:
        """Begin a compaction and, unless told not to wait, ask how far it is until it is done."""
        path = path_to(self.name, "compact")
        status = self._server.call(CompactionStatus, "POST", path)
        while wait and status.state == "running":
            if progress is not None:
                progress(status)
            time.sleep(COMPACTION_PAUSE_SECONDS)
            status = self.get_compaction()
        return status

    def get_compaction(self) -> CompactionStatus:
        """What compaction does or last did."""
        return self._server.call(CompactionStatus, "GET", path_to(self.name, "compact"))


class RemoteEntities:
    """The entities of a collection behind a URL."""

    def __init__(self, server: Connection, collection: str) -> None:
        self._server = server
        self._collection = collection

    def history(self, request: HistoryRequest) -> HistoryReply:
        """One page of an entity's points."""
        path = path_to(self._collection, "entities", request.entity_id, "history")
        return self._server.call(HistoryReply, "GET", path, params=query_of(request, "entity_id"))

    def summaries(self, request: EntitiesRequest) -> EntityList:
        """One page of entities."""
        path = path_to(self._collection, "entities")
        return self._server.call(EntityList, "GET", path, params=query_of(request))

    def get_entity(
        self, entity_id: str, *, as_of: Any = None, wait_for_seq: int | None = None
    ) -> EntityInfo:
        """What is known of an entity."""
        params = moment_of(as_of, wait_for_seq)
        return self._server.call(EntityInfo, "GET", self._one(entity_id), params=params)

    def delete_entity(self, entity_id: str, *, idempotency_key: str | None = None) -> DeleteReply:
        """Delete an entity with all its points."""
        return self._server.call(DeleteReply, "DELETE", self._one(entity_id), key=idempotency_key)

    def get_entity_attributes(
        self, entity_id: str, *, as_of: Any = None, wait_for_seq: int | None = None
    ) -> AttributesReply:
        """An entity's attributes."""
        params = moment_of(as_of, wait_for_seq)
        path = self._one(entity_id, "attributes")
        return self._server.call(AttributesReply, "GET", path, params=params)

    def set_entity_attributes(
        self,
        entity_id: str,
        attributes: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
    ) -> AttributesReply:
        """Give an entity these attributes."""
        path, body = self._one(entity_id, "attributes"), orjson.dumps(attributes)
        return self._server.call(AttributesReply, "PUT", path, body=body, key=idempotency_key)

    def merge_entity_attributes(
        self, entity_id: str, patch: Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> AttributesReply:
        """Change some of an entity's attributes."""
        path, body = self._one(entity_id, "attributes"), orjson.dumps(patch)
        return self._server.call(AttributesReply, "PATCH", path, body=body, key=idempotency_key)

    def _one(self, entity_id: str, *rest: str) -> str:
        return path_to(self._collection, "entities", entity_id, *rest)
