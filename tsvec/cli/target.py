"""What a command talks to: a database directory opened here, or a server over HTTP."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from tsvec.cli.access import access, check_no_token
from tsvec.cli.remote.collection import RemoteCollection
from tsvec.cli.remote.database import RemoteDatabase
from tsvec.cli.settings.loading import load_settings
from tsvec.engine.collection import Collection
from tsvec.engine.database import Database
from tsvec.engine.intake.points import ARROW, decode_points
from tsvec.model.access.keys import CreatedKey, Key, KeyList, KeyRequest
from tsvec.model.bounds.usage import Usage
from tsvec.model.collections import (
    CollectionInfo,
    CollectionList,
    CollectionStats,
    CompactionStatus,
    Metric,
    WindowList,
)
from tsvec.model.errors import InvalidRequestError, NotFoundError
from tsvec.model.limits import in_force
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

DEFAULT_DIRECTORY = Path("tsvec-data")


class EntitiesTarget(Protocol):
    """The entities of a collection, as far as commands need them."""

    def history(self, request: HistoryRequest) -> HistoryReply:
        """One page of an entity's points."""

    def summaries(self, request: EntitiesRequest) -> EntityList:
        """One page of entities."""

    def get_entity(
        self, entity_id: str, *, as_of: Any = None, wait_for_seq: int | None = None
    ) -> EntityInfo:
        """What is known of an entity."""

    def delete_entity(self, entity_id: str, *, idempotency_key: str | None = None) -> DeleteReply:
        """Delete an entity with all its points."""

    def get_entity_attributes(
        self, entity_id: str, *, as_of: Any = None, wait_for_seq: int | None = None
    ) -> AttributesReply:
        """An entity's attributes."""

    def set_entity_attributes(
        self,
        entity_id: str,
        attributes: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
    ) -> AttributesReply:
        """Give an entity these attributes."""

    def merge_entity_attributes(
        self, entity_id: str, patch: Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> AttributesReply:
        """Change some of an entity's attributes."""


class CollectionTarget(Protocol):
    """A collection, as far as commands need it."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def entities(self) -> EntitiesTarget:
        """Its entities."""

    def answer(self, request: TemporalKnnRequest) -> TemporalKnnReply:
        """The nearest points."""

    def answer_batch(self, request: TemporalKnnBatchRequest) -> TemporalKnnBatchReply:
        """The nearest points of many questions."""

    def answer_walk(self, request: TemporalKnnWalkRequest) -> TemporalKnnBatchReply:
        """The nearest points at many moments."""

    def answer_range(self, request: TemporalRangeRequest) -> TemporalRangeReply:
        """All points within a radius."""

    def answer_diff(self, request: TemporalDiffRequest) -> TemporalDiffReply:
        """How what is near differs between two time ranges."""

    def get_collection_stats(
        self, *, as_of: Any = None, wait_for_seq: int | None = None
    ) -> CollectionStats:
        """Its counts and sizes."""

    def windows(self, request: WindowsRequest) -> WindowList:
        """One page of windows."""

    def delete(
        self, request: DeletePointsRequest, idempotency_key: str | None = None
    ) -> DeleteReply:
        """Delete points, or count them."""

    def restore(
        self, request: RestorePointsRequest, idempotency_key: str | None = None
    ) -> RestoreReply:
        """Bring deleted points back, or count them."""

    def deleted(self, request: DeletedPointsRequest) -> DeletedPointList:
        """One page of deleted points."""

    def points(self, request: PointsRequest) -> PointList:
        """One page of points."""

    def point(self, request: PointRequest) -> Point:
        """One point."""

    def update(
        self, ref: PointRef, patch: PointPatch, idempotency_key: str | None = None
    ) -> UpdateReply:
        """Change a point's metadata."""

    def compact(
        self, *, wait: bool = True, progress: Callable[[CompactionStatus], None] | None = None
    ) -> CompactionStatus:
        """Compact, telling how far it is, until it is done."""

    def get_compaction(self) -> CompactionStatus:
        """What compaction does or last did."""


class AdminTarget(Protocol):
    """The keys of a tenant, as far as commands need them."""

    def create(self, request: KeyRequest, idempotency_key: str | None = None) -> CreatedKey:
        """Make a key."""

    def list_keys(self, *, limit: int = 100, cursor: str | None = None) -> KeyList:
        """One page of keys."""

    def revoke_key(self, key_id: str) -> Key:
        """Have a key refused from now on."""


class Target(Protocol):
    """A database, or one tenant of it, as far as commands need it."""

    @property
    def admin(self) -> AdminTarget:
        """Its keys."""

    def get_info(self) -> Info:
        """Version, limits and capabilities."""

    def get_health(self) -> Health:
        """Whether its storage is sound."""

    def get_ready(self) -> Readiness:
        """Whether it can answer."""

    def get_metrics(self) -> str:
        """Measurements in the Prometheus text format."""

    def get_usage(self) -> Usage:
        """What the tenant holds, and its quotas."""

    def list_collections(self, *, limit: int = 100, cursor: str | None = None) -> CollectionList:
        """One page of collections."""

    def get_collection(self, name: str) -> CollectionInfo:
        """One collection."""

    def create_collection(
        self,
        name: str,
        *,
        dim: int,
        metric: Metric = "cosine",
        window_size: str = "1h",
        allowed_lateness: str | None = None,
        retention: str | None = None,
        history_horizon: str = "7d",
        space: str | None = None,
        idempotency_key: str | None = None,
    ) -> object:
        """Make a collection; ConflictError if there is one of this name."""

    def update_collection(
        self, name: str, *, idempotency_key: str | None = None, **changes: Any
    ) -> CollectionInfo:
        """Change the fields of `CollectionPatch` that are given."""

    def delete_collection(self, name: str, *, idempotency_key: str | None = None) -> None:
        """Remove a collection and all its points."""

    def collection(self, name: str = "default") -> CollectionTarget:
        """A handle of a collection; nothing is checked yet."""


@contextmanager
def open_target(url: str | None, data: Path | None, *, create: bool = False) -> Iterator[Target]:
    """The database that the options, else the environment, name.

    A directory that holds no database is an error unless `create` is given: a question asked of a
    mistyped path must not leave an empty database behind.
    """
    found, asked = place(url, data), access()
    if isinstance(found, str):
        with RemoteDatabase(found, token=asked.token, tenant=asked.tenant) as remote:
            yield remote
        return
    check_no_token()
    if not create:
        check_directory(found)
    settings = load_settings(found).settings
    with Database(found, settings=settings) as database, in_force(settings.limits):
        yield database if asked.tenant is None else database.tenant(asked.tenant)


def place(url: str | None, data: Path | None) -> str | Path:
    """The URL, or else the directory, that the options, else the environment, name."""
    if url and data:
        raise InvalidRequestError("--url and --data name two databases; give one of them")
    if not data:
        url = url or os.environ.get("TSVEC_URL")
    return url or directory_of(data)


def directory_of(data: Path | None) -> Path:
    """The directory that the option, else the environment, else the default names."""
    return data or Path(os.environ.get("TSVEC_DATA") or DEFAULT_DIRECTORY)


def check_directory(path: Path) -> None:
    """NotFoundError unless the directory holds a database."""
    if not (path / "FORMAT").is_file():
        raise NotFoundError(
            f"{path} holds no database; name one with --data or --url, "
            "or make one with `tsvec ingest` or `tsvec serve`"
        )


def ingest_arrow(
    collection: CollectionTarget,
    stream: bytes,
    on_error: OnError,
    on_conflict: OnConflict,
    space: str | None = None,
    key: str | None = None,
) -> IngestReply:
    """Store the points of an Arrow IPC stream as one commit, here or over there, `key` once."""
    if isinstance(collection, RemoteCollection):
        return collection.ingest_arrow(stream, on_error, on_conflict, space, key)
    assert isinstance(collection, Collection)  # noqa: S101 - there are two kinds of target
    batch, *_ = decode_points(stream, ARROW, on_error, dim=collection.dim)
    return collection.ingest(
        batch, on_error=on_error, on_conflict=on_conflict, space=space, idempotency_key=key
    )


def every_collection(target: Target) -> Iterator[CollectionInfo]:
    """All collections, page by page."""
    cursor = None
    while True:
        page = target.list_collections(cursor=cursor)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return
