"""Whatever a request says shows in its fingerprint, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.engine.rig import batch_of
from tsvec.engine.retries.fingerprints import parts_of_batch, parts_of_objects, parts_of_records
from tsvec.model.points import RowError
from tsvec.model.queries import DeletePointsRequest
from tsvec.model.retries.once import once_of

BATCH = batch_of(3)


def mark(batch=BATCH, on_error="reject_all", on_conflict="replace") -> bytes:
    return once_of("k", parts_of_batch(batch, on_error, on_conflict)).fingerprint


def test_an_equal_batch_is_the_same_request():
    assert mark() == mark(batch_of(3))
    assert mark(batch_of(0)) == mark(batch_of(0))


@pytest.mark.parametrize(
    "changed",
    [
        {"entity_id": ["e0", "e1", "other"]},
        {"entity_type": ["ship", None, None]},
        {"key": [None, None, "k"]},
        {"metadata": [b"{}", b"{}", b'{"a":1}']},
        {"timestamp": BATCH.timestamp + 1},
        {"vector": BATCH.vector + np.float32(1)},
        {"origin": BATCH.origin + 1},
        {"space": "model-1"},
        {"refused": (RowError(3, "invalid_request", "bad", "vector"),)},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_any_change_of_a_batch_is_another_request(changed):
    assert mark(replace(BATCH, **changed)) != mark()


def test_what_becomes_of_rows_belongs_to_the_request():
    assert len({mark(), mark(on_error="skip_row"), mark(on_conflict="ignore")}) == 3


def test_verbs_and_records_and_values_are_told_apart():
    one = DeletePointsRequest(entity_ids=["a"])
    other = DeletePointsRequest(entity_ids=["b"])
    says = [
        list(parts_of_records("delete_points", one)),
        list(parts_of_records("delete_points", other)),
        list(parts_of_records("delete_entity", one)),
        list(parts_of_objects("set", "a", {"x": 1})),
        list(parts_of_objects("set", "a", {"x": 2})),
        list(parts_of_objects("merge", "a", {"x": 1})),
        list(parts_of_objects("set", "a", {"x": object})),
    ]
    assert len({once_of("k", parts).fingerprint for parts in says}) == len(says)
