"""Asking questions of a collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tsvec.engine.facade.handle import Handle
from tsvec.model.collections import WindowList
from tsvec.model.errors import ErrorDetail, TsvecError
from tsvec.model.queries import (
    DeletedPointsRequest,
    TemporalKnnBatchRequest,
    TemporalKnnRequest,
    WindowsRequest,
)
from tsvec.model.replies import DeletedPointList, TemporalKnnBatchReply, TemporalKnnReply
from tsvec.model.validation import given_record
from tsvec.query.deleted import page_deleted
from tsvec.query.knn import PreparedKnn, answer_knn, encode_knn, prepare_knn
from tsvec.query.windows import page_windows


class PointReads(Handle):
    """Questions about points. Each takes `as_of` and `wait_for_seq`."""

    def temporal_knn(self, query_vector: Any = None, **request: Any) -> TemporalKnnReply:
        """The k points nearest to a vector or an entity inside a time range.

        Keywords are the fields of `TemporalKnnRequest`: `entity_id`, `at`, `start_time`,
        `end_time`, `k`, `entity_types`, `entity_ids`, `distinct`, `include`, `explain`, `as_of`,
        `wait_for_seq`.
        """
        return self.answer(given_record(TemporalKnnRequest, query_vector=query_vector, **request))

    def temporal_knn_batch(
        self, queries: Sequence[TemporalKnnRequest | Mapping[str, Any]]
    ) -> TemporalKnnBatchReply:
        """Many such questions, answered from one window set, in this order."""
        return self.answer_batch(given_record(TemporalKnnBatchRequest, queries=list(queries)))

    def answer(self, request: TemporalKnnRequest) -> TemporalKnnReply:
        """`temporal_knn` for a request record."""
        return answer_knn([self.prepare(request)])[0]

    def answer_batch(self, request: TemporalKnnBatchRequest) -> TemporalKnnBatchReply:
        """`temporal_knn_batch` for a request record; a faulty question is named by its place."""
        store = self._store()
        wanted = max((query.wait_for_seq or 0 for query in request.queries), default=0)
        present = store.read(wait_for_seq=wanted)
        questions = []
        for place, query in enumerate(request.queries):
            try:
                windows = present if query.as_of is None else store.read(query.as_of)
                questions.append(prepare_knn(windows, query))
            except TsvecError as error:
                raise _in_batch(error, place) from None
        results = answer_knn(questions)
        return TemporalKnnBatchReply.model_construct(results=results, as_of_seq=present.seq)

    def prepare(self, request: TemporalKnnRequest) -> PreparedKnn:
        """Plan a question on the collection as it is asked for; raises what is wrong with it.

        `plan.cost_us` of the result says roughly how long the answer takes.
        """
        return prepare_knn(self._store().read(request.as_of, request.wait_for_seq), request)

    def encode_answers(self, questions: Sequence[PreparedKnn]) -> list[bytes]:
        """The answers to prepared questions as JSON, measured together."""
        return encode_knn(questions)

    def list_windows(self, **request: Any) -> WindowList:
        """One page of the windows that hold points of a time range, oldest first.

        Keywords are the fields of `WindowsRequest`: `start_time`, `end_time`, `limit`, `cursor`,
        `as_of`, `wait_for_seq`.
        """
        return self.windows(given_record(WindowsRequest, **request))

    def windows(self, request: WindowsRequest) -> WindowList:
        """`list_windows` for a request record."""
        return page_windows(self._store().read(request.as_of, request.wait_for_seq), request)

    def list_deleted_points(self, **request: Any) -> DeletedPointList:
        """One page of the deleted points that can be brought back, the newest deletion first.

        Keywords are the fields of `DeletedPointsRequest`: `entity_ids`, `start_time`, `end_time`,
        `limit`, `cursor`, `as_of`, `wait_for_seq`.
        """
        return self.deleted(given_record(DeletedPointsRequest, **request))

    def deleted(self, request: DeletedPointsRequest) -> DeletedPointList:
        """`list_deleted_points` for a request record."""
        store = self._store()
        windows = store.read(request.as_of, request.wait_for_seq)
        return page_deleted(windows, store.oldest_as_of(), request)


def _in_batch(error: TsvecError, place: int) -> TsvecError:
    """The error of one question of a batch, its details prefixed with the question's place."""
    details = [
        ErrorDetail(field=f"queries[{place}].{one.field}", message=one.message, row=place)
        for one in error.details
    ]
    return type(error)(f"queries[{place}]: {error.message}", details)
