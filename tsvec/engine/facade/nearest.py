"""Asking what is near."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tsvec.engine.facade.handle import Handle
from tsvec.engine.store import CollectionStore
from tsvec.model.errors import ErrorDetail, TsvecError
from tsvec.model.nearest.replies import TemporalDiffReply, TemporalRangeReply
from tsvec.model.nearest.requests import (
    TemporalDiffRequest,
    TemporalKnnWalkRequest,
    TemporalRangeRequest,
)
from tsvec.model.queries import TemporalKnnBatchRequest, TemporalKnnRequest
from tsvec.model.replies import TemporalKnnBatchReply, TemporalKnnReply
from tsvec.model.times import AsOf
from tsvec.query.knn import Choices, PreparedKnn, answer_knn, encode_knn, prepare_knn
from tsvec.query.nearest.diff import answer_diff
from tsvec.query.nearest.within import answer_range
from tsvec.window.window_set import WindowSet


class NearestReads(Handle):
    """Questions about what is near. Each takes `as_of` and `wait_for_seq`."""

    def temporal_knn(self, query_vector: Any = None, **request: Any) -> TemporalKnnReply:
        """The k points nearest to a vector or an entity inside a time range.

        Keywords are the fields of `TemporalKnnRequest`: `entity_id`, `at`, `start_time`,
        `end_time`, `k`, `entity_types`, `entity_ids`, `filter`, `distinct`, `time_decay`, `space`,
        `include`, `explain`, `as_of`, `wait_for_seq`.
        """
        return self.answer(self._given(TemporalKnnRequest, query_vector=query_vector, **request))

    def temporal_knn_batch(
        self, queries: Sequence[TemporalKnnRequest | Mapping[str, Any]]
    ) -> TemporalKnnBatchReply:
        """Many such questions, answered from one window set, in this order."""
        return self.answer_batch(self._given(TemporalKnnBatchRequest, queries=list(queries)))

    def temporal_knn_walk(
        self, query_vector: Any = None, *, as_of_each: Sequence[Any], **request: Any
    ) -> TemporalKnnBatchReply:
        """One such question asked of many states: a reply for each seq or recorded time.

        Keywords are the fields of `TemporalKnnRequest` but `as_of`.
        """
        fields = {"query_vector": query_vector, "as_of_each": list(as_of_each)} | request
        return self.answer_walk(self._given(TemporalKnnWalkRequest, **fields))

    def temporal_range(self, query_vector: Any = None, **request: Any) -> TemporalRangeReply:
        """All points within `radius` of a vector or an entity inside a time range, nearest first.

        Keywords are the fields of `TemporalRangeRequest`: `radius`, `limit`, `entity_id`, `at`,
        `start_time`, `end_time`, `entity_types`, `entity_ids`, `filter`, `space`, `include`,
        `explain`, `as_of`, `wait_for_seq`.
        """
        fields = self._given(TemporalRangeRequest, query_vector=query_vector, **request)
        return self.answer_range(fields)

    def temporal_diff(self, query_vector: Any = None, **request: Any) -> TemporalDiffReply:
        """Which entities came near a vector or an entity, went away or moved between two ranges.

        Keywords are the fields of `TemporalDiffRequest`: `before` and `after` (each `start_time`,
        `end_time`), `k`, `entity_id`, `at`, `entity_types`, `entity_ids`, `filter`, `space`,
        `include`, `explain`, `as_of`, `wait_for_seq`.
        """
        return self.answer_diff(
            self._given(TemporalDiffRequest, query_vector=query_vector, **request)
        )

    def answer(self, request: TemporalKnnRequest) -> TemporalKnnReply:
        """`temporal_knn` for a request record."""
        return answer_knn([self.prepare(request)])[0]

    def answer_batch(self, request: TemporalKnnBatchRequest) -> TemporalKnnBatchReply:
        """`temporal_knn_batch` for a request record; a faulty question is named by its place."""
        questions, seq = self.prepare_batch(request)
        results = answer_knn(questions)
        return TemporalKnnBatchReply.model_construct(results=results, as_of_seq=seq)

    def answer_walk(self, request: TemporalKnnWalkRequest) -> TemporalKnnBatchReply:
        """`temporal_knn_walk` for a request record; a faulty moment is named by its place."""
        questions, seq = self.prepare_walk(request)
        results = answer_knn(questions)
        return TemporalKnnBatchReply.model_construct(results=results, as_of_seq=seq)

    def answer_range(self, request: TemporalRangeRequest) -> TemporalRangeReply:
        """`temporal_range` for a request record."""
        return answer_range(self._read(request.as_of, request.wait_for_seq), request)

    def answer_diff(self, request: TemporalDiffRequest) -> TemporalDiffReply:
        """`temporal_diff` for a request record."""
        return answer_diff(self._read(request.as_of, request.wait_for_seq), request)

    def prepare(self, request: TemporalKnnRequest) -> PreparedKnn:
        """Plan a question on the collection as it is asked for; raises what is wrong with it.

        `plan.cost_us` of the result says roughly how long the answer takes.
        """
        store = self._store()
        windows = store.read(request.as_of, request.wait_for_seq, self.deadline)
        return prepare_knn(windows, _with_decay_at(store, windows, request))

    def prepare_batch(self, request: TemporalKnnBatchRequest) -> tuple[list[PreparedKnn], int]:
        """Plan many questions, and the seq of those without a moment of their own."""
        wanted = max((query.wait_for_seq or 0 for query in request.queries), default=0)
        return self._prepare_all(request.queries, wanted, "queries")

    def prepare_walk(self, request: TemporalKnnWalkRequest) -> tuple[list[PreparedKnn], int]:
        """Plan one question at many moments, and the last seq there is."""
        fields = {name: value for name, value in request if name != "as_of_each"}
        queries = [
            TemporalKnnRequest.model_construct(**fields, as_of=moment)
            for moment in request.as_of_each
        ]
        return self._prepare_all(queries, request.wait_for_seq or 0, "as_of_each")

    def encode_answers(self, questions: Sequence[PreparedKnn]) -> list[bytes]:
        """The answers to prepared questions as JSON, measured together."""
        return encode_knn(questions)

    def encode_batch(self, request: TemporalKnnBatchRequest | TemporalKnnWalkRequest) -> bytes:
        """The answer to a batch or a walk as JSON."""
        if isinstance(request, TemporalKnnWalkRequest):
            questions, seq = self.prepare_walk(request)
        else:
            questions, seq = self.prepare_batch(request)
        results = b",".join(encode_knn(questions))
        return b'{"results":[%b],"as_of_seq":%d}' % (results, seq)

    def _prepare_all(
        self, queries: Sequence[TemporalKnnRequest], wait_for_seq: int, field: str
    ) -> tuple[list[PreparedKnn], int]:
        """Plan questions of one request; those of one moment share a window set, and rows."""
        store = self._store()
        present = store.read(None, wait_for_seq, self.deadline)
        states: dict[AsOf | None, WindowSet] = {None: present}
        choices = Choices()
        questions = []
        for place, query in enumerate(queries):
            try:
                if query.as_of not in states:
                    states[query.as_of] = store.read(query.as_of, None, self.deadline)
                windows = states[query.as_of]
                query = _with_decay_at(store, windows, query)  # noqa: PLW2901
                questions.append(prepare_knn(windows, query, choices))
            except TsvecError as error:
                raise _in_list(error, field, place) from None
        return questions, present.seq


def _with_decay_at(
    store: CollectionStore, windows: WindowSet, request: TemporalKnnRequest
) -> TemporalKnnRequest:
    """The question with the time from which ages count, where the state it is asked of tells it."""
    decay, as_of = request.time_decay, request.as_of
    if decay is None or decay.decay_at is not None or request.end_time is not None:
        return request
    at = store.recorded_time(windows) if as_of is None or as_of.time is None else as_of.time
    decay = decay.model_copy(update={"decay_at": at})
    return request.model_copy(update={"time_decay": decay})


def _in_list(error: TsvecError, field: str, place: int) -> TsvecError:
    """The same error for the question at a place of a list in the request."""
    path = f"{field}[{place}]"
    details = [
        ErrorDetail(field=_field_in(path, one.field), message=one.message, row=place)
        for one in error.details
    ]
    return type(error)(f"{path}: {error.message}", details)


def _field_in(path: str, field: str) -> str:
    """Where a field of one question is in the request: a walk has only moments of its own."""
    if path.startswith("queries"):
        return f"{path}.{field}"
    return path if field == "as_of" else field
