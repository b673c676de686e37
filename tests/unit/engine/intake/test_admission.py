"""Rows that do not fit a collection are refused by place and field, or left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.engine.rig import batch_of
from tsvec.engine.intake.admission import admit_batch
from tsvec.model.collections import CollectionConfig
from tsvec.model.errors import InvalidRequestError
from tsvec.model.points import RowError

COSINE = CollectionConfig(name="c", dim=2, metric="cosine")
L2 = CollectionConfig(name="c", dim=2, metric="l2")


def with_zero_rows(*rows):
    batch = batch_of(6)
    batch.vector[list(rows)] = 0
    return batch


def test_a_batch_that_fits_is_not_copied():
    batch = batch_of(3)
    assert admit_batch(L2, batch, "reject_all").vector is batch.vector
    assert len(admit_batch(COSINE, batch_of(0), "reject_all")) == 0


@pytest.mark.parametrize("config", [L2, COSINE])
def test_another_dim_refuses_every_row(config):
    batch = batch_of(3, dim=5)
    with pytest.raises(InvalidRequestError, match="5 elements, the collection has dim 2") as caught:
        admit_batch(config, batch, "reject_all")
    assert [(d.field, d.row) for d in caught.value.details] == [
        (f"points[{row}].vector", row) for row in range(3)
    ]
    admitted = admit_batch(config, batch, "skip_row")
    assert len(admitted) == 0
    assert [error.index for error in admitted.refused] == [0, 1, 2]


def test_a_zero_vector_is_refused_under_cosine_only():
    assert len(admit_batch(L2, with_zero_rows(1, 4), "reject_all")) == 6
    with pytest.raises(InvalidRequestError, match=r"points\[1\].vector: the vector is zero") as e:
        admit_batch(COSINE, with_zero_rows(1, 4), "reject_all")
    assert [detail.row for detail in e.value.details] == [1, 4]
    assert "nothing was stored" in e.value.message


def test_skipped_rows_keep_their_place_in_the_request():
    batch = with_zero_rows(1, 4).take(np.array([0, 1, 3, 4]))
    earlier = RowError(2, "invalid_request", "not a number", "points[2].vector[0]")
    admitted = admit_batch(COSINE, replace(batch, refused=(earlier,)), "skip_row")
    assert admitted.origin.tolist() == [0, 3]
    assert admitted.vector[:, 0].tolist() == [0.0, 3.0]
    assert [error.index for error in admitted.refused] == [1, 2, 4]


def test_rows_refused_before_refuse_the_whole_request():
    earlier = RowError(7, "invalid_request", "not a number", "points[7].vector[0]")
    with pytest.raises(InvalidRequestError, match=r"points\[7\].vector\[0\]: not a number"):
        admit_batch(L2, replace(batch_of(2), refused=(earlier,)), "reject_all")
