"""The facade of a collection: its points, its queries, its entities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from tsvec.engine.commit import IngestTask, Promise
from tsvec.engine.entities import Entities
from tsvec.engine.intake.admission import admit_batch
from tsvec.engine.intake.columns import batch_of_columns
from tsvec.engine.intake.points import PointLike, points_to_batch
from tsvec.engine.intake.refused_rows import refuse_rows
from tsvec.engine.store import CollectionStore
from tsvec.engine.stores import Stores
from tsvec.engine.writer import Writer
from tsvec.model.collections import (
    DEFAULT_COLLECTION,
    BytesByKind,
    CollectionConfig,
    CollectionStats,
    WindowList,
)
from tsvec.model.errors import ConflictError, ErrorDetail, InvalidRequestError, TsvecError
from tsvec.model.points import OnError, PointBatch
from tsvec.model.queries import TemporalKnnBatchRequest, TemporalKnnRequest, TimeRange
from tsvec.model.replies import IngestReply, TemporalKnnBatchReply, TemporalKnnReply
from tsvec.model.times import time_to_datetime
from tsvec.model.validation import Record, record_of
from tsvec.query.knn import PreparedKnn, answer_knn, encode_knn, prepare_knn
from tsvec.query.windows import page_windows
from tsvec.window.entities import EntityDraft, EntityRegistry

__all__ = ["Collection", "PreparedKnn", "Promise"]


class Collection:
    """A handle by name: cheap, and may outlive its collection. It keeps its database alive."""

    def __init__(self, stores: Stores, writer: Writer, name: str, database: object = None) -> None:
        self._stores = stores
        self._writer = writer
        self._database = database
        self.name = name

    @property
    def entities(self) -> Entities:
        """The entities of this collection."""
        return Entities(self._store)

    @property
    def dim(self) -> int | None:
        """Elements of every vector; None while the collection does not exist."""
        store = self._stores.find(self.name)
        return None if store is None else store.windows.config.dim

    def ingest(
        self,
        points: PointBatch | Sequence[PointLike] | None = None,
        *,
        on_error: OnError = "reject_all",
        **columns: Any,
    ) -> IngestReply:
        """Store points in one atomic commit; they are fsynced and visible when it returns.

        Give a sequence of points (mappings or `PointInput`), a `PointBatch`, or columns by keyword:
        `entity_id` (str or sequence), `vector` (dim,) or (rows, dim), and optionally `timestamp`,
        `entity_type`, `metadata` and `key`, each one value or one a row.
        """
        return self.submit(self._batch(points, on_error, columns), on_error).result()

    def submit(self, batch: PointBatch, on_error: OnError = "reject_all") -> Future[IngestReply]:
        """The same for a batch, without waiting: the future resolves once it is fsynced."""
        future: Future[IngestReply] = Future()
        self.enqueue(batch, on_error, future)
        return future

    def enqueue(self, batch: PointBatch, on_error: OnError, promise: Promise[IngestReply]) -> None:
        """The same, telling the outcome to a promise, in the writer's thread."""
        store = self._store_for(batch, on_error)
        admitted = admit_batch(store.windows.config, batch, on_error)
        self._writer.submit(IngestTask(store, admitted, on_error, promise))

    def temporal_knn(self, query_vector: Any = None, **request: Any) -> TemporalKnnReply:
        """The k points nearest to a vector or an entity inside a time range.

        Keywords are the fields of `TemporalKnnRequest`: `entity_id`, `at`, `start_time`,
        `end_time`, `k`, `entity_types`, `entity_ids`, `distinct`, `include`, `explain`.
        """
        fields = request if query_vector is None else request | {"query_vector": query_vector}
        return self.answer(_record(TemporalKnnRequest, fields))

    def temporal_knn_batch(
        self, queries: Sequence[TemporalKnnRequest | Mapping[str, Any]]
    ) -> TemporalKnnBatchReply:
        """Many such questions, answered from one window set, in this order."""
        return self.answer_batch(_record(TemporalKnnBatchRequest, {"queries": list(queries)}))

    def answer(self, request: TemporalKnnRequest) -> TemporalKnnReply:
        """`temporal_knn` for a request record."""
        return answer_knn([self.prepare(request)])[0]

    def answer_batch(self, request: TemporalKnnBatchRequest) -> TemporalKnnBatchReply:
        """`temporal_knn_batch` for a request record; a faulty question is named by its place."""
        windows = self._store().windows
        questions = []
        for place, query in enumerate(request.queries):
            try:
                questions.append(prepare_knn(windows, query))
            except TsvecError as error:
                raise _in_batch(error, place) from None
        results = answer_knn(questions)
        return TemporalKnnBatchReply.model_construct(results=results, as_of_seq=windows.seq)

    def prepare(self, request: TemporalKnnRequest) -> PreparedKnn:
        """Plan a question on the collection as it is now; raises what is wrong with it.

        `plan.cost_us` of the result says roughly how long the answer takes.
        """
        return prepare_knn(self._store().windows, request)

    def encode_answers(self, questions: Sequence[PreparedKnn]) -> list[bytes]:
        """The answers to prepared questions as JSON, measured together."""
        return encode_knn(questions)

    def get_collection_stats(self) -> CollectionStats:
        """Counts and sizes, read from one window set."""
        store = self._store()
        windows, files = store.windows, store.manifest
        times = [(part.time_min, part.time_max) for part in windows.parts()]
        return CollectionStats(
            collection=self.name,
            as_of_seq=windows.seq,
            points=windows.rows,
            hot_points=windows.hot_rows,
            sealed_points=windows.rows - windows.hot_rows,
            entities=len(windows.registry),
            partitions=len(windows.sealed),
            first_time=time_to_datetime(min(low for low, _ in times)) if times else None,
            last_time=time_to_datetime(max(high for _, high in times)) if times else None,
            bytes=BytesByKind(
                log=store.log.bytes_on_disk(),
                partitions=sum(part.points.size for part in files.partitions),
                columns=sum(part.columns.size for part in files.partitions),
                state=files.state.size if files.state else 0,
            ),
        )

    def list_windows(
        self,
        *,
        start_time: Any = None,
        end_time: Any = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> WindowList:
        """One page of the windows that hold points of a time range, oldest first."""
        span = _record(TimeRange, {"start_time": start_time, "end_time": end_time})
        return page_windows(self._store().windows, span, limit, cursor)

    def _store(self) -> CollectionStore:
        return self._stores.get(self.name)

    def _store_for(self, batch: PointBatch, on_error: OnError) -> CollectionStore:
        """The collection; `default` is made by the first ingest that is not refused."""
        store = self._stores.find(self.name)
        if store is not None or self.name != DEFAULT_COLLECTION:
            return store or self._store()
        config = CollectionConfig(name=self.name, dim=batch.dim)
        admitted = admit_batch(config, batch, on_error)
        if not len(admitted):
            raise InvalidRequestError(
                "the collection does not exist yet and no row is good enough to make it"
            )
        *_, conflicts = EntityRegistry().resolve(admitted, EntityDraft())
        if conflicts and on_error == "reject_all":
            raise refuse_rows(ConflictError, conflicts)
        return self._stores.create(config, exist_ok=True)

    def _batch(
        self,
        points: PointBatch | Sequence[PointLike] | None,
        on_error: OnError,
        columns: dict[str, Any],
    ) -> PointBatch:
        if (points is None) == (not columns):
            raise InvalidRequestError("give either points or columns such as entity_id and vector")
        if points is None:
            return batch_of_columns(columns, on_error, dim=self.dim)
        if isinstance(points, PointBatch):
            return points
        return points_to_batch(points, on_error, dim=self.dim)


def _record(kind: type[Record], fields: dict[str, Any]) -> Record:
    return record_of(kind, {name: value for name, value in fields.items() if value is not None})


def _in_batch(error: TsvecError, place: int) -> TsvecError:
    """The error of one question of a batch, its details prefixed with the question's place."""
    details = [
        ErrorDetail(field=f"queries[{place}].{one.field}", message=one.message, row=place)
        for one in error.details
    ]
    return type(error)(f"queries[{place}]: {error.message}", details)
