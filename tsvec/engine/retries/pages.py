"""Kept replies in little memory: pages of records in the order they came, dropped whole."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from typing import Final

import numpy as np
import pyarrow as pa

from tsvec.model.retries.once import DIGEST_BYTES, Once
from tsvec.storage.retries.replies import KeptReply
from tsvec.storage.state import STATE_SCHEMAS

CAPACITY_MIN: Final = 1_023
CAPACITY_MAX: Final = 65_535
"""Records of a page: what a slot of two bytes can name, 0 being empty."""

_TIME_AT = 2 * DIGEST_BYTES
_HEAD_BYTES = _TIME_AT + 8
_HEADS = np.dtype([("key", f"V{DIGEST_BYTES}"), ("print", f"V{DIGEST_BYTES}"), ("time", "<i8")])


class Page:
    """Records one behind the other, found by open addressing over the digests of their keys.

    Nothing in it is moved or changed: it only grows, up to its capacity, of 2**n - 1 records.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._slots = array("H", bytes(2 * 2 * (capacity + 1)))
        self._heads = bytearray()
        self._replies = bytearray()
        self._ends = array("Q")

    def __len__(self) -> int:
        return len(self._ends)

    @property
    def is_full(self) -> bool:
        """Whether it takes no more."""
        return len(self._ends) == self.capacity

    @property
    def size(self) -> int:
        """Bytes of memory it takes."""
        parts = (self._slots, self._heads, self._replies, self._ends)
        return sum(map(sys.getsizeof, parts))

    def add(self, record: KeptReply) -> None:
        """Add a record that is not older than the last one; it hides one of the same key."""
        self._heads += (
            record.key + record.fingerprint + record.kept_at.to_bytes(8, "little", signed=True)
        )
        self._replies += record.reply
        self._ends.append(len(self._replies))
        self._slots[self._slot_of(record.key)] = len(self._ends)

    def extend(self, table: pa.Table) -> None:
        """Add the rows of a table `replies`, which must fit in and be of as many keys."""
        first, shift = len(self), len(self._replies)
        heads = np.empty(table.num_rows, _HEADS)
        for name, column in (("key", "key"), ("print", "fingerprint")):
            heads[name] = np.frombuffer(b"".join(table[column].to_pylist()), heads[name].dtype)
        heads["time"] = table["kept_at"].to_numpy()
        replies = table["reply"].to_pylist()
        self._heads += heads.tobytes()
        self._replies += b"".join(replies)
        self._ends.extend((np.cumsum([len(one) for one in replies]) + shift).tolist())
        for number, key in enumerate(table["key"].to_pylist(), first + 1):
            self._slots[self._slot_of(key)] = number

    def find(self, key: bytes) -> int | None:
        """The number of the latest record of a key (its digest)."""
        number = self._slots[self._slot_of(key)]
        return number - 1 if number else None

    def once(self, number: int) -> Once:
        """The request of a record."""
        begin = number * _HEAD_BYTES
        head = bytes(self._heads[begin : begin + _TIME_AT])
        return Once(head[:DIGEST_BYTES], head[DIGEST_BYTES:])

    def time(self, number: int) -> int:
        """Since when (µs) a record is kept."""
        begin = number * _HEAD_BYTES + _TIME_AT
        return int.from_bytes(self._heads[begin : begin + 8], "little", signed=True)

    def reply(self, number: int) -> bytes:
        """The packed reply of a record."""
        begin = self._ends[number - 1] if number else 0
        return bytes(self._replies[begin : self._ends[number]])

    def count_until(self, time: int) -> int:
        """How many records are kept since `time` (µs) or longer."""
        return bisect_right(range(len(self)), time, key=self.time)

    def to_table(self, count: int) -> pa.Table:
        """The first records as the table `replies` of the state."""
        heads = np.frombuffer(bytes(self._heads[: count * _HEAD_BYTES]), _HEADS)
        ends = np.array(self._ends[:count], np.int64)
        replies = bytes(self._replies[: int(ends[-1]) if count else 0])
        digests = np.arange(count + 1, dtype=np.int64) * DIGEST_BYTES
        columns = [
            _binary(digests, heads["key"].tobytes()),
            _binary(digests, heads["print"].tobytes()),
            pa.array(heads["time"].astype(np.int64)),
            _binary(np.concatenate([np.zeros(1, np.int64), ends]), replies),
        ]
        return pa.Table.from_arrays(columns, schema=STATE_SCHEMAS["replies"])

    def _slot_of(self, key: bytes) -> int:
        """The slot that names a key's record, or the empty one where it belongs."""
        mask = len(self._slots) - 1
        slot = int.from_bytes(key[:4], "little") & mask
        while number := self._slots[slot]:
            begin = (number - 1) * _HEAD_BYTES
            if self._heads[begin : begin + DIGEST_BYTES] == key:
                break
            slot = (slot + 1) & mask
        return slot


def _binary(offsets: np.ndarray[tuple[int], np.dtype[np.int64]], data: bytes) -> pa.Array:
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.large_binary(), len(offsets) - 1, buffers)
