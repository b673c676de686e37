"""A reply in the log counts only once the change it tells of follows, in the same group."""

from __future__ import annotations

from tsvec.engine.retries.awaited import AwaitedReplies
from tsvec.storage.log.frames import Frame, Kind, Operation
from tsvec.storage.retries.replies import KeptReply, encode_replies


def record(seq: int) -> KeptReply:
    return KeptReply(bytes([seq]) * 16, bytes(16), 1, seq, b"")


def replies(follows: int, at: int, *seqs: int) -> Frame:
    payload = encode_replies(map(record, seqs))
    return Frame(Kind.IDEMPOTENCY, Operation.NONE, 1, follows, 0, at, payload)


def data(first: int, count: int, at: int) -> Frame:
    return Frame(Kind.DATA, Operation.INSERT_POINTS, 1, first, count, at, b"")


def told(*frames: Frame) -> tuple[list[int], int]:
    """The seqs of the replies that count, and the time of those still awaited."""
    awaited = AwaitedReplies()
    seqs = [one.seq for frame in frames for one in awaited.see(frame)]
    return seqs, awaited.recorded_at


def test_a_reply_counts_with_its_change():
    assert told(replies(4, 70, 6)) == ([], 70)
    assert told(replies(4, 70, 6), data(5, 1, 70)) == ([], 70)
    assert told(replies(4, 70, 6), data(5, 2, 70)) == ([6], 0)


def test_replies_of_a_group_count_as_far_as_its_changes_go():
    group = (replies(4, 70, 5, 5, 7, 9), data(5, 1, 70), data(6, 2, 70))
    assert told(*group) == ([5, 5, 7], 70)
    assert told(*group, data(8, 4, 70)) == ([5, 5, 7, 9], 0)


def test_a_reply_that_tells_of_no_change_counts_at_once():
    assert told(replies(4, 70, 4, 4)) == ([4, 4], 0)
    assert told(replies(0, 70, 0)) == ([0], 0)


def test_a_change_of_another_group_is_not_the_one_awaited():
    assert told(replies(4, 70, 6), data(5, 2, 71)) == ([], 70)
    assert told(replies(4, 70, 6), data(5, 2, 71), replies(6, 72, 6)) == ([6], 0)


def test_a_tick_of_the_same_time_is_no_change():
    tick = Frame(Kind.TICK, Operation.EXPIRE, 1, 6, 0, 70, b"")
    assert told(replies(4, 70, 6), tick) == ([], 70)
