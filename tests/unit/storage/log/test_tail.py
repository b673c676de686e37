"""The log is followed beside its writer: all that is valid, nothing touched, damage reported."""

from __future__ import annotations

import os

import pytest

from tests.unit.storage.samples import create_log, data_frame, fingerprint
from tsvec.model.errors import CorruptError
from tsvec.storage.log.segment import Segment
from tsvec.storage.log.tail import read_tail


def append(log, *payloads):
    first = log.end.seq
    frames = [data_frame(first + place, payload) for place, payload in enumerate(payloads)]
    log.commit(frames)
    return [fingerprint(frame) for frame in frames]


@pytest.fixture
def log(tmp_path):
    made = create_log(tmp_path / "log")
    yield made
    made.close()


def told(log, start=None):
    directory = log._directory
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in directory.iterdir()}
    frames = [fingerprint(frame) for frame in read_tail(directory, start or log.start)]
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in directory.iterdir()}
    assert after == before
    return frames


def test_what_the_writer_has_appended_is_read_over_many_segments(log):
    written = [frame for number in range(40) for frame in append(log, os.urandom(5_000), b"x")]
    assert len(list(log._directory.glob("*.log"))) > 3
    assert told(log) == written
    place = log.end
    more = append(log, b"later")
    assert told(log) == written + more
    assert told(log, place) == more
    assert told(log, log.end) == []


def test_a_frame_that_is_half_written_is_not_there_yet(log):
    written = append(log, b"a" * 900)
    place = log.end.offset
    append(log, b"b" * 900)
    path = Segment.path_of(log._directory, 1)
    content = bytearray(path.read_bytes())
    content[place + 500 : place + 1_000] = bytes(500)
    path.write_bytes(content)
    assert told(log) == written


def test_damage_below_the_watermark_is_named(log):
    append(log, b"a" * 900)
    append(log, b"b" * 900)
    log.mark()
    path = Segment.path_of(log._directory, 1)
    content = bytearray(path.read_bytes())
    content[5_000 - 100] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorruptError, match=path.name):
        told(log)


def test_a_segment_that_was_truncated_away_is_missing(log):
    start = log.start
    for _ in range(20):
        append(log, os.urandom(9_000))
    log.truncate(log.end, bytes_kept=0, created_before=0)
    with pytest.raises(FileNotFoundError):
        list(read_tail(log._directory, start))
    assert len(told(log)) > 0
