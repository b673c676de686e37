"""One file of the log."""

from __future__ import annotations

import errno
import os
import shutil

import pytest

from tests.unit.storage.samples import HISTORY, SEGMENT_BYTES, with_bit_flipped
from tsvec.model.errors import CorruptError
from tsvec.storage.files import Files
from tsvec.storage.log.segment import HEADER_BYTES, Segment, SegmentHeader, Watermark

HEADER = SegmentHeader(
    number=3, history=HISTORY, first_seq=10, capacity=SEGMENT_BYTES, chain=0xC0FFEE, created_at=-5
)
CHECKED_HEADER_BYTES = 60
CHECKED_SLOT_BYTES = 36
SLOTS = (1_024, 2_048)


@pytest.fixture
def path(tmp_path):
    """A segment whose watermark was written three times."""
    segment = Segment.create(Files(), tmp_path, HEADER)
    for turn in (1, 2, 3):
        segment.write_mark(mark(turn))
    segment.close()
    return segment.path


def mark(turn: int) -> Watermark:
    return Watermark(turn, 9 + turn, HEADER_BYTES + 64 * turn, 1_000 + turn)


def opened(path) -> tuple[SegmentHeader, Watermark]:
    segment = Segment.open(path)
    segment.close()
    return segment.header, segment.mark


def test_a_segment_comes_back(path):
    assert path.name == "0000000003.log"
    assert opened(path) == (HEADER, mark(3))
    assert path.stat().st_size == SEGMENT_BYTES
    assert path.stat().st_blocks * 512 >= SEGMENT_BYTES, "the space is allocated"


def test_a_new_segment_is_marked_at_its_start(tmp_path):
    segment = Segment.create(Files(), tmp_path, HEADER)
    assert segment.mark == Watermark(0, 9, HEADER_BYTES, HEADER.chain)
    assert opened(segment.path) == (HEADER, segment.mark)
    segment.close()
    segment.close()


def test_every_flipped_bit_of_the_header_is_reported(path):
    for bit in range(8 * CHECKED_HEADER_BYTES):
        with_bit_flipped(path, bit)
        with pytest.raises(CorruptError, match=path.name):
            Segment.open(path)
        with_bit_flipped(path, bit)
    assert opened(path) == (HEADER, mark(3))


@pytest.mark.parametrize(("turn", "left"), [(3, 2), (2, 3)])
def test_a_damaged_slot_leaves_the_other(path, turn, left):
    begin = 8 * SLOTS[turn % 2]
    for bit in range(begin, begin + 8 * CHECKED_SLOT_BYTES):
        with_bit_flipped(path, bit)
        assert opened(path) == (HEADER, mark(left))
        with_bit_flipped(path, bit)


def test_two_damaged_slots_are_reported(path):
    for slot in SLOTS:
        with_bit_flipped(path, 8 * slot)
    with pytest.raises(CorruptError, match="both watermark slots"):
        Segment.open(path)


def test_the_slots_lie_in_sectors_of_their_own():
    assert SLOTS[0] + CHECKED_SLOT_BYTES <= SLOTS[1]
    assert all(slot % 512 == 0 for slot in (*SLOTS, HEADER_BYTES))


@pytest.mark.parametrize("size", [0, 1, 55, 4_095, HEADER_BYTES + 3 * 64 - 1])
def test_a_file_cut_below_its_watermark_is_reported(path, size):
    os.truncate(path, size)
    with pytest.raises(CorruptError, match=path.name):
        Segment.open(path)


def test_a_file_cut_above_its_watermark_still_opens(path):
    os.truncate(path, HEADER_BYTES + 3 * 64)
    assert opened(path) == (HEADER, mark(3))


def test_a_renamed_file_is_reported(path):
    other = Segment.path_of(path.parent, 4)
    shutil.copy(path, other)
    with pytest.raises(CorruptError, match="holds segment 3, it was renamed or exchanged"):
        Segment.open(other)


def test_bytes_written_are_seen_in_the_map(path):
    segment = Segment.open(path)
    view = segment.map()
    segment.write_at(b"abc", HEADER_BYTES)
    segment.sync()
    assert bytes(view[HEADER_BYTES : HEADER_BYTES + 3]) == b"abc"
    segment.close()


def test_a_segment_that_cannot_be_made_leaves_nothing(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(OSError, match="full"):
        Segment.create(Files(), tmp_path, HEADER)
    assert list(tmp_path.iterdir()) == []


def test_a_leftover_of_an_earlier_try_is_overwritten(tmp_path):
    Segment.path_of(tmp_path, 3).with_suffix(".tmp").write_bytes(b"junk" * 100_000)
    Segment.create(Files(), tmp_path, HEADER).close()
    (only,) = tmp_path.iterdir()
    assert opened(only)[0] == HEADER
    assert not any(only.read_bytes()[HEADER_BYTES:])
