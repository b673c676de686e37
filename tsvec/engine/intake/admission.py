"""Rows are let in, or refused one by one, before they reach the writer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tsvec.engine.intake.refused_rows import refuse_rows
from tsvec.model.collections import CollectionConfig
from tsvec.model.errors import InvalidRequestError
from tsvec.model.points import OnError, PointBatch, RowError
from tsvec.model.vectors import Int64Array


def admit_batch(config: CollectionConfig, batch: PointBatch, on_error: OnError) -> PointBatch:
    """The rows that fit the collection; with `reject_all`, InvalidRequestError if any does not."""
    bad, message = _find_unfit(config, batch)
    if not len(bad) and not batch.refused:
        return batch
    refused = [
        *batch.refused,
        *(
            RowError(index, "invalid_request", message, f"points[{index}].vector")
            for index in batch.origin[bad].tolist()
        ),
    ]
    refused.sort(key=lambda error: error.index)
    if on_error == "reject_all":
        raise refuse_rows(InvalidRequestError, refused)
    if len(bad):
        good = np.setdiff1d(np.arange(len(batch)), bad)
        batch = batch.take(good)
    return replace(batch, refused=tuple(refused))


def _find_unfit(config: CollectionConfig, batch: PointBatch) -> tuple[Int64Array, str]:
    """The rows that the collection cannot take, and why."""
    if len(batch) and batch.dim != config.dim:
        message = f"the vector has {batch.dim} elements, the collection has dim {config.dim}"
        return np.arange(len(batch)), message
    if config.metric == "cosine":
        message = "the vector is zero, which has no direction under cosine"
        return np.flatnonzero(~batch.vector.any(axis=1)), message
    return np.empty(0, np.int64), ""
