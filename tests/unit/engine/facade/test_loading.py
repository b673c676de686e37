"""The sum of many replies, and what an error says of them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.unit.engine.rig import batch_of
from tsvec.engine.facade.loading import Load
from tsvec.model.errors import ErrorDetail, InvalidRequestError, TooLargeError
from tsvec.model.limits import Limits, in_force
from tsvec.model.replies import IngestError, IngestReply


def reply_of(seq, **counts):
    named = dict.fromkeys(("ingested", "unchanged", "replaced", "late", "rejected"), 0) | counts
    errors = [IngestError(index=seq, code="c", message="m")] * named["rejected"]
    recorded = datetime.fromtimestamp(seq, UTC)
    return IngestReply(**named, errors=errors, seq=seq, recorded_at=recorded, durable=True)


def test_counts_add_up_and_the_last_commit_says_when():
    load = Load()
    load.add(batch_of(5), reply_of(5, ingested=3, unchanged=2, late=1))
    load.add(batch_of(4), reply_of(9, ingested=2, replaced=2, rejected=2))
    total = load.reply()
    assert load.rows == 9
    assert total == reply_of(9, ingested=5, unchanged=2, replaced=2, late=1, rejected=2)


def test_errors_are_kept_up_to_a_limit_and_counted_beyond():
    load = Load()
    with in_force(Limits(batch_rows_max=3)):
        for seq in range(4):
            load.add(batch_of(2), reply_of(seq, rejected=2))
    assert [one.index for one in load.reply().errors] == [0, 0, 1]
    assert load.reply().rejected == 8


def test_no_rows_are_a_fault():
    with pytest.raises(InvalidRequestError, match="no points"):
        Load().reply()


def test_an_error_says_what_was_stored_before_it():
    load = Load()
    with pytest.raises(TooLargeError, match=r"^too large$"), load.told_in_errors():
        raise TooLargeError("too large")
    load.add(batch_of(5), reply_of(17, ingested=5))
    detail = ErrorDetail(field="points[7].vector", message="m", row=7)
    with pytest.raises(TooLargeError) as caught, load.told_in_errors():
        raise TooLargeError("too large", [detail])
    assert caught.value.message == "the rows before 5 are stored, up to change 17; then: too large"
    assert caught.value.details == (detail,)
    with pytest.raises(KeyError) as other, load.told_in_errors():
        raise KeyError("theirs")
    assert other.value.__notes__ == ["the rows before 5 are stored, up to change 17"]
    load.add(batch_of(2), reply_of(18, rejected=2))
    with (
        pytest.raises(TooLargeError, match="before 7 that were not refused"),
        load.told_in_errors(),
    ):
        raise TooLargeError("too large")
