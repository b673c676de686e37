"""Changing the points of a collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from tsvec.engine.facade.handle import Handle
from tsvec.engine.facade.loading import Load
from tsvec.engine.intake.admission import admit_batch
from tsvec.engine.intake.columns import batch_of_columns
from tsvec.engine.intake.frames import FramePlan, batch_of_frame, batch_of_table, is_frame
from tsvec.engine.intake.pieces import PIECE_ROWS, check_piece_rows, decode_piece, read_pieces
from tsvec.engine.intake.points import PointLike, points_to_batch
from tsvec.engine.intake.refused_rows import refuse_rows
from tsvec.engine.retries.fingerprints import parts_of_batch, parts_of_records
from tsvec.engine.store import CollectionStore
from tsvec.engine.writing.removal import preview_delete, preview_restore, select_living
from tsvec.engine.writing.tasks import DeleteTask, IngestTask, Promise, RestoreTask, UpdateTask
from tsvec.model.collections import DEFAULT_COLLECTION, CollectionConfig
from tsvec.model.errors import ConflictError, InvalidRequestError
from tsvec.model.limits import in_force
from tsvec.model.lists.replies import UpdateReply
from tsvec.model.lists.requests import PointPatch
from tsvec.model.points import OnConflict, OnError, PointBatch
from tsvec.model.queries import DeletePointsRequest, PointRef, RestorePointsRequest
from tsvec.model.replies import DeleteReply, IngestReply, RestoreReply
from tsvec.model.retries.once import IdempotencyKey, Once, once_given
from tsvec.model.times import TIME_MIN_US
from tsvec.window.entities import EntityDraft, EntityRegistry
from tsvec.window.masks.row_filter import RowFilter
from tsvec.window.window_set import WindowSet


class PointWrites(Handle):
    """Ingest, update, delete, restore. Each is one atomic commit, fsynced and visible when it
    returns.
    """

    def ingest(
        self,
        points: PointBatch | Sequence[PointLike] | Any = None,
        *,
        on_error: OnError = "reject_all",
        on_conflict: OnConflict = "replace",
        space: str | None = None,
        idempotency_key: IdempotencyKey = None,
        **fields: Any,
    ) -> IngestReply:
        """Store points.

        Give a sequence of points (mappings or `PointInput`), a `PointBatch`, or columns by keyword:
        `entity_id` (str or sequence), `vector` (dim,) or (rows, dim), and optionally `timestamp`,
        `entity_type`, `metadata` and `key`, each one value or one a row. `space` names the
        embedding model that made the vectors; ConflictError if the collection's is another.

        Or give a frame: a table of Arrow, pandas, polars or DuckDB - anything with
        `__arrow_c_stream__` - or a structured array. Its columns have the names of those fields,
        and the keywords say where they do not: `columns` maps names to fields (None leaves one
        out), `vector` lists columns of single elements, `metadata` those to keep as metadata.
        """
        with in_force(self._services.limits):
            batch = self._batch(points, on_error, fields)
        if space is not None:
            batch = replace(batch, space=space)
        return self.submit(batch, on_error, on_conflict, idempotency_key).result()

    def ingest_frames(
        self,
        frames: Any,
        *,
        columns: Mapping[str, str | None] | None = None,
        vector: str | Sequence[str] | None = None,
        metadata: str | Sequence[str] | None = None,
        commit_rows: int = PIECE_ROWS,
        on_error: OnError = "reject_all",
        on_conflict: OnConflict = "replace",
        space: str | None = None,
    ) -> IngestReply:
        """Store a frame of any length, such as a `RecordBatchReader`, or an iterable of frames.

        Every `commit_rows` rows are one commit, fsynced before the next are read; no commit has
        rows of two frames. Returns the sum of all replies, `seq` and `recorded_at` of the last, and
        at most `batch_rows_max` of the `errors`. Rows are counted over all frames. What fails stops
        the load; the error says which rows are stored. Everything else is as for `ingest`.
        """
        plan = FramePlan.of(columns, vector, metadata)

        def decode(table: Any, first_row: int) -> PointBatch:
            return replace(
                batch_of_table(table, plan, on_error, dim=self.dim, first_row=first_row),
                space=space,
            )

        load = Load()
        with in_force(self._services.limits), load.told_in_errors():
            check_piece_rows(commit_rows)
            for piece in read_pieces(frames, commit_rows):
                for batch in decode_piece(piece, load.rows, decode):
                    load.add(batch, self.submit(batch, on_error, on_conflict).result())
        return load.reply()

    def submit(
        self,
        batch: PointBatch,
        on_error: OnError = "reject_all",
        on_conflict: OnConflict = "replace",
        idempotency_key: IdempotencyKey = None,
    ) -> Future[IngestReply]:
        """The same for a batch, without waiting: the future resolves once it is fsynced."""
        future: Future[IngestReply] = Future()
        once = once_given(idempotency_key, parts_of_batch(batch, on_error, on_conflict))
        self.enqueue(batch, on_error, future, on_conflict, once)
        return future

    def enqueue(
        self,
        batch: PointBatch,
        on_error: OnError,
        promise: Promise[IngestReply],
        on_conflict: OnConflict = "replace",
        once: Once | None = None,
    ) -> None:
        """The same, telling the outcome to a promise, in the writer's thread."""
        store = self._store_for(batch, on_error)
        if once is not None and (again := store.ledger.find_record(once, IngestReply)) is not None:
            promise.set_result(again)
            return
        config = store.windows.config
        admitted = admit_batch(config, batch, on_error, store.cutoff(config))
        task = IngestTask(store, admitted, on_error, on_conflict, promise, once)
        self._services.writer.submit(task)

    def delete_points(
        self, *, dry_run: bool = False, idempotency_key: IdempotencyKey = None, **selector: Any
    ) -> DeleteReply:
        """Delete points: those in `points` (entity_id, timestamp, key), or all of `entity_ids`, of
        the range `start_time` to `end_time`, that a `filter` lets pass, or that are all of this.
        `dry_run` only counts them.
        """
        request = self._given(DeletePointsRequest, dry_run=dry_run, **selector)
        return self.delete(request, idempotency_key)

    def delete(
        self, request: DeletePointsRequest, idempotency_key: IdempotencyKey = None
    ) -> DeleteReply:
        """`delete_points` for a request record."""
        store = self._store()
        if request.dry_run:
            with in_force(self._services.limits):
                return preview_delete(self._read(), request)
        once = once_given(idempotency_key, parts_of_records("delete_points", request))
        again = store.ledger.find_record(once, DeleteReply)
        if again is not None:
            return again
        row_filter = _evaluated(self._read(), request)
        task = DeleteTask(store, request, row_filter=row_filter, once=once)
        self._services.writer.submit(task)
        return task.future.result()

    def restore_points(
        self, *, dry_run: bool = False, idempotency_key: IdempotencyKey = None, **selector: Any
    ) -> RestoreReply:
        """Bring deleted points back, selected as for `delete_points`, or by the seqs of their
        deletions, `first_seq` to `last_seq`.
        """
        request = self._given(RestorePointsRequest, dry_run=dry_run, **selector)
        return self.restore(request, idempotency_key)

    def restore(
        self, request: RestorePointsRequest, idempotency_key: IdempotencyKey = None
    ) -> RestoreReply:
        """`restore_points` for a request record."""
        store = self._store()
        if request.dry_run:
            with in_force(self._services.limits):
                return preview_restore(self._read(), store.oldest_as_of(), request)
        once = once_given(idempotency_key, parts_of_records("restore_points", request))
        return self._services.commit(RestoreTask(store, request, once=once))

    def update_point(
        self,
        entity_id: str,
        timestamp: Any,
        metadata: Mapping[str, Any],
        *,
        key: str | None = None,
        idempotency_key: IdempotencyKey = None,
    ) -> UpdateReply:
        """Change some of a point's metadata by a merge patch (RFC 7396); null removes a member.

        NotFoundError if the point is not there.
        """
        ref = self._given(PointRef, entity_id=entity_id, timestamp=timestamp, key=key)
        return self.update(ref, self._given(PointPatch, metadata=metadata), idempotency_key)

    def update(
        self, ref: PointRef, patch: PointPatch, idempotency_key: IdempotencyKey = None
    ) -> UpdateReply:
        """`update_point` for records."""
        store = self._store()
        once = once_given(idempotency_key, parts_of_records("update_point", ref, patch))
        return self._services.commit(UpdateTask(store, ref, patch.metadata, once=once))

    def _store_for(self, batch: PointBatch, on_error: OnError) -> CollectionStore:
        """The collection; `default` is made by the first ingest that is not refused."""
        stores = self._services.stores
        store = stores.find(self.name)
        if store is not None or self.name != DEFAULT_COLLECTION:
            return store or self._store()
        config = CollectionConfig(name=self.name, dim=batch.dim)
        admitted = admit_batch(config, batch, on_error, TIME_MIN_US)
        if not len(admitted):
            raise InvalidRequestError(
                "the collection does not exist yet and no row is good enough to make it"
            )
        *_, conflicts = EntityRegistry().resolve(admitted, EntityDraft())
        if conflicts and on_error == "reject_all":
            raise refuse_rows(ConflictError, conflicts)
        return stores.create(config, exist_ok=True)

    def _batch(
        self,
        points: PointBatch | Sequence[PointLike] | Any,
        on_error: OnError,
        fields: dict[str, Any],
    ) -> PointBatch:
        if is_frame(points):
            return batch_of_frame(points, FramePlan.given(fields), on_error, dim=self.dim)
        if (points is None) == (not fields):
            raise InvalidRequestError("give either points or columns such as entity_id and vector")
        if points is None:
            return batch_of_columns(fields, on_error, dim=self.dim)
        if isinstance(points, PointBatch):
            return points
        if not isinstance(points, Sequence) or isinstance(points, str | bytes):
            raise InvalidRequestError(
                "points are a sequence of mappings, a PointBatch, or a frame with "
                f"__arrow_c_stream__, not {type(points).__name__}"
            )
        return points_to_batch(points, on_error, dim=self.dim)


def _evaluated(windows: WindowSet, request: DeletePointsRequest) -> RowFilter | None:
    """The filter of a request, evaluated over all that it may delete by this thread.

    Which points are deleted is decided by the writer, on the collection as it finds it. Over a
    large part that takes a filter a second, in which nobody could write. So it is evaluated here,
    and what it holds on to serves the writer, who looks at the rows that came since and at parts
    that compaction made since.
    """
    row_filter = windows.row_filter(request.filter)
    if row_filter is not None:
        select_living(windows, request, row_filter)
    return row_filter
