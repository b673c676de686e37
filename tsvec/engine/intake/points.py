"""Points on their way in: one decoder per content type, each giving the same columnar batch.

A row that cannot be stored refuses the request with an `InvalidRequestError` naming field and row
(`reject_all`), or is left out and listed in `PointBatch.refused` (`skip_row`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, TypeAlias

import numpy as np
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from tsvec.engine.intake.arrow import batch_from_arrow
from tsvec.engine.intake.refused_rows import RefusedRows, check_row_count, empty_batch
from tsvec.model.errors import InvalidRequestError
from tsvec.model.limits import limits
from tsvec.model.points import IngestRequest, OnConflict, OnError, PointBatch, PointInput
from tsvec.model.strict_json import decode_json, refuse_byte_order_mark, refuse_repeated_keys
from tsvec.model.validation import invalid_request

JSON = "application/json"
NDJSON = "application/x-ndjson"
ARROW = "application/vnd.apache.arrow.stream"
MEDIA_TYPES = (JSON, NDJSON, ARROW)

_LINE = re.compile(rb"\S[^\n]*")
"""A line that is not blank."""

PointLike: TypeAlias = PointInput | Mapping[str, Any]
Policy: TypeAlias = tuple[OnError, OnConflict]
Decoded: TypeAlias = tuple[PointBatch, OnError, OnConflict]


def decode_points(
    body: bytes,
    media_type: str,
    on_error: OnError | None = None,
    on_conflict: OnConflict | None = None,
    *,
    dim: int | None = None,
    space: str | None = None,
) -> Decoded:
    """The batch in an ingest body, what a bad row does, and what a row whose place is taken.

    `media_type` is one of `MEDIA_TYPES`. `on_error`, `on_conflict` and `space` hold where the body
    doesn't say; by default they are `reject_all`, `replace` and none. `dim` is the collection's, if
    known; else the first good row sets it. Raises InvalidRequestError or TooLargeError.
    """
    policy: Policy = (on_error or "reject_all", on_conflict or "replace")
    if media_type == JSON:
        return _from_json(body, policy, dim, space)
    if media_type == NDJSON:
        return _of_space(_from_ndjson(body, policy[0], dim), space), *policy
    if media_type == ARROW:
        return _of_space(batch_from_arrow(body, policy[0], dim), space), *policy
    raise InvalidRequestError(f"points are sent as one of {', '.join(MEDIA_TYPES)}")


def points_to_batch(
    points: Sequence[PointLike], on_error: OnError = "reject_all", *, dim: int | None = None
) -> PointBatch:
    """The batch of records or mappings given by a caller in this process.

    `dim` is the collection's, if known; else the first good row sets it. Raises
    InvalidRequestError naming field and row, or TooLargeError.
    """
    check_row_count(len(points))
    refused = RefusedRows(on_error)
    return _assemble(*refused.keep(points, _validate_point), refused, dim)


def _validate_point(_row: int, point: PointLike) -> PointInput:
    return PointInput.model_validate(point)


def _of_space(batch: PointBatch, space: str | None) -> PointBatch:
    return batch if space is None else replace(batch, space=space)


def _from_json(body: bytes, policy: Policy, dim: int | None, space: str | None) -> Decoded:
    try:
        request = decode_json(IngestRequest, body)
    except ValidationError as error:
        return _from_json_by_row(body, policy, dim, space, error)
    policy = _policy_of(request, policy)
    points = request.points
    batch = _assemble(list(range(len(points))), points, RefusedRows(policy[0]), dim)
    return _of_space(batch, request.space or space), *policy


def _from_json_by_row(
    body: bytes, policy: Policy, dim: int | None, space: str | None, error: ValidationError
) -> Decoded:
    """Decode again, row by row, a request of which something is wrong."""
    document = _json_object(body)
    points = document.get("points")
    if not isinstance(points, list):
        raise invalid_request(error)
    check_row_count(len(points))
    refuse_repeated_keys(body)
    request = _without_rows(document)
    policy = _policy_of(request, policy)
    refused = RefusedRows(policy[0])

    def validate(_row: int, point: object) -> PointInput:
        return PointInput.model_validate_json(to_json(point, inf_nan_mode="constants"))

    batch = _assemble(*refused.keep(points, validate), refused, dim)
    return _of_space(batch, request.space or space), *policy


def _policy_of(request: IngestRequest, default: Policy) -> Policy:
    """What becomes of bad rows: as the body says, else as the query parameters say."""
    given = request.model_fields_set
    return (
        request.on_error if "on_error" in given else default[0],
        request.on_conflict if "on_conflict" in given else default[1],
    )


def _json_object(body: bytes) -> dict[str, Any]:
    """The object in a JSON text; empty if there is none."""
    try:
        document = from_json(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _without_rows(document: dict[str, Any]) -> IngestRequest:
    """The request as it would be with one good row, or what else is wrong with it."""
    stand_in = {"entity_id": "-", "vector": [0.0]}
    try:
        return IngestRequest.model_validate({**document, "points": [stand_in]})
    except ValidationError as error:
        raise invalid_request(error) from None


def _from_ndjson(body: bytes, on_error: OnError, dim: int | None) -> PointBatch:
    refuse_byte_order_mark(body)
    # No further than needed: a body may hold nothing but the ends of lines, millions of them.
    found = islice(_LINE.finditer(body), limits().batch_rows_max + 1)
    lines = [line.group() for line in found]
    check_row_count(len(lines))
    refused = RefusedRows(on_error)

    def validate(row: int, line: bytes) -> PointInput:
        return decode_json(PointInput, line, ("points", row))

    return _assemble(*refused.keep(lines, validate), refused, dim)


def _assemble(
    origin: list[int], points: Sequence[PointInput], refused: RefusedRows, dim: int | None
) -> PointBatch:
    """The batch of these points, each as long as the collection's vectors or the first one."""
    if dim is None and points:
        dim = len(points[0].vector)
    if any(len(point.vector) != dim for point in points):
        for row, point in zip(origin, points, strict=True):
            if len(point.vector) != dim:
                refused.add(row, "vector", f"{dim} elements are expected, not {len(point.vector)}")
        fits = [i for i, point in enumerate(points) if len(point.vector) == dim]
        origin, points = [origin[i] for i in fits], [points[i] for i in fits]
    errors = refused.settle()
    if not points:
        return empty_batch(dim, errors)
    batch = PointBatch.of_points(points)
    return (
        batch
        if not errors
        else replace(batch, origin=np.array(origin, dtype=np.int64), refused=errors)
    )
