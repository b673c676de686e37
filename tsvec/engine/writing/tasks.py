"""The requests that change a collection, on their way to the writer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeAlias, TypeVar

from pydantic import BaseModel

from tsvec.engine.store import CollectionStore
from tsvec.model.collections import CollectionConfig, CollectionInfo, CompactionStatus
from tsvec.model.lists.replies import UpdateReply
from tsvec.model.points import OnConflict, OnError, PointBatch
from tsvec.model.queries import DeletePointsRequest, PointRef, RestorePointsRequest
from tsvec.model.replies import AttributesReply, DeleteReply, IngestReply, RestoreReply
from tsvec.model.retries.once import Once
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

    reply: ClassVar[type[BaseModel]] = IngestReply
    store: CollectionStore
    batch: PointBatch
    on_error: OnError
    on_conflict: OnConflict
    future: Promise[IngestReply] = field(default_factory=Future)
    once: Once | None = None

    @property
    def rows(self) -> int:
        """Rows it brings."""
        return len(self.batch)


@dataclass(frozen=True, slots=True, eq=False)
class DeleteTask:
    """Points to delete; with `whole_entity`, also the type and attributes of the one entity.

    `row_filter` is that of the request, if it was evaluated before.
    """

    reply: ClassVar[type[BaseModel]] = DeleteReply
    store: CollectionStore
    request: DeletePointsRequest
    whole_entity: str | None = None
    row_filter: RowFilter | None = None
    future: Future[DeleteReply] = field(default_factory=Future)
    once: Once | None = None
    rows: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class RestoreTask:
    """Deleted points to bring back."""

    reply: ClassVar[type[BaseModel]] = RestoreReply
    store: CollectionStore
    request: RestorePointsRequest
    future: Future[RestoreReply] = field(default_factory=Future)
    once: Once | None = None
    rows: int = 1
    """What it restores becomes hot, so it waits for room as points do."""


@dataclass(frozen=True, slots=True, eq=False)
class UpdateTask:
    """A merge patch of one point's metadata."""

    reply: ClassVar[type[BaseModel]] = UpdateReply
    store: CollectionStore
    point: PointRef
    patch: Mapping[str, Any]
    future: Future[UpdateReply] = field(default_factory=Future)
    once: Once | None = None
    rows: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class AttributesTask:
    """A change of an entity's attributes: what they become, of what they are."""

    reply: ClassVar[type[BaseModel]] = AttributesReply
    store: CollectionStore
    entity_id: str
    change: Callable[[dict[str, Any]], Attributes]
    future: Future[AttributesReply] = field(default_factory=Future)
    once: Once | None = None
    rows: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class ConfigureTask:
    """A change of a collection's configuration: what it becomes, of what it is."""

    reply: ClassVar[type[BaseModel]] = CollectionInfo
    store: CollectionStore
    change: Callable[[CollectionConfig], CollectionConfig]
    future: Future[CollectionInfo] = field(default_factory=Future)
    once: Once | None = None
    rows: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class CompactTask:
    """A compaction to begin, which is told to the writer only to happen once."""

    reply: ClassVar[type[BaseModel]] = CompactionStatus
    store: CollectionStore
    begin: Callable[[], CompactionStatus]
    once: Once
    future: Future[CompactionStatus] = field(default_factory=Future)
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


Reply = TypeVar("Reply", bound=BaseModel)


class Answered(Protocol[Reply]):
    """A request that one caller waits for."""

    @property
    def store(self) -> CollectionStore:
        """The collection it changes."""

    @property
    def future(self) -> Future[Reply]:
        """Where its reply goes."""

    @property
    def once(self) -> Once | None:
        """What tells it from every other request, if it is not to happen twice."""

    @property
    def reply(self) -> type[BaseModel]:
        """The kind of its reply."""


Request = (
    IngestTask
    | DeleteTask
    | RestoreTask
    | UpdateTask
    | AttributesTask
    | ConfigureTask
    | CompactTask
)
"""What a client asks for, and may ask for again with the same `once`."""

Task = Request | ExpireTask | CloseTask
