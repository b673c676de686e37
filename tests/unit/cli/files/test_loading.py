from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tsvec.cli.files import loading
from tsvec.cli.files.loading import load
from tsvec.cli.files.rows import Prepared
from tsvec.model.errors import ErrorDetail, InvalidRequestError, UnavailableError
from tsvec.model.replies import IngestError, IngestReply


def refused(index):
    return IngestError(index=index, code="invalid_request", message=f"bad {index}")


def batch(rows, refused_rows=()):
    return Prepared(b"stream", 3, rows, [refused(row) for row in refused_rows])


class Server:
    """Stores what it is sent, refusing the rows of a batch it is told to."""

    def __init__(self, refusing=(), failing_at=None, error=None):
        self.begun, self.advanced, self.sent = [], [], 0
        self._refusing, self._failing_at, self._error = refusing, failing_at, error

    def send(self, stream):
        self.sent += 1
        if self.sent == self._failing_at:
            raise self._error
        return IngestReply(
            ingested=10 - len(self._refusing),
            unchanged=1,
            replaced=2,
            late=3,
            rejected=len(self._refusing),
            errors=[refused(index) for index in self._refusing],
            seq=self.sent,
            recorded_at=datetime(2026, 1, 31, tzinfo=UTC),
            durable=True,
        )

    def load(self, *batches):
        return load(batches, begin=self.begun.append, send=self.send, advance=self.advanced.append)


def test_replies_add_up():
    server = Server(refusing=[2])
    reply = server.load(batch(range(10)), batch(range(10, 20)))
    assert (reply.ingested, reply.rejected, reply.seq) == (18, 2, 2)
    assert (reply.unchanged, reply.replaced, reply.late) == (2, 4, 6)
    assert [error.index for error in reply.errors] == [2, 12]
    assert server.begun == [3]
    assert server.advanced == [10, 10]


def test_rows_are_counted_in_the_file_even_after_gaps():
    reply = Server(refusing=[1]).load(batch([0, 2, 3], refused_rows=[1]))
    assert [(error.index, error.message) for error in reply.errors] == [(1, "bad 1"), (2, "bad 1")]
    assert reply.rejected == 2


def test_a_batch_of_bad_rows_is_not_sent():
    server = Server()
    reply = server.load(batch([], refused_rows=[0, 1]), batch([2, 3]))
    assert server.sent == 1
    assert server.advanced == [2, 2]
    assert reply.rejected == 2


def test_only_so_many_errors_are_listed(monkeypatch):
    monkeypatch.setattr(loading, "ERRORS_LISTED_MAX", 3)
    reply = Server(refusing=[0, 1]).load(batch(range(10)), batch(range(10, 20)))
    assert reply.rejected == 4
    assert [error.index for error in reply.errors] == [0, 1, 10]


def test_an_error_names_the_row_of_the_file_and_what_is_stored():
    detail = ErrorDetail(field="points[4].vector", message="wrong", row=4)
    server = Server(failing_at=2, error=InvalidRequestError("wrong", [detail]))
    with pytest.raises(InvalidRequestError, match=r"row 14 of the file: wrong \(10 rows") as caught:
        server.load(batch(range(10)), batch(range(10, 20)))
    assert caught.value.details[0].row == 14


def test_an_error_at_once_says_nothing_of_stored_rows():
    server = Server(failing_at=1, error=UnavailableError("no answer"))
    with pytest.raises(UnavailableError, match=r"^no answer$"):
        server.load(batch(range(10)))


def test_a_file_without_a_good_row_is_an_error():
    with pytest.raises(InvalidRequestError, match=r"stored$"):
        Server().load()
    with pytest.raises(InvalidRequestError, match="no row that can be stored; the first: bad 0"):
        Server().load(batch([], refused_rows=[0]))
