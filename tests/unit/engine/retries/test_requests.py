"""Collections are made and deleted once, whatever a crash leaves of the attempt."""

from __future__ import annotations

import threading

import pytest

from tests.unit.engine.rig import SECOND, open_database
from tests.unit.storage.samples import files_with
from tsvec.engine.clock import ExpiryClock
from tsvec.engine.retries import requests as module
from tsvec.engine.retries.requests import CollectionRequests
from tsvec.model.errors import (
    CollectionNotFoundError,
    ConflictError,
    IdempotencyMismatchError,
    UnavailableError,
)
from tsvec.model.retries.once import once_of
from tsvec.model.settings import Settings

DAY = 86_400 * SECOND
A, B = once_of("a", [b"1"]), once_of("b", [b"1"])


@pytest.fixture
def opened_requests(tmp_path, clock):
    def make(rules: str = "") -> CollectionRequests:
        return CollectionRequests(files_with(rules), tmp_path, Settings(), ExpiryClock(clock))

    return make


def make_directory(requests, tmp_path, once=A, name="c-1", reply="{}"):
    with requests.noted(once, "made", name, reply):
        (tmp_path / name).mkdir()


def delete_directory(requests, tmp_path, once, name="c-1"):
    with requests.noted(once, "deleted", name, ""):
        (tmp_path / name).rmdir()


def test_a_request_is_found_now_and_after_a_restart(opened_requests, tmp_path):
    requests = opened_requests()
    make_directory(requests, tmp_path, reply='{"name":"c"}')
    for one in (requests, opened_requests()):
        assert one.find(A) == b'{"name":"c"}'
        assert one.find(B) is None
        with pytest.raises(IdempotencyMismatchError):
            one.find(once_of("a", [b"2"]))


def test_what_was_noted_and_not_done_does_not_count(opened_requests, tmp_path):
    requests = opened_requests()
    with pytest.raises(OSError, match="full"), requests.noted(A, "made", "c-1", "{}"):
        raise OSError("full")
    assert requests.find(A) is None
    assert opened_requests().find(A) is None
    make_directory(requests, tmp_path)
    with pytest.raises(OSError, match="full"), requests.noted(B, "deleted", "c-1", ""):
        raise OSError("full")
    for one in (requests, opened_requests()):
        assert one.find(A) == b"{}"
        assert one.find(B) is None


@pytest.mark.parametrize("once", [B, None])
def test_a_maker_still_counts_when_its_collection_is_gone(opened_requests, tmp_path, once):
    make_directory(opened_requests(), tmp_path)
    requests = opened_requests()
    delete_directory(requests, tmp_path, once)
    for one in (requests, opened_requests()):
        assert one.find(A) == b"{}"
        assert one.find(B) == (b"" if once else None)


def test_requests_are_forgotten_after_a_day(opened_requests, tmp_path, clock):
    requests = opened_requests()
    make_directory(requests, tmp_path)
    clock.now += DAY - 1
    assert requests.find(A) == b"{}"
    clock.now += 1
    assert requests.find(A) is None
    make_directory(requests, tmp_path, B, "c-2")
    assert b'"c-1"' not in (tmp_path / "requests.json").read_bytes()


def test_they_are_bounded(opened_requests, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "REQUESTS_MAX", 1)
    requests = opened_requests()
    make_directory(requests, tmp_path)
    with pytest.raises(UnavailableError, match="retry later"):
        make_directory(requests, tmp_path, B, "c-2")
    assert not (tmp_path / "c-2").exists()


def test_nothing_is_written_where_no_key_is_given(opened_requests, tmp_path):
    (tmp_path / "c-1").mkdir()
    delete_directory(opened_requests(), tmp_path, None)
    assert list(tmp_path.iterdir()) == []


# Through the database.


def test_collections_are_made_and_deleted_once(opened):
    database = opened()
    for _ in range(2):
        made = database.create_collection("x", dim=2, idempotency_key="make")
        assert made.dim == 2
    with pytest.raises(IdempotencyMismatchError):
        database.create_collection("x", dim=3, idempotency_key="make")
    with pytest.raises(ConflictError):
        database.create_collection("x", dim=2, idempotency_key="make-again")
    for _ in range(2):
        database.delete_collection("x", idempotency_key="drop")
    with pytest.raises(CollectionNotFoundError):
        database.delete_collection("x", idempotency_key="drop-again")
    database.create_collection("x", dim=2, idempotency_key="make")
    assert database.list_collections().items == []


def test_errors_leave_no_trace_and_their_key_can_be_used_again(opened):
    database = opened()
    database.create_collection("x", dim=2)
    with pytest.raises(ConflictError):
        database.create_collection("x", dim=2, idempotency_key="k")
    with pytest.raises(CollectionNotFoundError):
        database.delete_collection("y", idempotency_key="k")
    database.delete_collection("x", idempotency_key="k")
    assert database.list_collections().items == []


@pytest.mark.parametrize("step", ["collection.manifest_written", "requests.before_rename"])
def test_a_full_disk_makes_nothing_and_the_retry_does(opened, step):
    database = opened(f"{step}=enospc@1")
    with pytest.raises(Exception, match="free some space"):
        database.create_collection("x", dim=2, idempotency_key="k")
    database.create_collection("x", dim=2, idempotency_key="k")
    assert [info.name for info in database.list_collections().items] == ["x"]


def test_many_at_once_with_one_key_are_one(opened, tmp_path):
    database = opened()
    failures = []

    def turn(work):
        try:
            work()
        except Exception as error:
            failures.append(error)

    for work in (
        lambda: database.create_collection("x", dim=2, idempotency_key="make"),
        lambda: database.delete_collection("x", idempotency_key="drop"),
    ):
        threads = [threading.Thread(target=turn, args=(work,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
    database.close()
    with open_database(tmp_path / "db") as again:
        assert again.list_collections().items == []
