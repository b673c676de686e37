"""A server as commands see it: the methods of `Database` and `Collection`, over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlsplit

import httpx
import orjson
from pydantic import BaseModel, ValidationError

from tsvec.model.collections import (
    CollectionConfig,
    CollectionInfo,
    CollectionList,
    CollectionPatch,
    CollectionStats,
    CompactionStatus,
    Metric,
    WindowList,
)
from tsvec.model.errors import (
    ErrorBody,
    InternalError,
    InvalidRequestError,
    TsvecError,
    UnavailableError,
    error_classes,
)
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
    ReadAt,
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
    Health,
    HistoryReply,
    Info,
    IngestReply,
    Point,
    Readiness,
    RestoreReply,
    TemporalKnnBatchReply,
    TemporalKnnReply,
)
from tsvec.model.times import time_to_datetime
from tsvec.model.validation import given_record, record_of

TIMEOUT_SECONDS = 60.0
COMPACTION_PAUSE_SECONDS = 0.2
"""Between two questions how far a compaction is."""

_ARROW_STREAM = "application/vnd.apache.arrow.stream"
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_ERRORS = {cls.code: cls for cls in error_classes()}
Reply = TypeVar("Reply", bound=BaseModel)


class RemoteDatabase:
    """A database behind a URL. Raises the same errors as the engine behind it."""

    def __init__(self, url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InvalidRequestError(
                f"{url!r} is no URL; expected is one like http://127.0.0.1:8710"
            )
        self.url = url.rstrip("/")
        # A proxy of the environment cannot reach this machine's own loopback.
        self._http = httpx.Client(
            base_url=self.url,
            timeout=TIMEOUT_SECONDS,
            trust_env=parts.hostname not in _LOOPBACK,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get_info(self) -> Info:
        """Version, limits and capabilities of the server."""
        return self.call(Info, "GET", "/v1/info")

    def get_health(self) -> Health:
        """Whether the server's storage is sound."""
        return self.call(Health, "GET", "/health")

    def get_ready(self) -> Readiness:
        """Whether the server can answer; UnavailableError if not yet."""
        return self.call(Readiness, "GET", "/ready")

    def get_metrics(self) -> str:
        """Measurements in the Prometheus text format."""
        return self.send("GET", "/metrics").text

    def list_collections(self, *, limit: int = 100, cursor: str | None = None) -> CollectionList:
        """One page of collections, by name."""
        page = {"limit": limit} | ({} if cursor is None else {"cursor": cursor})
        return self.call(CollectionList, "GET", "/v1/collections", params=page)

    def get_collection(self, name: str) -> CollectionInfo:
        """One collection; CollectionNotFoundError if there is none of this name."""
        return self.call(CollectionInfo, "GET", _path(name))

    def create_collection(
        self, name: str, *, dim: int, metric: Metric = "cosine", **durations: Any
    ) -> CollectionInfo:
        """Make a collection; ConflictError if there is one of this name."""
        fields = {"name": name, "dim": dim, "metric": metric, **durations}
        config = record_of(CollectionConfig, fields)
        return self.call(CollectionInfo, "POST", "/v1/collections", record=config)

    def update_collection(self, name: str, **changes: Any) -> CollectionInfo:
        """Change the fields of `CollectionPatch` that are given, to None where that is allowed."""
        # A null is a change, so it has to be sent.
        body = record_of(CollectionPatch, changes).model_dump_json(include=set(changes))
        return self.call(CollectionInfo, "PATCH", _path(name), body=body.encode())

    def delete_collection(self, name: str) -> None:
        """Remove a collection and all its points."""
        self.send("DELETE", _path(name))

    def collection(self, name: str = "default") -> RemoteCollection:
        """A handle of a collection; nothing is checked yet."""
        return RemoteCollection(self, name)

    def call(
        self,
        reply: type[Reply],
        method: str,
        path: str,
        *,
        record: BaseModel | None = None,
        body: bytes | None = None,
        media_type: str = "application/json",
        params: dict[str, Any] | None = None,
    ) -> Reply:
        """Send one request and decode its reply; what the server refuses is raised as its error."""
        if record is not None:
            body = record.model_dump_json(exclude_none=True).encode()
        answer = self.send(method, path, body=body, media_type=media_type, params=params)
        try:
            return reply.model_validate_json(answer.content)
        except ValidationError:
            raise InternalError(
                f"{self.url} answered {method} {path} with something else than {reply.__name__}; "
                "is it a tsvec server of this version?"
            ) from None

    def send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        media_type: str = "application/json",
        params: dict[str, Any] | None = None,
    ) -> httpx.Response:
        """The answer to one request; what the server refuses is raised as its error."""
        headers = {} if body is None else {"content-type": media_type}
        try:
            answer = self._http.request(method, path, content=body, params=params, headers=headers)
        except httpx.TransportError as error:
            raise UnavailableError(
                f"no answer from {self.url} ({str(error) or type(error).__name__}); "
                "is the server running? `tsvec serve` starts one"
            ) from None
        if answer.is_error:
            raise _error_from(answer)
        return answer


class RemoteCollection:
    """A collection behind a URL."""

    def __init__(self, database: RemoteDatabase, name: str) -> None:
        self.name = name
        self.entities = RemoteEntities(database, name)
        self._database = database

    def ingest_arrow(
        self, stream: bytes, on_error: OnError, on_conflict: OnConflict, space: str | None = None
    ) -> IngestReply:
        """Store the points of an Arrow IPC stream as one commit."""
        params = {"on_error": on_error, "on_conflict": on_conflict}
        return self._database.call(
            IngestReply,
            "POST",
            _path(self.name, "points"),
            body=stream,
            media_type=_ARROW_STREAM,
            params=params if space is None else params | {"space": space},
        )

    def answer(self, request: TemporalKnnRequest) -> TemporalKnnReply:
        """The nearest points."""
        path = _path(self.name, "query", "temporal-knn")
        return self._database.call(TemporalKnnReply, "POST", path, record=request)

    def answer_batch(self, request: TemporalKnnBatchRequest) -> TemporalKnnBatchReply:
        """Many such questions."""
        path = _path(self.name, "query", "temporal-knn", "batch")
        return self._database.call(TemporalKnnBatchReply, "POST", path, record=request)

    def answer_walk(self, request: TemporalKnnWalkRequest) -> TemporalKnnBatchReply:
        """One such question at many moments."""
        path = _path(self.name, "query", "temporal-knn", "walk")
        return self._database.call(TemporalKnnBatchReply, "POST", path, record=request)

    def answer_range(self, request: TemporalRangeRequest) -> TemporalRangeReply:
        """All points within a radius."""
        path = _path(self.name, "query", "temporal-range")
        return self._database.call(TemporalRangeReply, "POST", path, record=request)

    def answer_diff(self, request: TemporalDiffRequest) -> TemporalDiffReply:
        """How what is near differs between two time ranges."""
        path = _path(self.name, "query", "temporal-diff")
        return self._database.call(TemporalDiffReply, "POST", path, record=request)

    def get_collection_stats(
        self, *, as_of: Any = None, wait_for_seq: int | None = None
    ) -> CollectionStats:
        """Counts and sizes."""
        path, params = _path(self.name, "stats"), _moment(as_of, wait_for_seq)
        return self._database.call(CollectionStats, "GET", path, params=params)

    def windows(self, request: WindowsRequest) -> WindowList:
        """One page of windows."""
        path = _path(self.name, "windows")
        return self._database.call(WindowList, "GET", path, params=_query(request))

    def delete(self, request: DeletePointsRequest) -> DeleteReply:
        """Delete points, or count them."""
        path = _path(self.name, "points", "delete")
        return self._database.call(DeleteReply, "POST", path, record=request)

    def restore(self, request: RestorePointsRequest) -> RestoreReply:
        """Bring deleted points back, or count them."""
        path = _path(self.name, "points", "restore")
        return self._database.call(RestoreReply, "POST", path, record=request)

    def deleted(self, request: DeletedPointsRequest) -> DeletedPointList:
        """One page of deleted points."""
        path = _path(self.name, "points", "deleted")
        return self._database.call(DeletedPointList, "GET", path, params=_query(request))

    def points(self, request: PointsRequest) -> PointList:
        """One page of points."""
        path = _path(self.name, "points")
        return self._database.call(PointList, "GET", path, params=_query(request))

    def point(self, request: PointRequest) -> Point:
        """One point."""
        params = _query(request, "entity_id", "timestamp")
        return self._database.call(Point, "GET", _point_path(self.name, request), params=params)

    def update(self, ref: PointRef, patch: PointPatch) -> UpdateReply:
        """Change a point's metadata."""
        path, params = _point_path(self.name, ref), _query(ref, "entity_id", "timestamp")
        # Of a patch, a null is a change, so it has to be sent.
        body = patch.model_dump_json().encode()
        return self._database.call(UpdateReply, "PATCH", path, body=body, params=params)

    def compact(
        self, *, wait: bool = True, progress: Callable[[CompactionStatus], None] | None = None
    ) -> CompactionStatus:
        """Begin a compaction and, unless told not to wait, ask how far it is until it is done."""
        path = _path(self.name, "compact")
        status = self._database.call(CompactionStatus, "POST", path)
        while wait and status.state == "running":
            if progress is not None:
                progress(status)
            time.sleep(COMPACTION_PAUSE_SECONDS)
            status = self.get_compaction()
        return status

    def get_compaction(self) -> CompactionStatus:
        """What compaction does or last did."""
        return self._database.call(CompactionStatus, "GET", _path(self.name, "compact"))


class RemoteEntities:
    """The entities of a collection behind a URL."""

    def __init__(self, database: RemoteDatabase, collection: str) -> None:
        self._database = database
        self._collection = collection

    def history(self, request: HistoryRequest) -> HistoryReply:
        """One page of an entity's points."""
        path = _path(self._collection, "entities", request.entity_id, "history")
        return self._database.call(HistoryReply, "GET", path, params=_query(request, "entity_id"))

    def summaries(self, request: EntitiesRequest) -> EntityList:
        """One page of entities."""
        path = _path(self._collection, "entities")
        return self._database.call(EntityList, "GET", path, params=_query(request))

    def get_entity(
        self, entity_id: str, *, as_of: Any = None, wait_for_seq: int | None = None
    ) -> EntityInfo:
        """What is known of an entity."""
        params = _moment(as_of, wait_for_seq)
        return self._database.call(EntityInfo, "GET", self._one(entity_id), params=params)

    def delete_entity(self, entity_id: str) -> DeleteReply:
        """Delete an entity with all its points."""
        return self._database.call(DeleteReply, "DELETE", self._one(entity_id))

    def get_entity_attributes(
        self, entity_id: str, *, as_of: Any = None, wait_for_seq: int | None = None
    ) -> AttributesReply:
        """An entity's attributes."""
        params = _moment(as_of, wait_for_seq)
        path = self._one(entity_id, "attributes")
        return self._database.call(AttributesReply, "GET", path, params=params)

    def set_entity_attributes(
        self, entity_id: str, attributes: Mapping[str, Any]
    ) -> AttributesReply:
        """Give an entity these attributes."""
        path, body = self._one(entity_id, "attributes"), orjson.dumps(attributes)
        return self._database.call(AttributesReply, "PUT", path, body=body)

    def merge_entity_attributes(self, entity_id: str, patch: Mapping[str, Any]) -> AttributesReply:
        """Change some of an entity's attributes."""
        path, body = self._one(entity_id, "attributes"), orjson.dumps(patch)
        return self._database.call(AttributesReply, "PATCH", path, body=body)

    def _one(self, entity_id: str, *rest: str) -> str:
        return _path(self._collection, "entities", entity_id, *rest)


def _query(request: BaseModel, *of_path: str) -> dict[str, Any]:
    """The fields of a request as query parameters, less those that its path names."""
    fields = request.model_dump(mode="json", exclude_none=True, exclude=set(of_path))
    # An empty list says "none of them", which no parameter at all would not.
    return {name: _query_value(value) for name, value in fields.items()}


def _moment(as_of: Any, wait_for_seq: int | None) -> dict[str, Any]:
    return _query(given_record(ReadAt, as_of=as_of, wait_for_seq=wait_for_seq))


def _query_value(value: Any) -> Any:
    if value == []:
        return ""
    return orjson.dumps(value).decode() if isinstance(value, dict) else value


def _point_path(collection: str, ref: PointRef) -> str:
    when = time_to_datetime(ref.timestamp).isoformat()
    return _path(collection, "points", ref.entity_id, when)


def _path(collection: str, *rest: str) -> str:
    return "/".join(["/v1/collections", *(quote(part, safe="") for part in (collection, *rest))])


def _error_from(answer: httpx.Response) -> TsvecError:
    try:
        body = ErrorBody.model_validate_json(answer.content)
    except ValidationError:
        return InternalError(
            f"{answer.request.url} answered HTTP {answer.status_code}; is it a tsvec server?"
        )
    return _ERRORS.get(body.code, InternalError)(body.message, body.details)
