"""Requests: what is sent, sent again, and what becomes of the answers."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.unit.cli.remote.answers import (
    COLLECTION,
    INGESTED,
    URL,
    remote,
    target_of,
)
from tsvec.cli.remote import connection
from tsvec.cli.remote.database import RemoteDatabase
from tsvec.model.errors import (
    CollectionNotFoundError,
    ConflictError,
    InternalError,
    InvalidRequestError,
    UnavailableError,
)


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("collection_not_found", 404, CollectionNotFoundError),
        ("conflict", 409, ConflictError),
        ("one of a later version", 418, InternalError),
    ],
)
def test_errors_of_the_server_are_raised_as_such(code, status, error):
    problem = {
        "type": "about:blank",
        "title": "t",
        "status": status,
        "code": code,
        "message": "what was wrong",
        "request_id": "r",
        "retryable": False,
        "details": [{"field": "points[3]", "message": "m", "row": 3}],
    }
    database, _ = remote(problem, status)
    with pytest.raises(error, match=r"^what was wrong$") as caught:
        database.get_info()
    assert caught.value.details[0].row == 3


@pytest.mark.parametrize("status", [200, 502])
def test_something_else_than_a_tsvec_server_is_told(status):
    database, _ = remote(b"<html>", status)
    with pytest.raises(InternalError, match="is it a tsvec server"):
        database.get_health()


def test_no_answer_is_told_with_what_to_do():
    def fail(request):
        raise httpx.ConnectError("Connection refused")

    database = RemoteDatabase(URL, transport=httpx.MockTransport(fail))
    with pytest.raises(
        UnavailableError, match=r"127\.0\.0\.1:8710 \(Connection refused\); .*serve"
    ):
        database.list_collections()


@pytest.mark.parametrize("url", ["127.0.0.1:8710", "ftp://x", "http://", ""])
def test_what_is_no_url_is_refused(url):
    with pytest.raises(InvalidRequestError, match="is no URL"):
        RemoteDatabase(url)


def answering(*outcomes):
    """A database whose requests get these answers in turn, and what they were."""
    seen, left = [], list(outcomes)

    def answer(request):
        seen.append((target_of(request), request.headers.get("idempotency-key"), request.content))
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return httpx.Response(200, content=json.dumps(outcome))

    return RemoteDatabase(URL, transport=httpx.MockTransport(answer)), seen


LOST = httpx.ReadError("connection reset")


def test_a_change_whose_answer_is_lost_is_sent_again_with_the_same_key(monkeypatch):
    monkeypatch.setattr(connection, "RETRY_PAUSES_SECONDS", (0.0, 0.0))
    database, seen = answering(LOST, httpx.ConnectError("refused"), INGESTED)
    with database:
        reply = database.collection("c").ingest_arrow(b"stream", "skip_row", "ignore")
    assert reply.ingested == 1
    assert len(seen) == 3
    assert len(set(seen)) == 1
    assert len(seen[0][1]) == 32


def test_each_change_has_a_key_of_its_own_or_the_one_given():
    database, seen = answering(INGESTED, INGESTED, INGESTED, COLLECTION)
    with database:
        collection = database.collection("c")
        for key in (None, None, "mine"):
            collection.ingest_arrow(b"stream", "skip_row", "ignore", idempotency_key=key)
        database.get_collection("c")
    keys = [key for _, key, _ in seen]
    assert len({*keys[:2]}) == 2
    assert keys[2:] == ["mine", None]


def test_a_server_that_stays_away_is_reported(monkeypatch):
    monkeypatch.setattr(connection, "RETRY_PAUSES_SECONDS", (0.0, 0.0))
    for outcomes in ([LOST, LOST, LOST], [httpx.ConnectError("refused")]):
        database, seen = answering(*outcomes)
        with database, pytest.raises(UnavailableError, match="is the server running"):
            database.get_collection("c")
        assert len(seen) == len(outcomes)
