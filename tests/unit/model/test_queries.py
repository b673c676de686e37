"""Questions, as records."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tsvec.model.limits import LIMITS
from tsvec.model.queries import HistoryRequest, TemporalKnnRequest, TimeRange


def test_defaults():
    question = TemporalKnnRequest(query_vector=[1.0])
    assert (question.k, question.include, question.explain) == (10, ["metadata"], False)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"query_vector": [1.0], "entity_id": "a"},
        {"query_vector": [1.0], "at": 0},
        {"query_vector": [1.0], "k": 0},
        {"query_vector": [1.0], "k": LIMITS.k_max + 1},
        {"query_vector": [1.0], "k": 1.0},
        {"query_vector": [1.0], "start_time": 2, "end_time": 1},
        {"query_vector": [1.0], "include": ["vector", "vector", "vector"]},
        {"query_vector": [1.0], "explain": 1},
        {"query_vector": [1.0], "filter": {}},
    ],
)
def test_what_is_no_question(fields):
    with pytest.raises(ValidationError):
        TemporalKnnRequest(**fields)


def test_a_range_may_be_empty_or_open():
    assert TimeRange(start_time=1, end_time=1)
    assert TimeRange().start_time is None
    with pytest.raises(ValidationError, match="must not be after"):
        TimeRange(start_time=2, end_time=1)


@pytest.mark.parametrize("limit", [0, LIMITS.page_items_max + 1, "5", True])
def test_a_page_has_a_size(limit):
    with pytest.raises(ValidationError):
        HistoryRequest(entity_id="a", limit=limit)
