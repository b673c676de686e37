"""Errors become problem bodies."""

from __future__ import annotations

import json

import pytest

from tsvec.model.errors import ErrorBody, ErrorDetail, error_classes
from tsvec.server.problem import problem


@pytest.mark.parametrize("cls", error_classes(), ids=lambda cls: cls.code)
def test_every_error_has_a_body(cls):
    detail = ErrorDetail(field="points[3].key", message="wrong", row=3)
    reply = problem(cls("what and why", [detail]), "id-1")
    body = ErrorBody.model_validate_json(reply.body)
    assert (reply.status_code, body.status, body.code) == (cls.status, cls.status, cls.code)
    assert (body.message, body.request_id, body.details) == ("what and why", "id-1", [detail])
    assert body.type.endswith(cls.code)
    assert body.retryable == cls.retryable
    assert reply.headers["content-type"] == "application/problem+json"
    assert ("retry-after" in reply.headers) == (cls.status in {429, 503})
    assert ("connection" in reply.headers) == (cls.status in {408, 413})


def test_a_detail_without_a_row_has_none():
    reply = problem(error_classes()[0]("no", [ErrorDetail(field="k", message="wrong")]), "id")
    assert json.loads(reply.body)["details"] == [{"field": "k", "message": "wrong"}]
