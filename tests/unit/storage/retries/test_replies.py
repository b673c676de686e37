"""Kept replies take few bytes, and come back as they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsvec.model.errors import CorruptError
from tsvec.storage.retries.replies import (
    RECORD,
    KeptReply,
    decode_replies,
    encode_replies,
    pack_reply,
    unpack_reply,
)

SMALL = (
    b'{"ingested":1,"unchanged":0,"replaced":0,"late":0,"rejected":0,"errors":[],"seq":4711,'
    b'"recorded_at":"2026-11-20T16:11:19.123456Z","durable":true}'
)
records = st.builds(
    KeptReply,
    key=st.binary(min_size=16, max_size=16),
    fingerprint=st.binary(min_size=16, max_size=16),
    kept_at=st.integers(-(2**63), 2**63 - 1),
    seq=st.integers(0, 2**64 - 1),
    reply=st.binary(max_size=200),
)


@given(st.binary(max_size=5_000))
def test_a_packed_reply_is_the_same_once_unpacked(text):
    assert unpack_reply(pack_reply(text)) == text


def test_a_small_reply_takes_a_quarter_of_its_bytes():
    assert len(pack_reply(SMALL)) < len(SMALL) / 4


@pytest.mark.parametrize("cut", [0, 5, -1])
def test_a_reply_that_was_cut_is_damaged(cut):
    with pytest.raises(CorruptError, match="damaged"):
        unpack_reply(pack_reply(SMALL)[:cut])


def test_other_bytes_are_damage():
    with pytest.raises(CorruptError, match="damaged"):
        unpack_reply(b"\xff" * 20)


@given(st.lists(records, max_size=5))
def test_a_payload_holds_records_one_behind_the_other(given):
    payload = encode_replies(given)
    assert len(payload) == sum(RECORD.size + len(one.reply) for one in given)
    assert list(decode_replies(payload)) == given
