"""Preparing a group of requests of one collection for the log: seqs, frames and replies.

Nothing of the collection changes here. Only when the frames are durable are the changes applied
and the replies sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Protocol, TypeVar

import numpy as np

from tsvec.engine.intake.refused_rows import refuse_rows
from tsvec.engine.store import Changes, CollectionStore
from tsvec.model.collections import CollectionConfig, CollectionInfo
from tsvec.model.errors import ConflictError, TooLargeError
from tsvec.model.points import OnError, PointBatch, RowError
from tsvec.model.replies import IngestError, IngestReply
from tsvec.model.times import TIME_MISSING, time_to_datetime
from tsvec.storage.log.frames import PAYLOAD_BYTES_MAX, Frame, Kind, Operation
from tsvec.storage.schema import encode_points
from tsvec.window.entities import EntityDraft
from tsvec.window.hot import HotRows

Outcome_contra = TypeVar("Outcome_contra", contravariant=True)

_FRAME_BYTES = 16 << 20
"""Requests of a group share a frame up to about this size; a larger request has its own."""

_REQUEST_BYTES_MAX = PAYLOAD_BYTES_MAX - (128 << 20)
"""Vectors and metadata of one request; ids, keys and types fit into the rest of a frame."""


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
    """One ingest request on its way to the log."""

    store: CollectionStore
    batch: PointBatch
    on_error: OnError
    future: Promise[IngestReply] = field(default_factory=Future)

    @property
    def rows(self) -> int:
        """Rows it brings."""
        return len(self.batch)


@dataclass(frozen=True, slots=True, eq=False)
class ConfigureTask:
    """One change of a collection's configuration on its way to the log."""

    store: CollectionStore
    config: CollectionConfig
    future: Future[CollectionInfo] = field(default_factory=Future)
    rows: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class CloseTask:
    """The last task of a collection: its log is closed by the thread that writes it."""

    store: CollectionStore
    future: Future[None] = field(default_factory=Future)
    rows: int = 0


Task = IngestTask | ConfigureTask | CloseTask


@dataclass(slots=True)
class Group:
    """What a group of tasks of one collection will write, change and answer."""

    frames: list[Frame]
    changes: Changes
    replies: list[tuple[Promise[IngestReply], IngestReply]]
    configured: list[Future[CollectionInfo]]
    closing: list[Future[None]]


@dataclass(frozen=True, slots=True)
class _Commit:
    """Rows of one accepted request, with their entities' numbers and types."""

    batch: PointBatch
    numbers: list[int]
    types: list[str]


class GroupBuilder:
    """Turns tasks, in their order, into one group on top of a collection as it stands."""

    def __init__(self, store: CollectionStore, now_us: int) -> None:
        windows = store.windows
        self._store = store
        self._config = windows.config
        self._seq = windows.seq
        self._recorded_at = max(windows.recorded_at, now_us)
        self._recorded = time_to_datetime(self._recorded_at)
        self._draft = EntityDraft()
        self._open: list[_Commit] = []
        self._open_bytes = 0
        self._frames: list[Frame] = []
        self._rows: list[HotRows] = []
        self._replies: list[tuple[Promise[IngestReply], IngestReply]] = []
        self._configured: list[Future[CollectionInfo]] = []
        self._closing: list[Future[None]] = []

    def add(self, task: Task) -> None:
        """Take one task; a refused one gets its exception at once and leaves no trace."""
        match task:
            case IngestTask():
                self._ingest(task)
            case ConfigureTask():
                self._configure(task)
            case CloseTask():
                self._closing.append(task.future)

    def finish(self) -> Group:
        """The group of all tasks taken."""
        self._close_frame()
        seen = [(rows.number, rows.timestamp) for rows in self._rows]
        changes = Changes(self._draft, seen, self._rows, self._config, self._seq, self._recorded_at)
        return Group(self._frames, changes, self._replies, self._configured, self._closing)

    def _ingest(self, task: IngestTask) -> None:
        batch = task.batch
        size = batch.vector.nbytes + sum(map(len, batch.metadata))
        if size > _REQUEST_BYTES_MAX:
            message = f"one request of {size} bytes of vectors and metadata is too large; split it"
            task.future.set_exception(TooLargeError(message))
            return
        numbers, types, added, refused = self._store.registry.resolve(batch, self._draft)
        if refused and task.on_error == "reject_all":
            task.future.set_exception(refuse_rows(ConflictError, refused))
            return
        if refused:
            bad = {error.index for error in refused}
            good = np.flatnonzero([index not in bad for index in batch.origin.tolist()])
            batch = batch.take(good)
            numbers, types, added, _ = self._store.registry.resolve(batch, self._draft)
        if len(batch):
            self._draft.accept(added)
            if self._open_bytes and self._open_bytes + size > _FRAME_BYTES:
                self._close_frame()
            self._open.append(_Commit(batch, numbers, types))
            self._open_bytes += size
            self._seq += len(batch)
        self._replies.append((task.future, self._reply(batch, [*batch.refused, *refused])))

    def _reply(self, batch: PointBatch, refused: Sequence[RowError]) -> IngestReply:
        return IngestReply.model_construct(
            ingested=len(batch),
            rejected=len(refused),
            errors=[_row_error(error) for error in sorted(refused, key=attrgetter("index"))],
            seq=self._seq,
            recorded_at=self._recorded,
            durable=True,
        )

    def _configure(self, task: ConfigureTask) -> None:
        self._close_frame()
        self._config = task.config
        payload = task.config.model_dump_json().encode()
        self._frames.append(self._frame(Operation.CONFIGURE, self._seq + 1, 1, payload))
        self._seq += 1
        self._configured.append(task.future)

    def _close_frame(self) -> None:
        """Write the requests taken since the last frame as one frame."""
        if not self._open:
            return
        commits, self._open, self._open_bytes = self._open, [], 0
        sizes = np.array([len(commit.batch) for commit in commits])
        count = int(sizes.sum())
        first_seq = self._seq - count + 1
        ends = first_seq - 1 + np.cumsum(sizes)
        batches = [commit.batch for commit in commits]
        vectors = [batch.vector for batch in batches]
        times = np.concatenate([batch.timestamp for batch in batches])
        rows = HotRows(
            number=np.array([n for commit in commits for n in commit.numbers], np.uint32),
            timestamp=np.where(times == TIME_MISSING, self._recorded_at, times),
            seq=np.arange(first_seq, self._seq + 1, dtype=np.uint64),
            recorded_at=self._recorded_at,
            vector=vectors[0] if len(vectors) == 1 else np.concatenate(vectors),
            metadata=[text for batch in batches for text in batch.metadata],
            key=[key for batch in batches for key in batch.key],
        )
        payload = encode_points(
            entity_id=[name for batch in batches for name in batch.entity_id],
            entity_type=[name for commit in commits for name in commit.types],
            timestamp=rows.timestamp,
            key=rows.key,
            vector=rows.vector,
            metadata=rows.metadata,
            commit=np.repeat(ends, sizes).astype(np.uint64),
        )
        self._rows.append(rows)
        self._frames.append(self._frame(Operation.INSERT_POINTS, first_seq, count, payload))

    def _frame(self, operation: Operation, first: int, count: int, payload: object) -> Frame:
        history = self._store.history_number
        return Frame(Kind.DATA, operation, history, first, count, self._recorded_at, payload)


def _row_error(error: RowError) -> IngestError:
    message = f"{error.field}: {error.message}"
    return IngestError(index=error.index, code=error.code, message=message)
