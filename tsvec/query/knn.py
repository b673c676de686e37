"""Temporal kNN: the nearest points inside a time range."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import BaseModel

from tsvec.model.errors import InsufficientHistoryError
from tsvec.model.queries import TemporalKnnRequest
from tsvec.model.replies import Eligible, Explain, Hit, PlanStep, TemporalKnnReply
from tsvec.model.times import TIME_MAX_US, time_to_datetime
from tsvec.model.validation import invalid_field
from tsvec.model.vectors import Float32Array
from tsvec.query.candidates import Candidates, Search, Source, Target, find_nearest
from tsvec.query.history import entity_not_found, find_latest, is_visible
from tsvec.query.hits import (
    Fields,
    MetadataReader,
    construct,
    hit_fields,
    parse_metadata,
    splice_metadata,
    without_absent,
)
from tsvec.query.plan import PartExtent, Plan, plan_knn
from tsvec.window.part import Part, Rows, count_rows, keep_rows
from tsvec.window.visible import columns_of
from tsvec.window.window_set import WindowSet

_POSTINGS_ENTITIES_MAX = 16
"""Up to this many named entities are found by their own row lists instead of a mask."""


@dataclass(frozen=True, slots=True)
class PreparedKnn:
    """One question planned over the window set of its moment: what to search, and what to say."""

    request: TemporalKnnRequest
    windows: WindowSet
    plan: Plan
    search: Search


def prepare_knn(windows: WindowSet, request: TemporalKnnRequest) -> PreparedKnn:
    """Plan a question; raises what is wrong with it."""
    target = Target.of(windows.config.metric, _query_vector(windows, request))
    start, end = request.bounds
    choose = _row_filter(windows, request, start, end)
    parts = windows.parts() if request.explain else windows.overlapping(start, end)
    selected = [(part, part.select(start, end)) for part in parts]
    plan = plan_knn(
        [PartExtent(part.name, part.rows, count_rows(rows)) for part, rows in selected],
        windows.config.dim,
    )
    sources = [
        Source(columns_of(part), choose(part, rows))
        for (part, rows), step in zip(selected, plan.steps, strict=True)
        if step.method == "exact"
    ]
    search = Search(target, sources, request.k, one_per_entity=request.distinct is not None)
    return PreparedKnn(request, windows, plan, search)


def answer_knn(questions: Sequence[PreparedKnn]) -> list[TemporalKnnReply]:
    """The exact answers to questions of one collection."""
    replies = []
    for fields in _answer(questions, parse_metadata):
        fields["hits"] = [construct(Hit, hit) for hit in fields["hits"]]
        replies.append(construct(TemporalKnnReply, fields))
    return replies


def encode_knn(questions: Sequence[PreparedKnn]) -> list[bytes]:
    """The same as JSON, as the records would be encoded, but stored metadata is copied unread."""
    return [_encode(fields) for fields in _answer(questions, splice_metadata)]


def _encode(fields: Fields) -> bytes:
    fields["hits"] = [without_absent(hit) for hit in fields["hits"]]
    options = orjson.OPT_UTC_Z | orjson.OPT_SERIALIZE_NUMPY
    return orjson.dumps(without_absent(fields), BaseModel.model_dump, options)


def _answer(questions: Sequence[PreparedKnn], read_metadata: MetadataReader) -> list[Fields]:
    """The fields of a `TemporalKnnReply` for each question, hits as fields too."""
    begun = time.perf_counter()
    found = find_nearest([one.search for one in questions])
    microseconds = int((time.perf_counter() - begun) * 1e6)
    replies: list[Fields] = [{} for _ in questions]
    # Hits are read together, but what an entity is depends on the moment that is asked for.
    alike: dict[tuple[int, tuple[str, ...]], list[int]] = {}
    for number, one in enumerate(questions):
        alike.setdefault((one.windows.seq, tuple(one.request.include)), []).append(number)
    for (_, include), mine in alike.items():
        windows = questions[mine[0]].windows
        hits = hit_fields(windows, [found[n] for n in mine], include, read_metadata)
        for number, rows in zip(mine, hits, strict=True):
            one, candidates = questions[number], found[number]
            explain = one.request.explain
            replies[number] = {
                "hits": rows,
                "returned": len(rows),
                "exact": True,
                "eligible": _count_eligible(one, candidates),
                "as_of_seq": one.windows.seq,
                "explain": _explain(one, candidates, microseconds) if explain else None,
            }
    return replies


def _query_vector(windows: WindowSet, request: TemporalKnnRequest) -> Float32Array:
    if request.query_vector is None:
        return _entity_vector(windows, str(request.entity_id), request.at)
    vector, dim = request.query_vector, windows.config.dim
    if len(vector) != dim:
        problem = f"has {len(vector)} elements, the collection has dim {dim}"
    elif windows.config.metric == "cosine" and not vector.any():
        problem = "is zero, which has no direction to compare under cosine"
    else:
        return vector
    raise invalid_field("query_vector", problem)


def _entity_vector(windows: WindowSet, entity_id: str, at: int | None) -> Float32Array:
    latest = find_latest(windows, entity_id, TIME_MAX_US if at is None else at)
    if latest is None and not is_visible(windows, entity_id):
        raise entity_not_found(entity_id)
    if latest is None:
        when = f" at or before {time_to_datetime(at).isoformat()}" if at is not None else ""
        raise InsufficientHistoryError(f"entity {entity_id!r} has no point{when}")
    part, row = latest
    return np.ascontiguousarray(part.vectors(slice(row, row + 1))[0])


def _row_filter(
    windows: WindowSet, request: TemporalKnnRequest, start: int, end: int
) -> Callable[[Part, Rows], Rows]:
    """What narrows the rows of a part to those the selectors let pass."""
    names = request.entity_ids
    if names is not None and request.entity_types is None and len(names) <= _POSTINGS_ENTITIES_MAX:
        unique = sorted(set(names))

        def by_postings(part: Part, _: Rows) -> Rows:
            found = [part.rows_of(name, start, end) for name in unique]
            return np.sort(np.concatenate([np.empty(0, np.int64), *found]))

        return by_postings
    own = request.entity_id if names is None else None
    if names is None and request.entity_types is None and own is None:
        return lambda _, rows: rows
    allowed = windows.registry.allowed(request.entity_types, names, windows.seq)
    if own is not None and (number := windows.registry.number_of(own)) is not None:
        allowed[number] = False
    return lambda part, rows: _masked(part, rows, allowed)


def _masked(part: Part, rows: Rows, allowed: NDArray[np.bool_]) -> Rows:
    return keep_rows(rows, allowed[part.entities(rows)])


def _count_eligible(question: PreparedKnn, found: Candidates) -> Eligible:
    if question.request.distinct is None:
        count = sum(source.count for source in question.search.sources)
        return Eligible(value=count, relation="eq")
    return Eligible(value=len(found.row), relation="eq" if found.complete else "gte")


def _explain(question: PreparedKnn, found: Candidates, microseconds: int) -> Explain:
    scanned = {source.part.name: source.count for source in question.search.sources}
    steps = [
        PlanStep(
            part=step.part,
            method=step.method,
            rows=step.rows,
            rows_scanned=scanned.get(step.part, 0),
        )
        for step in question.plan.steps
    ]
    return Explain(
        steps=steps,
        parts_pruned=sum(step.method == "pruned" for step in steps),
        rows_scanned=sum(scanned.values()),
        rows_rescored=found.measured,
        microseconds=microseconds,
    )
