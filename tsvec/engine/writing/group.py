"""Preparing a group of requests of one collection for the log: seqs, frames and replies.

Nothing of the collection changes here. Only when the frames are durable are the changes applied
and the replies sent. A request that has to see what an earlier one does begins the next group.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

import numpy as np
import orjson
from pydantic import BaseModel

from tsvec.engine.intake.refused_rows import refuse_rows
from tsvec.engine.retries.draft import ReplyDraft
from tsvec.engine.store import Burial, Changes, CollectionStore
from tsvec.engine.writing.commits import NO_FLAGS, Commit, Victims, encode_commits
from tsvec.engine.writing.quotas import Room
from tsvec.engine.writing.rows import ResolvedRows, event_times, resolve_rows
from tsvec.engine.writing.tasks import IngestTask, Request
from tsvec.model.collections import CollectionConfig
from tsvec.model.errors import ConflictError, TooLargeError
from tsvec.model.points import PointBatch, RowError
from tsvec.model.replies import IngestError, IngestReply
from tsvec.model.times import TIME_MISSING, time_to_datetime
from tsvec.model.vectors import Int64Array
from tsvec.storage.log.frames import PAYLOAD_BYTES_MAX, Frame, Kind, Operation
from tsvec.storage.overlay import DeathCause
from tsvec.storage.schema import PointFlag, encode_deletions
from tsvec.window.attributes import AttributesVersion
from tsvec.window.entities import EntityDraft
from tsvec.window.hot import HotRows
from tsvec.window.part import Numbers
from tsvec.window.window_set import WindowSet

_FRAME_BYTES = 16 << 20
"""Requests of a group share a frame up to about this size; a larger request has its own."""

_REQUEST_BYTES_MAX = PAYLOAD_BYTES_MAX - (128 << 20)
"""Vectors and metadata of one request; ids, keys and types fit into the rest of a frame."""

Outcome = tuple[Any, Callable[[], object]]
"""A promise, and what makes its result once the group is visible."""


@dataclass(slots=True)
class Group:
    """What a group of tasks of one collection will write, change and answer."""

    frames: list[Frame]
    changes: Changes
    outcomes: list[Outcome]


class GroupBuilder:
    """Collects what tasks change, in their order, on top of a collection as it stands."""

    def __init__(self, store: CollectionStore, recorded_at: int, room: Room | None = None) -> None:
        self.store = store
        self._room = room
        self._growth = 0
        self.windows: WindowSet = store.read()
        self.config: CollectionConfig = self.windows.config
        self.seq = self.windows.seq
        self.recorded_at = recorded_at
        self.outcomes: list[Outcome] = []
        self.high = store.registry.high
        self.draft = EntityDraft()
        self._touched: set[tuple[int, int]] = set()
        self._untold: list[Commit] = []
        self._open: list[Commit] = []
        self._open_bytes = 0
        self._frames: list[Frame] = []
        self._rows: list[HotRows] = []
        self._burials: list[Burial] = []
        self._attributes: list[tuple[int, AttributesVersion]] = []
        self._resets: list[tuple[int, int]] = []
        self._dropped: frozenset[str] = frozenset()
        self._configured: list[tuple[int, int]] = []
        self._ticks = 0
        self.replies = ReplyDraft(store.ledger)
        self.is_closed = False

    @property
    def recorded(self) -> datetime:
        """When the last change was or will be recorded."""
        return time_to_datetime(self.windows.recorded_at if self.is_empty else self.recorded_at)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was changed yet."""
        return not self._frames and not self._open

    def finish(self) -> Group:
        """The group of all that was collected."""
        self._close_frame()
        frames, replies = self._frames, self.replies.records
        changes = Changes(
            config=self.config,
            seq=self.seq,
            recorded_at=self.recorded_at if frames else self.windows.recorded_at,
            entities=self.draft,
            seen=[(rows.number, rows.timestamp) for rows in self._rows],
            rows=self._rows,
            burials=self._burials,
            attributes=self._attributes,
            resets=self._resets,
            dropped=self._dropped,
            configured=self._configured,
            ticks=self._ticks,
            kept=replies,
        )
        if replies:
            history = self.store.manifest.history_number
            first = self.replies.frame(history, self.windows.seq, self.recorded_at)
            frames = [first, *frames]
        return Group(frames, changes, self.outcomes)

    def answer(self, task: Request, reply: Callable[[], BaseModel]) -> None:
        """Answer a task once the group is visible; its reply is kept if it is to happen once."""
        if task.once is None:
            self.outcomes.append((task.future, reply))
            return
        made = reply()
        self.replies.keep(task.once, self.seq, made)
        self.outcomes.append((task.future, lambda: made))

    def ingest(self, task: IngestTask) -> bool:
        """Take an ingest request; False if it touches points of this group and has to wait."""
        if self.is_closed:
            return False
        batch, store = task.batch, self.store
        check_bytes(batch.vector.nbytes + sum(map(len, batch.metadata)))
        refused: list[RowError] = []
        while True:
            known, types, added, errors = store.registry.resolve(batch, self.draft)
            numbers, times = np.array(known, np.uint32), event_times(batch, self.recorded_at)
            if self.touches(numbers, times):
                return False
            resolved = resolve_rows(
                self.windows, batch, numbers, times, task.on_conflict, frozenset(added.types)
            )
            errors = errors or resolved.refused
            if not errors:
                rows = Commit(batch, numbers, types, times, resolved.replaces, NO_FLAGS)
                self._take(task, rows, resolved, added, refused)
                return True
            if task.on_error == "reject_all":
                task.future.set_exception(refuse_rows(ConflictError, errors))
                return True
            refused += errors
            bad = {error.index for error in errors}
            batch = batch.take(
                np.flatnonzero([index not in bad for index in batch.origin.tolist()])
            )

    def _take(
        self,
        task: IngestTask,
        given: Commit,
        resolved: ResolvedRows,
        added: EntityDraft,
        refused: Sequence[RowError],
    ) -> None:
        """Add the rows that a request stores, and what it answers."""
        batch, rows = given.batch, resolved.stored
        types, is_whole = given.types, len(rows) == len(batch)
        times = given.times if is_whole else given.times[rows]
        late = times < min(self.high, self.recorded_at) - self.config.lateness_us
        replaced = int(np.count_nonzero(resolved.replaces))
        if len(rows):
            self.add_points(
                Commit(
                    batch=batch if is_whole else batch.take(rows),
                    numbers=given.numbers if is_whole else given.numbers[rows],
                    types=types if is_whole else [types[n] for n in rows.tolist()],
                    times=times,
                    replaces=resolved.replaces,
                    flags=late * np.uint8(PointFlag.LATE),
                ),
                added,
            )
        reply = IngestReply.model_construct(
            ingested=len(rows) + resolved.superseded,
            unchanged=resolved.unchanged,
            replaced=replaced + resolved.superseded,
            late=int(np.count_nonzero(late)),
            rejected=len(batch.refused) + len(refused),
            errors=_row_errors([*batch.refused, *refused]),
            seq=self.seq,
            recorded_at=self.recorded,
            durable=True,
        )
        self.answer(task, lambda: reply)

    def restore(
        self, batch: PointBatch, numbers: Numbers, types: list[str], types_back: dict[int, str]
    ) -> None:
        """Add points that were deleted as new versions; no living point has their identity."""
        count = len(batch)
        flags = np.full(count, PointFlag.RESTORED, np.uint8)
        replaces = np.zeros(count, np.uint64)
        commit = Commit(batch, numbers, types, batch.timestamp, replaces, flags)
        self.add_points(commit, EntityDraft(types=dict(types_back)))
        self.is_closed = True

    def check_room(self, growth: int) -> None:
        """QuotaExceededError unless there may be so many more points than the group has."""
        if self._room is not None:
            self._room.check(self._growth + growth)

    def add_points(self, commit: Commit, added: EntityDraft) -> None:
        """Add the rows of one request, a seq each; QuotaExceededError if there may not be more."""
        growth = len(commit) - int(np.count_nonzero(commit.replaces))
        self.check_room(growth)
        self._growth += growth
        size = commit.bytes
        if self._open_bytes and self._open_bytes + size > _FRAME_BYTES:
            self._close_frame()
        first = self.seq + 1
        self.seq += len(commit)
        if added.types:
            # A type that no stored row carries would be gone after a restart.
            carried = set(zip(commit.numbers.tolist(), commit.types, strict=True))
            added.types = {
                number: kind for number, kind in added.types.items() if (number, kind) in carried
            }
        # Of several requests together, only new entities have a type: their birth brings it.
        added.since = dict.fromkeys(added.types, 0 if commit.sizes is not None else self.seq)
        added.births = _births(commit, added, first)
        self.draft.accept(added)
        self._open.append(commit)
        self._open_bytes += size
        self._untold.append(commit)
        self.high = max(self.high, int(commit.times.max()))
        ends = np.flatnonzero(commit.replaces)
        if len(ends):
            self._burials.append(
                Burial(
                    number=commit.numbers[ends],
                    timestamp=commit.times[ends],
                    victim=commit.replaces[ends],
                    seq=(ends + first).astype(np.uint64),
                    at=self.recorded_at,
                    by=DeathCause.REPLACED,
                )
            )

    def delete(self, victims: Victims, whole_entity: tuple[str, int] | None) -> None:
        """Delete points, a seq each, and with `whole_entity` (id, number) what is known of it."""
        self._close_frame()
        self.is_closed = True
        count = len(victims.seq)
        first, total = self.seq + 1, count + (whole_entity is not None)
        names = list(victims.entity_id)
        if whole_entity is not None:
            names.append(whole_entity[0])
        extra = int(whole_entity is not None)
        payload = encode_deletions(
            entity_id=names,
            timestamp=np.append(victims.timestamp, [TIME_MISSING] * extra).astype(np.int64),
            key=[*victims.key, *[None] * extra],
            victim=np.append(victims.seq, [0] * extra).astype(np.uint64),
            commit=np.full(total, self.seq + total, np.uint64),
        )
        self._append_frame(Operation.DELETE_POINTS, total, payload)
        if count:
            self._burials.append(
                Burial(
                    number=victims.number,
                    timestamp=victims.timestamp,
                    victim=victims.seq,
                    seq=np.arange(first, first + count, dtype=np.uint64),
                    at=self.recorded_at,
                    by=DeathCause.DELETED,
                )
            )
        if whole_entity is not None:
            self._resets.append((whole_entity[1], self.seq))
            gone = AttributesVersion(self.seq, self.recorded_at, None)
            self._attributes.append((whole_entity[1], gone))

    def set_attributes(self, entity_id: str, number: int, value: bytes) -> None:
        """Give an entity other attributes (compact JSON)."""
        self._close_frame()
        document = {"entity_id": entity_id, "attributes": orjson.Fragment(value)}
        self._append_frame(Operation.SET_ATTRIBUTES, 1, orjson.dumps(document))
        self._attributes.append((number, AttributesVersion(self.seq, self.recorded_at, value)))

    def configure(self, config: CollectionConfig) -> None:
        """Change the collection's configuration."""
        self._close_frame()
        self.config = config
        self._append_frame(Operation.CONFIGURE, 1, config.model_dump_json().encode())
        self._configured.append((self.seq, self.recorded_at))

    def expire(self, names: Sequence[str], cutoff: int, points: int) -> None:
        """Drop partitions of which all points have expired."""
        self._close_frame()
        self.is_closed = True
        document = {"cutoff": cutoff, "partitions": list(names), "points": points}
        self._ticks += 1
        sub = self.store.ticks + self._ticks
        history = self.store.manifest.history_number
        self._frames.append(
            Frame(
                Kind.TICK,
                Operation.EXPIRE,
                history,
                self.seq,
                0,
                self.recorded_at,
                orjson.dumps(document),
                sub,
            )
        )
        self._dropped |= set(names)

    def touches(self, numbers: Numbers, times: Int64Array) -> bool:
        """Whether any of these (entity number, event time) is written by this group already."""
        if not self._untold and not self._touched:
            return False
        for commit in self._untold:
            self._touched.update(zip(commit.numbers.tolist(), commit.times.tolist(), strict=True))
        self._untold.clear()
        return not self._touched.isdisjoint(zip(numbers.tolist(), times.tolist(), strict=True))

    def _close_frame(self) -> None:
        """Write the requests taken since the last frame as one frame."""
        if not self._open:
            return
        commits, self._open, self._open_bytes = self._open, [], 0
        count = sum(map(len, commits))
        first_seq = self.seq - count + 1
        rows, payload = encode_commits(commits, first_seq, self.recorded_at)
        self._rows.append(rows)
        self._frames.append(self._frame(Operation.INSERT_POINTS, first_seq, count, payload))

    def _append_frame(self, operation: Operation, count: int, payload: object) -> None:
        self._frames.append(self._frame(operation, self.seq + 1, count, payload))
        self.seq += count

    def _frame(self, operation: Operation, first: int, count: int, payload: object) -> Frame:
        history = self.store.manifest.history_number
        return Frame(Kind.DATA, operation, history, first, count, self.recorded_at, payload)


def _births(commit: Commit, added: EntityDraft, first: int) -> dict[int, int]:
    """The last seq of the request that brings each new entity."""
    if not added.numbers:
        return {}
    numbers = np.fromiter(added.numbers.values(), np.int64, len(added.numbers))
    if commit.sizes is None:
        return dict.fromkeys(numbers.tolist(), first + len(commit) - 1)
    known, rows = np.unique(commit.numbers, return_index=True)
    rows = rows[np.searchsorted(known, numbers)]
    ends = np.cumsum(commit.sizes)
    births = first - 1 + ends[np.searchsorted(ends, rows, side="right")]
    return dict(zip(numbers.tolist(), births.tolist(), strict=True))


def check_bytes(size: int) -> None:
    """Raise TooLargeError if no frame can hold this many bytes of vectors and metadata."""
    if size > _REQUEST_BYTES_MAX:
        raise TooLargeError(
            f"one request of {size} bytes of vectors and metadata is too large; split it"
        )


def _row_errors(errors: Sequence[RowError]) -> list[IngestError]:
    return [
        IngestError(index=one.index, code=one.code, message=f"{one.field}: {one.message}")
        for one in sorted(errors, key=attrgetter("index"))
    ]
