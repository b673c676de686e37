"""Rows are let in, or refused one by one, before they reach the writer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tsvec.engine.intake.refused_rows import refuse_rows
from tsvec.model.collections import CollectionConfig
from tsvec.model.errors import InvalidRequestError, UnprocessableError
from tsvec.model.points import OnError, PointBatch, RowError
from tsvec.model.times import TIME_MISSING, time_to_datetime
from tsvec.model.vectors import Int64Array

BEYOND_RETENTION = "beyond_retention"
"""The code of a row that expired before it came."""


def admit_batch(
    config: CollectionConfig, batch: PointBatch, on_error: OnError, cutoff: int
) -> PointBatch:
    """The rows that fit the collection and lie at or after its retention cutoff (µs).

    With `reject_all`, InvalidRequestError or UnprocessableError if any does not. ConflictError if
    they say that they are of another space.
    """
    config.check_space(batch.space)
    bad, message = _find_unfit(config, batch)
    expired = np.flatnonzero((batch.timestamp < cutoff) & (batch.timestamp != TIME_MISSING))
    if not len(bad) and not len(expired) and not batch.refused:
        return batch
    unfit = [
        RowError(index, InvalidRequestError.code, message, f"points[{index}].vector")
        for index in batch.origin[bad].tolist()
    ]
    late = [_beyond_retention(config, cutoff, n) for n in batch.origin[expired].tolist()]
    known = {error.index for error in unfit}
    refused = [*batch.refused, *unfit, *(error for error in late if error.index not in known)]
    refused.sort(key=lambda error: error.index)
    if on_error == "reject_all":
        raise refuse_rows(
            InvalidRequestError if unfit or batch.refused else UnprocessableError, refused
        )
    lost = np.union1d(bad, expired)
    if len(lost):
        batch = batch.take(np.setdiff1d(np.arange(len(batch)), lost))
    return replace(batch, refused=tuple(refused))


def _beyond_retention(config: CollectionConfig, cutoff: int, index: int) -> RowError:
    message = (
        f"lies beyond the retention of {config.retention}: points before "
        f"{time_to_datetime(cutoff).isoformat()} have expired"
    )
    return RowError(index, BEYOND_RETENTION, message, f"points[{index}].timestamp")


def _find_unfit(config: CollectionConfig, batch: PointBatch) -> tuple[Int64Array, str]:
    """The rows that the collection cannot take, and why."""
    if len(batch) and batch.dim != config.dim:
        message = f"the vector has {batch.dim} elements, the collection has dim {config.dim}"
        return np.arange(len(batch)), message
    if config.metric == "cosine":
        message = "the vector is zero, which has no direction under cosine"
        return np.flatnonzero(~batch.vector.any(axis=1)), message
    return np.empty(0, np.int64), ""
