"""A server as commands see it: the methods of `Database` and `Collection`, over HTTP."""

from __future__ import annotations

from typing import Any, Self, TypeVar
from urllib.parse import quote, urlsplit

import httpx
from pydantic import BaseModel, ValidationError

from tsvec.model.collections import (
    CollectionConfig,
    CollectionInfo,
    CollectionList,
    CollectionStats,
    Metric,
)
from tsvec.model.errors import (
    ErrorBody,
    InternalError,
    InvalidRequestError,
    TsvecError,
    UnavailableError,
    error_classes,
)
from tsvec.model.points import OnError
from tsvec.model.queries import HistoryRequest, TemporalKnnRequest
from tsvec.model.replies import Health, HistoryReply, Info, IngestReply, TemporalKnnReply

TIMEOUT_SECONDS = 60.0
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

    def list_collections(self, *, limit: int = 100, cursor: str | None = None) -> CollectionList:
        """One page of collections, by name."""
        page = {"limit": limit} | ({} if cursor is None else {"cursor": cursor})
        return self.call(CollectionList, "GET", "/v1/collections", params=page)

    def get_collection(self, name: str) -> CollectionInfo:
        """One collection; CollectionNotFoundError if there is none of this name."""
        return self.call(CollectionInfo, "GET", _path(name))

    def create_collection(
        self, name: str, *, dim: int, metric: Metric = "cosine", window_size: str = "1h"
    ) -> CollectionInfo:
        """Make a collection; ConflictError if there is one of this name."""
        config = CollectionConfig(name=name, dim=dim, metric=metric, window_size=window_size)
        return self.call(CollectionInfo, "POST", "/v1/collections", record=config)

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
        try:
            return reply.model_validate_json(answer.content)
        except ValidationError:
            raise InternalError(
                f"{self.url} answered {method} {path} with something else than {reply.__name__}; "
                "is it a tsvec server of this version?"
            ) from None


class RemoteCollection:
    """A collection behind a URL."""

    def __init__(self, database: RemoteDatabase, name: str) -> None:
        self.name = name
        self.entities = RemoteEntities(database, name)
        self._database = database

    def ingest_arrow(self, stream: bytes, on_error: OnError) -> IngestReply:
        """Store the points of an Arrow IPC stream as one commit."""
        return self._database.call(
            IngestReply,
            "POST",
            _path(self.name, "points"),
            body=stream,
            media_type=_ARROW_STREAM,
            params={"on_error": on_error},
        )

    def answer(self, request: TemporalKnnRequest) -> TemporalKnnReply:
        """The nearest points."""
        path = _path(self.name, "query", "temporal-knn")
        return self._database.call(TemporalKnnReply, "POST", path, record=request)

    def get_collection_stats(self) -> CollectionStats:
        """Counts and sizes."""
        return self._database.call(CollectionStats, "GET", _path(self.name, "stats"))


class RemoteEntities:
    """The entities of a collection behind a URL."""

    def __init__(self, database: RemoteDatabase, collection: str) -> None:
        self._database = database
        self._collection = collection

    def history(self, request: HistoryRequest) -> HistoryReply:
        """One page of an entity's points."""
        path = _path(self._collection, "entities", request.entity_id, "history")
        params = request.model_dump(mode="json", exclude_none=True, exclude={"entity_id"})
        return self._database.call(HistoryReply, "GET", path, params=params)


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
