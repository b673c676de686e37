"""The requests that change a collection, on their way to the writer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, TypeVar

from tsvec.engine.store import CollectionStore
from tsvec.model.collections import CollectionConfig, CollectionInfo
from tsvec.model.lists.replies import UpdateReply
from tsvec.model.points import OnConflict, OnError, PointBatch
from tsvec.model.queries import DeletePointsRequest, PointRef, RestorePointsRequest
from tsvec.model.replies import AttributesReply, DeleteReply, IngestReply, RestoreReply
from tsvec.window.masks.row_filter import RowFilter

Outcome_contra = TypeVar("Outcome_contra", contravariant=True)

Attributes: TypeAlias = Mapping[str, Any]


class Promise(Protocol[Outcome_contra]):
    """Where the outcome of a task goes: a Future, or what an event loop can do with less."""

    def set_running_or_notify_cancel(self) -> bool:
        """The task begins; False if nobody wants it any more."""

    def done(self) -> bool:
        """Whether it has its outcome."""

    def set_result(self, result: Outcome_contra, /) -> None:
        """The task is durable and visible."""

    def set_exception(self, exception: BaseException, /) -> None:
        """The task left no trace."""


@dataclass(frozen=True, slots=True, eq=False)
class IngestTask:
    """Points to store."""

    store: CollectionStore
    batch: PointBatch
    on_error: OnError
    on_conflict: OnConflict
    future: Promise[IngestReply] = field(default_factory=Future)

    @property
    def rows(self) -> int:
        """Rows it brings."""
        return len(self.batch)


@dataclass(frozen=True, slots=True, eq=False)
class DeleteTask:
    """Points to delete; with `whole_entity`, also the type and attributes of the one entity.

    `row_filter` is that of the request, if it was evaluated before.
    """

    store: CollectionStore
    request: DeletePointsRequest
    whole_entity: str | None = None
    row_filter: RowFilter | None = None
    future: Future[DeleteReply] = field(default_factory=Future)
    rows: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class RestoreTask:
    """Deleted points to bring back."""

    store: CollectionStore
    request: RestorePointsRequest
    future: Future[RestoreReply] = field(default_factory=Future)
    rows: int = 1
    """What it restores becomes hot, so it waits for room as points do."""


@dataclass(frozen=True, slots=True, eq=False)
class UpdateTask:
    """A merge patch of one point's metadata."""

    store: CollectionStore
    point: PointRef
    patch: Mapping[str, Any]
    future: Future[UpdateReply] = field(default_factory=Future)
    rows: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class AttributesTask:
    """A change of an entity's attributes: what they become, of what they are."""

    store: CollectionStore
    entity_id: str
    change: Callable[[dict[str, Any]], Attributes]
    future: Future[AttributesReply] = field(default_factory=Future)
    rows: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class ConfigureTask:
    """A change of a collection's configuration: what it becomes, of what it is."""

    store: CollectionStore
    change: Callable[[CollectionConfig], CollectionConfig]
    future: Future[CollectionInfo] = field(default_factory=Future)
    rows: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class ExpireTask:
    """Partitions to drop, all of whose points lie before a cutoff (µs)."""

    store: CollectionStore
    cutoff: int
    future: Future[None] = field(default_factory=Future)
    rows: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class CloseTask:
    """The last task of a collection: its log is closed by the thread that writes it."""

    store: CollectionStore
    future: Future[None] = field(default_factory=Future)
    rows: int = 0


Task = (
    IngestTask
    | DeleteTask
    | RestoreTask
    | UpdateTask
    | AttributesTask
    | ConfigureTask
    | ExpireTask
    | CloseTask
)
