"""A group's replies join the ledger together; until then each key is taken once."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from tests.unit.engine.rig import ManualClock
from tsvec.engine.clock import ExpiryClock
from tsvec.engine.retries.draft import ReplyDraft
from tsvec.engine.retries.ledger import Ledger
from tsvec.model.errors import IdempotencyMismatchError, UnavailableError
from tsvec.model.retries.once import once_of
from tsvec.model.settings import Settings
from tsvec.storage.log.frames import Kind
from tsvec.storage.retries.replies import decode_replies, unpack_reply


class Answer(BaseModel):
    seq: int


A, B = once_of("a", [b"1"]), once_of("b", [b"1"])


@pytest.fixture
def ledger(clock: ManualClock):
    return Ledger(Settings(idempotency_records_max=2), ExpiryClock(clock))


def test_what_is_kept_is_written_and_then_found(ledger):
    draft = ReplyDraft(ledger)
    draft.keep(A, 7, Answer(seq=7))
    assert draft.find(A, Answer) == Answer(seq=7)
    assert draft.find(B, Answer) is None
    with pytest.raises(IdempotencyMismatchError):
        draft.find(once_of("a", [b"2"]), Answer)
    frame = draft.frame(3, 5, 99)
    assert (frame.kind, frame.history, frame.first_seq, frame.count) == (Kind.IDEMPOTENCY, 3, 5, 0)
    (found,) = decode_replies(bytes(frame.payload))
    assert draft.records == (found,)
    assert (found.key, found.fingerprint, found.seq) == (A.key, A.fingerprint, 7)
    assert unpack_reply(found.reply) == b'{"seq":7}'
    assert ledger.find(A) is None
    ledger.keep(draft.records)
    assert ReplyDraft(ledger).find(A, Answer) == Answer(seq=7)


def test_a_key_is_taken_if_it_is_new_and_there_is_room(ledger):
    draft = ReplyDraft(ledger)
    assert draft.takes(A, 0)
    assert draft.takes(A, 1)
    assert not draft.takes(A, 2)
    draft.keep(A, 1, Answer(seq=1))
    assert not draft.takes(A, 0)
    assert draft.takes(B, 0)
    assert not draft.takes(B, 1)
    ledger.keep(draft.records)
    assert not ReplyDraft(ledger).takes(A, 0)
    assert not ReplyDraft(ledger).takes(once_of("a", [b"2"]), 0)


def test_a_new_key_without_room_and_another_request_are_refused(ledger):
    draft = ReplyDraft(ledger)
    draft.keep(A, 1, Answer(seq=1))
    draft.keep(B, 1, Answer(seq=1))
    with pytest.raises(UnavailableError, match="idempotency_records_max"):
        draft.find(once_of("c", []), Answer)
    ledger.keep(draft.records)
    with pytest.raises(IdempotencyMismatchError):
        ReplyDraft(ledger).find(once_of("a", [b"2"]), Answer)
    assert ReplyDraft(ledger).find(A, Answer) == Answer(seq=1)
