"""Kept replies: packed, and as the payload of a frame of the log.

A reply is a raw deflate stream with a preset dictionary, which makes a small one a fifth as long.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from tsvec.model.errors import CorruptError

RECORD: Final = struct.Struct("<16s16sqQI")

DICTIONARY: Final = (
    b'{"state":"running","started_at":"2026-01-01T00:00:00.000000Z","merges":0,"rows":0,"bytes":0,'
    b'"partitions":0,"waiting":0,"problem":null}{"name":"","dim":4,"metric":"cosine",'
    b'"window_size":"1h","allowed_lateness":null,"retention":null,"history_horizon":"7d",'
    b'"space":null,"history":"","created_at":"2026-01-01T00:00:00.000000Z","seq":0}'
    b'{"entity_id":"","attributes":{},"as_of_seq":0,"changed_seq":null}'
    b'{"point":{"entity_id":"","entity_type":"GENERIC","timestamp":"2026-01-01T00:00:00Z",'
    b'"recorded_at":"","seq":0,"metadata":{}},"changed":true,"seq":0,"recorded_at":""}'
    b'{"restored":1,"missing":0,"occupied":0,"dry_run":false,"first_seq":1,"seq":1}'
    b'{"deleted":1,"missing":0,"dry_run":false,"first_seq":1,"seq":1}'
    b'{"ingested":1,"unchanged":0,"replaced":0,"late":0,"rejected":0,'
    b'"errors":[{"index":0,"code":"","message":""}]}'
    b'{"ingested":1,"unchanged":0,"replaced":0,"late":0,"rejected":0,"errors":[],"seq":1,'
    b'"recorded_at":"2026-01-01T00:00:00.000000Z","durable":true}'
)
"""What replies have in common, the most frequent last. Part of the format: it can never change."""

_LEVEL = 6
_WINDOW_BITS = -12
_MEMORY_LEVEL = 4


@dataclass(frozen=True, slots=True)
class KeptReply:
    """The reply to a request, kept since `kept_at` (µs) to be repeated.

    `key` and `fingerprint` are the digests of its `Once`; `seq` is the last change that was made
    when it was answered; `reply` is packed.
    """

    key: bytes
    fingerprint: bytes
    kept_at: int
    seq: int
    reply: bytes


def pack_reply(text: bytes) -> bytes:
    """The JSON of a reply in fewer bytes."""
    packer = zlib.compressobj(
        _LEVEL, zlib.DEFLATED, _WINDOW_BITS, _MEMORY_LEVEL, zlib.Z_DEFAULT_STRATEGY, DICTIONARY
    )
    return packer.compress(text) + packer.flush()


def unpack_reply(packed: bytes) -> bytes:
    """The JSON of a packed reply; CorruptError if it is damaged."""
    unpacker = zlib.decompressobj(_WINDOW_BITS, DICTIONARY)
    try:
        text = unpacker.decompress(packed)
    except zlib.error as error:
        raise CorruptError(f"a kept reply is damaged: {error}") from None
    if not unpacker.eof:
        raise CorruptError("a kept reply is damaged: it ends too early")
    return text


def encode_replies(replies: Iterable[KeptReply]) -> bytes:
    """The payload of a frame of kind IDEMPOTENCY."""
    return b"".join(
        part
        for one in replies
        for part in (
            RECORD.pack(one.key, one.fingerprint, one.kept_at, one.seq, len(one.reply)),
            one.reply,
        )
    )


def decode_replies(payload: bytes) -> Iterator[KeptReply]:
    """The replies in such a payload."""
    offset = 0
    while offset < len(payload):
        key, fingerprint, kept_at, seq, size = RECORD.unpack_from(payload, offset)
        offset += RECORD.size
        yield KeptReply(key, fingerprint, kept_at, seq, payload[offset : offset + size])
        offset += size
