"""A database over HTTP: each method is one request."""

from __future__ import annotations

import json

import pytest

from tests.unit.cli.remote.answers import (
    COLLECTION,
    remote,
    target_of,
)
from tsvec.model.errors import (
    InvalidRequestError,
)


def test_requests_name_the_collection_safely():
    database, seen = remote(COLLECTION)
    with database:
        assert database.get_collection("a b/../c").dim == 2
    assert target_of(seen[0]) == "GET /v1/collections/a%20b%2F..%2Fc"


def test_a_collection_is_made_from_its_record():
    database, seen = remote(COLLECTION, 201)
    database.create_collection("a", dim=2, metric="l2", retention="30d")
    assert target_of(seen[0]) == "POST /v1/collections"
    assert json.loads(seen[0].content) == {
        "name": "a", "dim": 2, "metric": "l2", "window_size": "1h",
        "retention": "30d", "history_horizon": "7d",
    }  # fmt: skip
    assert seen[0].headers["content-type"] == "application/json"


def test_a_change_may_be_a_null():
    database, seen = remote(COLLECTION)
    database.update_collection("a", retention=None, window_size="1d")
    assert target_of(seen[0]) == "PATCH /v1/collections/a"
    assert json.loads(seen[0].content) == {"retention": None, "window_size": "1d"}
    with pytest.raises(InvalidRequestError, match="at least one"):
        database.update_collection("a")


def test_what_is_no_record_is_taken_as_it_is():
    database, seen = remote(b"tsvec_seq 4\n")
    assert database.get_metrics() == "tsvec_seq 4\n"
    database, seen = remote(b"", 204)
    database.delete_collection("a b")
    assert target_of(seen[0]) == "DELETE /v1/collections/a%20b"
