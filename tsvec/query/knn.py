"""Temporal kNN: the nearest points inside a time range."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tsvec.kernels.decay import Decay
from tsvec.model.errors import InsufficientHistoryError
from tsvec.model.filters.parser import ParsedFilter
from tsvec.model.queries import TemporalKnnRequest
from tsvec.model.replies import Hit, TemporalKnnReply
from tsvec.model.times import TIME_MAX_US, time_to_datetime
from tsvec.model.validation import invalid_field
from tsvec.model.vectors import Float32Array
from tsvec.query.candidates import Search, Source, Target, find_nearest
from tsvec.query.history import entity_not_found, find_latest, is_visible
from tsvec.query.hits import (
    JSON,
    RECORDS,
    Fields,
    Form,
    ReplySize,
    construct,
    dump_fields,
    hit_fields,
)
from tsvec.query.nearest.decay import find_decayed
from tsvec.query.nearest.explained import Spent, count_eligible, explain
from tsvec.query.plan import PartExtent, Plan, plan_knn
from tsvec.window.masks.row_filter import RowFilter
from tsvec.window.part import Part, Rows, count_rows, keep_rows
from tsvec.window.visible import columns_of
from tsvec.window.window_set import WindowSet

_POSTINGS_ENTITIES_MAX = 16
"""Up to this many named entities are found by their own row lists instead of a mask."""


@dataclass(frozen=True, slots=True)
class PreparedKnn:
    """One question planned over the window set of its moment: what to search, and what to say.

    Planning is quick; evaluating a `row_filter` may not be, so it is left to the search.
    """

    request: TemporalKnnRequest
    windows: WindowSet
    plan: Plan
    search: Search
    row_filter: RowFilter | None = None
    decay: Decay | None = None
    planning_us: int = 0

    def filtered(self, known: dict[int, Sequence[Source]] | None = None) -> Search:
        """The search of only the rows that the filter lets pass.

        Questions that chose from the same rows share what is `known` of them.
        """
        search, row_filter = self.search, self.row_filter
        if row_filter is None:
            return search
        sources = None if known is None else known.get(id(search.sources))
        if sources is None:
            sources = [
                Source(one.part, row_filter.keep(self.windows, one.part, one.rows))
                for one in search.sources
            ]
            if known is not None:
                known[id(search.sources)] = sources
        return replace(search, sources=sources)


Choice: TypeAlias = tuple[Plan, list[Source], RowFilter | None]


@dataclass(frozen=True, slots=True)
class Choices:
    """What questions of one call share: rows to choose from, and the masks of equal filters."""

    rows: dict[Hashable, Choice] = field(default_factory=dict)
    filters: dict[ParsedFilter, RowFilter | None] = field(default_factory=dict)

    def row_filter(self, windows: WindowSet, given: ParsedFilter | None) -> RowFilter | None:
        """The filter of a question, the same one for all that give it, over whatever rows."""
        if given is None:
            return None
        if given not in self.filters:
            self.filters[given] = windows.row_filter(given)
        return self.filters[given]


def prepare_knn(
    windows: WindowSet, request: TemporalKnnRequest, choices: Choices | None = None
) -> PreparedKnn:
    """Plan a question; raises what is wrong with it. Questions of one call share `choices`."""
    begun = time.perf_counter()
    windows.config.check_space(request.space)
    decay = _decay_of(windows, request)
    target = Target.of(windows.config.metric, _query_vector(windows, request))
    choices = Choices() if choices is None else choices
    key = _choice_key(windows, request)
    if key not in choices.rows:
        choices.rows[key] = _choose(windows, request, choices)
    plan, sources, row_filter = choices.rows[key]
    one_each = request.distinct is not None
    search = Search(target, sources, request.k, one_each, windows.deadline)
    spent = microseconds_since(begun)
    return PreparedKnn(request, windows, plan, search, row_filter, decay, spent)


def _choice_key(windows: WindowSet, request: TemporalKnnRequest) -> Hashable:
    """Equal for questions that may choose from the same rows."""
    types, names = request.entity_types, request.entity_ids
    return (
        id(windows),
        request.bounds,
        None if types is None else tuple(types),
        request.entity_id if names is None else tuple(names),
        names is None,
        request.filter,
        request.explain,
    )


def _choose(windows: WindowSet, request: TemporalKnnRequest, choices: Choices) -> Choice:
    """Which rows of which parts a question may choose from."""
    start, end = request.bounds
    choose = _row_filter(windows, request, start, end)
    parts = windows.parts() if request.explain else windows.overlapping(start, end)
    in_time = windows.deadline.each
    selected = [(part, part.select(start, end)) for part in in_time(parts)]
    row_filter = choices.row_filter(windows, request.filter)
    plan = plan_knn(
        [PartExtent(part.name, part.rows, count_rows(rows)) for part, rows in selected],
        windows.config.dim,
        0 if row_filter is None else row_filter.count_missing(windows, selected),
    )
    sources = [
        Source(columns_of(part), choose(part, rows))
        for (part, rows), step in in_time(zip(selected, plan.steps, strict=True))
        if step.method == "exact"
    ]
    return plan, sources, row_filter


def _decay_of(windows: WindowSet, request: TemporalKnnRequest) -> Decay | None:
    """How age weighs; it counts from the end of the range unless the question says from when."""
    wanted = request.time_decay
    if wanted is None:
        return None
    if windows.config.metric == "dot":
        raise invalid_field(
            "time_decay",
            "needs similarities between 0 and 1, which dot products are not; the collection's "
            "metric is dot",
        )
    end = windows.recorded_at if request.end_time is None else request.end_time
    at = end if wanted.decay_at is None else wanted.decay_at
    return Decay(at, wanted.half_life_us)


def answer_knn(questions: Sequence[PreparedKnn]) -> list[TemporalKnnReply]:
    """The exact answers to questions of one collection."""
    replies = []
    for fields in _answer(questions, RECORDS):
        fields["hits"] = [construct(Hit, hit) for hit in fields["hits"]]
        replies.append(construct(TemporalKnnReply, fields))
    return replies


def encode_knn(questions: Sequence[PreparedKnn]) -> list[bytes]:
    """The same as JSON, as the records would be encoded, but stored metadata is copied unread."""
    return [dump_fields(fields) for fields in _answer(questions, JSON)]


def _answer(questions: Sequence[PreparedKnn], form: Form) -> Iterator[Fields]:
    """The fields of a `TemporalKnnReply` for each question, hits as fields too."""
    known: dict[int, Sequence[Source]] = {}
    size = ReplySize()
    for one in questions:
        begun = time.perf_counter()
        search = one.filtered(known)
        found = find_nearest(search) if one.decay is None else find_decayed(search, one.decay)
        scanning = microseconds_since(begun)
        begun = time.perf_counter()
        fields: Fields = {
            "hits": hit_fields(one.windows, found, one.request.include, size, form),
            "returned": len(found.row),
            "exact": True,
            "eligible": count_eligible(search.sources, found, by_entity=search.one_per_entity),
            "as_of_seq": one.windows.seq,
        }
        if one.request.explain:
            spent = Spent(one.planning_us, scanning, microseconds_since(begun))
            fields["explain"] = explain(one.plan, search.sources, found, spent)
        elif form.has_absent:
            fields["explain"] = None
        yield fields


def microseconds_since(begun: float) -> int:
    """How long ago a reading of the performance counter was."""
    return int((time.perf_counter() - begun) * 1e6)


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
