"""Rows that do not fit a collection are refused by place and field, or left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.engine.rig import SECOND, batch_of
from tsvec.engine.intake.admission import admit_batch
from tsvec.model.collections import CollectionConfig
from tsvec.model.errors import InvalidRequestError, UnprocessableError
from tsvec.model.points import RowError
from tsvec.model.times import TIME_MIN_US, TIME_MISSING

COSINE = CollectionConfig(name="c", dim=2, metric="cosine")
RETAINING = CollectionConfig(name="c", dim=2, metric="cosine", retention="30d")
L2 = CollectionConfig(name="c", dim=2, metric="l2")


def with_zero_rows(*rows):
    batch = batch_of(6)
    batch.vector[list(rows)] = 0
    return batch


def test_a_batch_that_fits_is_not_copied():
    batch = batch_of(3)
    assert admit_batch(L2, batch, "reject_all", TIME_MIN_US).vector is batch.vector
    assert len(admit_batch(COSINE, batch_of(0), "reject_all", TIME_MIN_US)) == 0


@pytest.mark.parametrize("config", [L2, COSINE])
def test_another_dim_refuses_every_row(config):
    batch = batch_of(3, dim=5)
    with pytest.raises(InvalidRequestError, match="5 elements, the collection has dim 2") as caught:
        admit_batch(config, batch, "reject_all", TIME_MIN_US)
    assert [(d.field, d.row) for d in caught.value.details] == [
        (f"points[{row}].vector", row) for row in range(3)
    ]
    admitted = admit_batch(config, batch, "skip_row", TIME_MIN_US)
    assert len(admitted) == 0
    assert [error.index for error in admitted.refused] == [0, 1, 2]


def test_a_zero_vector_is_refused_under_cosine_only():
    assert len(admit_batch(L2, with_zero_rows(1, 4), "reject_all", TIME_MIN_US)) == 6
    with pytest.raises(InvalidRequestError, match=r"points\[1\].vector: the vector is zero") as e:
        admit_batch(COSINE, with_zero_rows(1, 4), "reject_all", TIME_MIN_US)
    assert [detail.row for detail in e.value.details] == [1, 4]
    assert "nothing was stored" in e.value.message


def test_skipped_rows_keep_their_place_in_the_request():
    batch = with_zero_rows(1, 4).take(np.array([0, 1, 3, 4]))
    earlier = RowError(2, "invalid_request", "not a number", "points[2].vector[0]")
    admitted = admit_batch(COSINE, replace(batch, refused=(earlier,)), "skip_row", TIME_MIN_US)
    assert admitted.origin.tolist() == [0, 3]
    assert admitted.vector[:, 0].tolist() == [0.0, 3.0]
    assert [error.index for error in admitted.refused] == [1, 2, 4]


def test_rows_refused_before_refuse_the_whole_request():
    earlier = RowError(7, "invalid_request", "not a number", "points[7].vector[0]")
    with pytest.raises(InvalidRequestError, match=r"points\[7\].vector\[0\]: not a number"):
        admit_batch(L2, replace(batch_of(2), refused=(earlier,)), "reject_all", TIME_MIN_US)


def test_rows_beyond_the_retention_are_refused_to_the_microsecond():
    batch = batch_of(4)
    assert len(admit_batch(RETAINING, batch, "reject_all", 0)) == 4
    for cutoff, left in ((1, [1, 2, 3]), (SECOND, [1, 2, 3]), (SECOND + 1, [2, 3])):
        admitted = admit_batch(RETAINING, batch, "skip_row", cutoff)
        assert admitted.origin.tolist() == left
        assert {error.code for error in admitted.refused} == {"beyond_retention"}
        with pytest.raises(UnprocessableError, match="lies beyond the retention of 30d") as caught:
            admit_batch(RETAINING, batch, "reject_all", cutoff)
        assert caught.value.details[0].field == "points[0].timestamp"
        assert caught.value.status == 422


def test_a_row_without_a_time_is_of_now_and_never_expired():
    batch = batch_of(2)
    batch.timestamp[1] = TIME_MISSING
    admitted = admit_batch(RETAINING, batch, "skip_row", 10 * SECOND)
    assert admitted.origin.tolist() == [1]


def test_a_row_that_is_both_unfit_and_expired_is_named_once():
    batch = with_zero_rows(1, 4)
    admitted = admit_batch(RETAINING, batch, "skip_row", 3 * SECOND)
    assert admitted.origin.tolist() == [3, 5]
    assert [(error.index, error.code) for error in admitted.refused] == [
        (0, "beyond_retention"),
        (1, "invalid_request"),
        (2, "beyond_retention"),
        (4, "invalid_request"),
    ]
    with pytest.raises(InvalidRequestError):
        admit_batch(RETAINING, batch, "reject_all", 3 * SECOND)
