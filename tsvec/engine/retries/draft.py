"""The replies that one group is going to keep, on top of those of the ledger."""

from __future__ import annotations

from pydantic import BaseModel

from tsvec.engine.retries.ledger import Ledger, check_same
from tsvec.model.retries.once import Once
from tsvec.storage.log.frames import Frame, Kind, Operation
from tsvec.storage.retries.replies import KeptReply, encode_replies, pack_reply


class ReplyDraft:
    """Replies by the keys of their requests; they join the ledger once the group is durable."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._records: dict[bytes, KeptReply] = {}
        self._replies: dict[bytes, BaseModel] = {}

    @property
    def records(self) -> tuple[KeptReply, ...]:
        """The replies, in the order they were given."""
        return tuple(self._records.values())

    def takes(self, once: Once, more: int) -> bool:
        """Whether the key of a request is new, and its reply can be kept besides `more` others."""
        if once.key in self._records or self._ledger.knows(once.key):
            return False
        return self._ledger.has_room(len(self._records) + more + 1)

    def find(self, once: Once, kind: type[BaseModel]) -> BaseModel | None:
        """The first reply to a request, by this group or an earlier one; None if it is new.

        IdempotencyMismatchError if its key came with another request, UnavailableError if it is new
        and there is no room to keep its reply.
        """
        if (record := self._records.get(once.key)) is not None:
            check_same(once, Once(record.key, record.fingerprint))
            return self._replies[once.key]
        found = self._ledger.find_record(once, kind)
        if found is None:
            self._ledger.check_room(len(self._records) + 1)
        return found

    def keep(self, once: Once, seq: int, reply: BaseModel) -> None:
        """Add the reply to a request that was answered after change `seq`."""
        packed = pack_reply(reply.model_dump_json().encode())
        now = self._ledger.now_us()
        self._replies[once.key] = reply
        self._records[once.key] = KeptReply(once.key, once.fingerprint, now, seq, packed)

    def frame(self, history: int, seq: int, recorded_at: int) -> Frame:
        """The frame that goes in front of the group's changes, which follow change `seq`."""
        payload = encode_replies(self._records.values())
        return Frame(Kind.IDEMPOTENCY, Operation.NONE, history, seq, 0, recorded_at, payload)
