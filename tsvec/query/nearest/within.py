"""temporal_range: the answer to how many points are within a radius, and which are nearest."""

from __future__ import annotations

import time

from tsvec.model.nearest.replies import TemporalRangeReply
from tsvec.model.nearest.requests import TemporalRangeRequest
from tsvec.model.queries import TemporalKnnRequest
from tsvec.model.replies import Eligible, Hit
from tsvec.model.validation import invalid_field
from tsvec.query.hits import ReplySize, construct, hit_fields
from tsvec.query.knn import PreparedKnn, microseconds_since, prepare_knn
from tsvec.query.nearest.explained import Spent, count_eligible, explain
from tsvec.query.nearest.radius import find_within
from tsvec.window.window_set import WindowSet


def answer_range(windows: WindowSet, request: TemporalRangeRequest) -> TemporalRangeReply:
    """The points of a time range within a radius; raises what is wrong with the question."""
    metric, radius = windows.config.metric, request.radius
    if metric != "dot" and radius < 0:
        raise invalid_field("radius", f"is a distance, which under {metric} is not negative")
    if metric == "cosine" and radius > 2:
        raise invalid_field("radius", "is a distance, which under cosine is at most 2")
    question = _plan(windows, request)
    begun = time.perf_counter()
    search = question.filtered()
    within = find_within(search, radius)
    scanning = microseconds_since(begun)
    begun = time.perf_counter()
    hits = hit_fields(windows, within.nearest, request.include, ReplySize())
    spent = Spent(question.planning_us, scanning, microseconds_since(begun))
    return TemporalRangeReply(
        hits=[construct(Hit, hit) for hit in hits],
        returned=len(hits),
        matched=Eligible(value=within.matched, relation="eq"),
        truncated=within.matched > len(hits),
        exact=True,
        eligible=count_eligible(search.sources, within.nearest, by_entity=False),
        as_of_seq=windows.seq,
        explain=explain(question.plan, search.sources, within.nearest, spent)
        if request.explain
        else None,
    )


def _plan(windows: WindowSet, request: TemporalRangeRequest) -> PreparedKnn:
    """As for the nearest of the same points, of which the radius chooses."""
    shared = {name: value for name, value in request if name in TemporalKnnRequest.model_fields}
    return prepare_knn(windows, TemporalKnnRequest.model_construct(**shared, k=request.limit))
