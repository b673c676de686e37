"""Bad rows, and what they mean for the others."""

from __future__ import annotations

import numpy as np
import pytest

from tsvec.engine.intake.refused_rows import RefusedRows, check_row_count, empty_batch
from tsvec.model.errors import InvalidRequestError, TooLargeError
from tsvec.model.limits import LIMITS
from tsvec.model.points import PointBatch, PointInput


def three() -> PointBatch:
    return PointBatch.of_columns(
        entity_id=["a", "b", "c"],
        vector=np.arange(6, dtype=np.float32).reshape(3, 2),
        timestamp=np.arange(3),
    )


def test_rows_are_counted():
    check_row_count(1)
    check_row_count(LIMITS.batch_rows_max)
    with pytest.raises(InvalidRequestError):
        check_row_count(0)
    with pytest.raises(TooLargeError, match="batch_rows_max"):
        check_row_count(LIMITS.batch_rows_max + 1)


def test_no_fault_changes_nothing():
    batch = three()
    assert RefusedRows("reject_all").without(batch) is batch


def test_reject_all_raises_for_the_first_row():
    refused = RefusedRows("reject_all")
    refused.add(2, "vector", "is bad")
    refused.add(0, "key", "is worse")
    with pytest.raises(InvalidRequestError, match=r"points\[0\]\.key: is worse .*2 faults"):
        refused.without(three())


def test_skip_row_keeps_the_others_and_their_numbers():
    refused = RefusedRows("skip_row")
    refused.add(1, "vector[1]", "is bad")
    refused.add(1, "key", "is told no more")
    batch = refused.without(three())
    assert (batch.entity_id, batch.origin.tolist()) == (["a", "c"], [0, 2])
    error = batch.refused[0]
    assert (error.index, error.code, error.field) == (1, "invalid_request", "points[1].vector[1]")
    assert error.message == "is bad"


def test_keep_tells_good_from_bad():
    refused = RefusedRows("skip_row")
    rows = [{"entity_id": "a", "vector": [1]}, {}, {"entity_id": "b", "vector": [2]}]
    origin, kept = refused.keep(rows, lambda _, row: PointInput.model_validate(row))
    assert (origin, [point.entity_id for point in kept]) == ([0, 2], ["a", "b"])
    assert [error.field for error in refused.settle()] == ["points[1].entity_id"]


def test_an_empty_batch_has_a_width():
    assert empty_batch(7, ()).vector.shape == (0, 7)
    assert len(empty_batch(None, ())) == 0
