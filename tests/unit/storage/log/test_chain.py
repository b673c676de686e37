"""The chain of segments: what is appended comes back, what is lost or damaged is reported."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.storage.samples import (
    HISTORY,
    SEGMENT_BYTES,
    create_log,
    data_frame,
    files_with,
    fingerprint,
    flipped,
    reopen,
    with_bit_flipped,
)
from tsvec.model.errors import CorruptError
from tsvec.storage.files import Files, SyncFailedError
from tsvec.storage.log.chain import Log, LogPosition
from tsvec.storage.log.frames import Frame, Kind, Operation, frame_bytes
from tsvec.storage.log.segment import HEADER_BYTES, Segment

FLIPS = 600
SLOTS = (1_024, 2_048)


def append(log: Log, *payloads: bytes) -> list[tuple]:
    """Commit one group of frames, one seq each."""
    first = log.end.seq
    frames = [data_frame(first + i, payload) for i, payload in enumerate(payloads)]
    log.commit(frames)
    return [fingerprint(frame) for frame in frames]


def fill(log: Log, groups: int, bytes_each: int = 9_000, seed: int = 0) -> list[tuple]:
    chance = np.random.default_rng(seed)
    return [
        frame
        for _ in range(groups)
        for frame in append(log, chance.bytes(bytes_each), chance.bytes(40))
    ]


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.log"))


def restored(directory: Path, contents: dict[str, bytes]) -> None:
    """Put these files, and no others, into a directory."""
    for path in directory.iterdir():
        path.unlink()
    for name, data in contents.items():
        (directory / name).write_bytes(data)


def contents_of(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "log"


@pytest.fixture
def rolled(directory):
    """A cleanly closed log of several segments, and what is in it."""
    log = create_log(directory)
    frames = fill(log, 20)
    log.mark()
    log.close()
    assert len(segments(directory)) == 4
    return frames


# What is appended comes back.


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.lists(st.binary(max_size=3_000), min_size=1, max_size=4), min_size=1, max_size=40),
    st.data(),
)
def test_every_group_comes_back_in_order(groups, data):
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch) / "log"
        log = create_log(directory)
        written = []
        for group in groups:
            written += append(log, *group)
            if data.draw(st.booleans()):
                log.mark()
            if data.draw(st.integers(0, 9)) == 0:
                log.close()
                log, found = reopen(directory)
                assert found == written
                log.settle()
        assert [fingerprint(frame) for frame in log.read_from(log.start)] == written
        log.close()
        log, found = reopen(directory)
        assert found == written
        assert log.end.seq == len(written) + 1
        assert log.torn_bytes == 0
        log.close()


def test_one_sync_a_group(directory):
    log = create_log(directory)
    append(log, b"a", b"b", b"c")
    append(log, b"d")
    assert log.syncs == 2
    log.close()


def test_segments_grow_to_their_maximum(directory):
    log = create_log(directory, bytes_max=4 * SEGMENT_BYTES)
    fill(log, 60)
    assert [path.stat().st_size // SEGMENT_BYTES for path in segments(directory)] == [1, 2, 4, 4]
    assert log.bytes_on_disk() == 11 * SEGMENT_BYTES
    log.close()


def test_a_group_larger_than_a_segment_gets_one_of_its_size(directory):
    log = create_log(directory)
    written = append(log, bytes(range(256)) * 1_000) + append(log, b"after")
    log.close()
    log, found = reopen(directory)
    assert found == written
    log.close()


def test_frames_that_consume_no_seq(directory):
    log = create_log(directory)
    log.commit(
        [
            data_frame(1, b"three", count=3),
            Frame(Kind.DERIVED, Operation.NONE, HISTORY, 3, 0, 9, b"derived", sub=1),
            Frame(Kind.DATA, Operation.CONFIGURE, HISTORY, 4, 1, 9, b"{}"),
        ]
    )
    assert log.end.seq == 5
    log.close()
    log, found = reopen(directory)
    assert [frame[0] for frame in found] == [Kind.DATA, Kind.DERIVED, Kind.DATA]
    assert log.end.seq == 5
    log.close()


def test_reading_from_a_position_skips_what_is_before(directory, rolled):
    log, _ = reopen(directory)
    for seq in range(1, log.end.seq):
        found = [fingerprint(frame) for frame in log.read_from(log.position_of(seq))]
        assert rolled[seq - 1 :] == found[-len(rolled) + seq - 1 :]
        begin = log.position_of(seq)
        assert begin.seq <= seq
    assert list(log.read_from(log.end)) == []
    log.close()


@pytest.mark.parametrize("reopened", [False, True])
@pytest.mark.parametrize("size", [100, 40_000])
def test_a_position_is_before_all_that_follows_the_seq_before(directory, reopened, size):
    """What consumes no seq stands in front of the change it belongs to, or between two."""
    log = create_log(directory)
    for seq in range(1, 12):
        for part in range(3):
            payload = bytes([part]) * size
            log.commit([Frame(Kind.IDEMPOTENCY, Operation.NONE, HISTORY, seq - 1, 0, 1, payload)])
        append(log, bytes(30_000))
    if reopened:
        log.close()
        log, _ = reopen(directory)
    for seq in range(1, 12):
        found = log.read_from(log.position_of(seq))
        asides = [frame for frame in found if not frame.count and frame.first_seq >= seq - 1]
        assert len(asides) == 3 * (12 - seq)
    log.close()


def test_a_reader_of_a_log_that_is_written_sees_whole_groups(directory):
    log = create_log(directory)
    written = append(log, b"one", b"two")
    reader = log.read_from(log.start)
    first = fingerprint(next(reader))
    append(log, b"three")
    log.mark()
    assert [first, *map(fingerprint, reader)] == written
    log.close()


def test_a_reader_reports_damage_above_the_watermark(directory):
    log = create_log(directory)
    append(log, b"one")
    append(log, b"two")
    with_bit_flipped(segments(directory)[0], 8 * (log.end.offset - 8))
    with pytest.raises(CorruptError, match=r"0000000001\.log is damaged at byte"):
        list(log.read_from(log.start))
    log.close()


# A torn tail was promised to nobody; anything else that is missing is reported.


def test_a_cut_inside_the_last_record_keeps_all_before(directory):
    log = create_log(directory)
    kept = append(log, b"first") + append(log, b"second" * 20)
    begin = log.end.offset
    append(log, b"torn " * 30)
    end = log.end.offset
    log.close()
    whole = segments(directory)[0].read_bytes()
    for cut in range(begin, end):
        segments(directory)[0].write_bytes(whole[:cut].ljust(SEGMENT_BYTES, b"\0"))
        log, found = reopen(directory)
        padding_only = cut >= end - 2
        assert found[:2] == kept
        assert len(found) == (3 if padding_only else 2)
        log.close()
        segments(directory)[0].write_bytes(whole[:cut])
        log, found = reopen(directory)
        assert found == kept
        log.close()


def test_a_torn_tail_is_counted_and_written_over(directory):
    log = create_log(directory)
    kept = append(log, b"kept")
    begin = log.end.offset
    append(log, b"x" * 500)
    log.close()
    with_bit_flipped(segments(directory)[0], 8 * (begin + 60))
    log, found = reopen(directory)
    assert found == kept
    assert log.torn_bytes > 400
    kept += append(log, b"new")
    log.close()
    log, found = reopen(directory)
    assert found == kept
    log.close()


def test_stale_bytes_never_pass_for_frames(directory):
    """A frame of a group whose head was torn must not follow a new head of the same length."""
    log = create_log(directory)
    kept = append(log, b"kept")
    begin = log.end.offset
    append(log, b"A" * 24, b"B" * 24)
    log.close()
    with_bit_flipped(segments(directory)[0], 8 * (begin + 50))
    log, found = reopen(directory)
    assert found == kept
    kept += append(log, b"C" * 24)
    log.close()
    log, found = reopen(directory)
    assert found == kept
    log.close()


def test_a_cut_anywhere_below_the_watermark_is_reported(directory, rolled):
    contents = contents_of(directory)
    chance = np.random.default_rng(5)
    log, _ = reopen(directory)
    log.close()
    for segment in log._segments:
        name, mark = segment.path.name, segment.mark.offset
        data = contents[name]
        for cut in {0, 1, HEADER_BYTES, mark - 1, *chance.integers(0, mark, 12).tolist()}:
            for damaged in (data[:cut], data[:cut].ljust(len(data), b"\0")):
                if damaged.rstrip(b"\0") == data[:mark].rstrip(b"\0"):
                    continue
                restored(directory, contents | {name: damaged})
                with pytest.raises(CorruptError, match=name):
                    reopen(directory)
    restored(directory, contents)
    log, found = reopen(directory)
    assert found == rolled
    log.close()


def test_a_flipped_bit_is_harmless_or_reported(directory, rolled):
    contents = contents_of(directory)
    chance = np.random.default_rng(11)
    reported = harmless = 0
    for _ in range(FLIPS):
        name = str(chance.choice(sorted(contents)))
        area = HEADER_BYTES if chance.random() < 0.4 else SEGMENT_BYTES
        bit = int(chance.integers(0, 8 * area))
        restored(directory, contents | {name: flipped(contents[name], bit)})
        try:
            log, found = reopen(directory)
        except CorruptError as error:
            reported += str(directory) in str(error)
        else:
            harmless += 1
            log.close()
            assert found == rolled, f"bit {bit} of {name} changed the log silently"
    assert reported + harmless == FLIPS
    assert reported > FLIPS / 4


def test_a_damaged_slot_still_finds_every_frame(directory, rolled):
    for path in segments(directory):
        for slot in SLOTS:
            with_bit_flipped(path, 8 * slot + 77)
            log, found = reopen(directory)
            assert found == rolled
            log.close()
            with_bit_flipped(path, 8 * slot + 77)


def test_a_missing_segment_is_reported(directory, rolled):
    contents = contents_of(directory)
    for number in (2, 3, 4):
        restored(directory, contents)
        (directory / f"{number:010d}.log").unlink()
        with pytest.raises(CorruptError, match=rf"{number:010d}\.log is missing"):
            reopen(directory)
    restored(directory, contents)
    (directory / "0000000001.log").unlink()
    log = Log.open(Files(), directory, SEGMENT_BYTES, HISTORY)
    with pytest.raises(CorruptError, match=r"0000000001\.log is missing"):
        list(log.replay(LogPosition(1, HEADER_BYTES, 0, 1)))
    log.close()
    restored(directory, {})
    with pytest.raises(CorruptError, match="no log segment"):
        reopen(directory)
    directory.rmdir()
    with pytest.raises(CorruptError, match="log is missing"):
        reopen(directory)


def test_exchanged_and_foreign_segments_are_reported(directory, tmp_path, rolled):
    contents = contents_of(directory)
    second, third = contents["0000000002.log"], contents["0000000003.log"]
    restored(directory, contents | {"0000000002.log": third, "0000000003.log": second})
    with pytest.raises(CorruptError, match=r"0000000002\.log: the file holds segment 3"):
        reopen(directory)
    for history in (HISTORY, HISTORY + 1):
        other = create_log(tmp_path / f"other-{history}", history=history)
        fill(other, 20, seed=1)
        other.close()
        foreign = (other._directory / "0000000002.log").read_bytes()
        restored(directory, contents | {"0000000002.log": foreign})
        with pytest.raises(CorruptError, match=r"0000000002\.log"):
            reopen(directory)


def test_a_log_of_another_history_is_reported(directory, rolled):
    with pytest.raises(CorruptError, match="belongs to another history"):
        reopen(directory, history=HISTORY + 1)


def test_an_older_copy_of_a_segment_is_reported_if_another_followed(directory):
    log = create_log(directory)
    fill(log, 3)
    log.mark()
    older = segments(directory)[0].read_bytes()
    while len(segments(directory)) < 2:
        fill(log, 1)
    log.close()
    assert log._segments[-1].mark.turn == 0, "its one group is known from the frames alone"
    segments(directory)[0].write_bytes(older)
    with pytest.raises(CorruptError, match=r"0000000002\.log does not continue"):
        reopen(directory)
    assert len(segments(directory)) == 2


def test_other_files_are_left_alone(directory, rolled):
    (directory / "notes.txt").write_text("mine")
    (directory / "0000000009.tmp").write_text("of a crash")
    log, found = reopen(directory)
    assert found == rolled
    assert (directory / "notes.txt").exists()
    assert not (directory / "0000000009.tmp").exists()
    log.close()


# The end of a segment.


def roll_interrupted(directory: Path, rules: str) -> tuple[Log, list[tuple]]:
    """A log whose first roll failed at a fail point."""
    log = create_log(directory, files_with(rules))
    written: list[tuple] = []
    with contextlib.suppress(OSError):
        while len(written) < 10:
            written += append(log, b"r" * 9_000)
    assert 0 < len(written) < 10
    return log, written


@pytest.mark.parametrize("payload", [b"small", b"l" * 9_000])
@pytest.mark.parametrize("step", ["log.roll_created", "log.roll_linked"])
def test_a_roll_that_failed_is_done_again(directory, step, payload):
    log, written = roll_interrupted(directory, f"{step}=enospc@1")
    written += append(log, payload)
    written += append(log, payload)
    assert [fingerprint(frame) for frame in log.read_from(log.start)] == written
    log.close()
    log, found = reopen(directory)
    assert found == written
    log.close()


@pytest.mark.parametrize("step", ["log.roll_created", "log.roll_linked"])
def test_a_roll_cut_off_by_a_crash_is_undone_or_finished(directory, step):
    log, written = roll_interrupted(directory, f"{step}=enospc@1")
    log.close()
    assert len(segments(directory)) == 2
    log, found = reopen(directory)
    assert found == written
    assert len(segments(directory)) == (1 if step == "log.roll_created" else 2)
    written += append(log, b"after") + fill(log, 12)
    log.close()
    log, found = reopen(directory)
    assert found == written
    log.close()


def test_truncating_keeps_what_is_needed(directory, rolled):
    log, _ = reopen(directory)
    third = next(p for p in log._index if p.segment == 3)
    log.truncate(third, bytes_kept=1 << 40, created_before=0)
    assert len(segments(directory)) == 4, "nothing is old and there is room"
    log.truncate(third, bytes_kept=3 * SEGMENT_BYTES, created_before=0)
    assert [path.stem[-1] for path in segments(directory)] == ["2", "3", "4"]
    log.truncate(third, bytes_kept=1 << 40, created_before=1 << 62)
    assert [path.stem[-1] for path in segments(directory)] == ["3", "4"]
    log.truncate(log.end, bytes_kept=0, created_before=0)
    assert [path.stem[-1] for path in segments(directory)] == ["4"]
    assert log.start.seq == log.position_of(1).seq > 1
    rest = [fingerprint(frame) for frame in log.read_from(log.start)]
    assert rest == rolled[-len(rest) :]
    log.close()
    log, found = reopen(directory)
    assert found == rest
    log.close()


# What the disk refuses.


@pytest.mark.parametrize("action", ["eio", "enospc"])
@pytest.mark.parametrize("step", ["log.before_write", "log.after_write"])
def test_a_refused_write_can_be_tried_again_and_never_comes_back(directory, step, action):
    log = create_log(directory, files_with(f"{step}={action}@2"))
    written = append(log, b"one")
    end = log.end
    with pytest.raises(OSError, match="fail point"):
        append(log, b"refused")
    assert log.end == end
    crashed = directory.with_name("crashed")
    shutil.copytree(directory, crashed)
    other, found = reopen(crashed)
    assert found == written
    other.close()
    written += append(log, b"two")
    log.close()
    log, found = reopen(directory)
    assert found == written
    log.close()


def test_a_failed_sync_is_final(directory):
    log = create_log(directory, files_with("log.sync=eio@2"))
    append(log, b"one")
    with pytest.raises(SyncFailedError, match=r"0000000001\.log"):
        append(log, b"two")
    assert log.end.seq == 2
    with pytest.raises(SyncFailedError):
        create_log(directory.with_name("b"), files_with("log.sync=eio")).mark()
    log.close()


# Recovery makes durable what it found.


def test_settling_lets_the_watermark_name_what_was_found(directory):
    log = create_log(directory)
    written = append(log, b"one") + append(log, b"two")
    assert not log.is_marked
    log.close()
    log, found = reopen(directory)
    assert found == written
    assert not log.is_marked
    before = log.syncs
    log.settle()
    assert log.is_marked
    assert log.syncs > before
    log.settle()
    log.close()
    whole = segments(directory)[0].read_bytes()
    segments(directory)[0].write_bytes(whole[: log.end.offset - 1])
    with pytest.raises(CorruptError):
        reopen(directory)


def test_settling_a_settled_log_costs_nothing(directory, rolled):
    log, _ = reopen(directory)
    log.settle()
    assert log.syncs == 0
    log.close()


def test_settling_covers_the_end_of_the_segment_before(directory):
    """A crash between the end of one segment and the first frame of the next."""
    log = create_log(directory, files_with("log.sync=eio@7"))
    for _ in range(6):
        append(log, b"r" * 9_000)
    with pytest.raises(SyncFailedError):
        append(log, b"r" * 9_000)
    assert len(segments(directory)) == 2
    log.close()
    log, _ = reopen(directory)
    log.settle()
    first, _ = log._segments
    log.close()
    link = first.mark.offset - frame_bytes(0)
    whole = segments(directory)[0].read_bytes()
    segments(directory)[0].write_bytes(whole[:link].ljust(len(whole), b"\0"))
    with pytest.raises(CorruptError, match=r"0000000001\.log is damaged"):
        reopen(directory)


def test_recovering_again_and_again_changes_nothing(directory):
    log = create_log(directory)
    written = fill(log, 8)
    log.close()
    seen = []
    for _ in range(3):
        log, found = reopen(directory)
        log.settle()
        log.close()
        assert found == written
        seen.append(contents_of(directory))
    assert seen[0] == seen[1] == seen[2]


def test_the_log_lets_its_files_go(directory, rolled):
    before = len(os.listdir("/proc/self/fd"))
    for damage in (None, "0000000003.log"):
        if damage:
            with_bit_flipped(directory / damage, 5)
        try:
            log, _ = reopen(directory)
        except CorruptError:
            continue
        log.close()
    assert len(os.listdir("/proc/self/fd")) == before


# Power cuts: what was not synced is lost, sector by sector.


class CutError(Exception):
    """The process, or the whole machine, is gone."""


class Disk:
    """What of the segments is durable, behind what a process sees of them."""

    def __init__(self, chance: np.random.Generator, *, is_lying: bool = False) -> None:
        self.chance = chance
        self.is_lying = is_lying
        self.syncs_left = 0
        self._durable: dict[Path, bytes] = {}

    def sync(self, path: Path) -> None:
        if self.syncs_left == 0:
            raise CutError
        self.syncs_left -= 1
        if not self.is_lying:
            self.note(path)

    def note(self, path: Path) -> None:
        """All of this file is durable now."""
        self._durable[path] = path.read_bytes()

    def lose_power(self, directory: Path) -> None:
        """Each sector is as it was synced, or as it was written later."""
        for path in segments(directory):
            written = path.read_bytes()
            mixed = bytearray(self._durable[path])
            for begin in range(0, len(written), 512):
                if self.chance.random() < 0.5:
                    mixed[begin : begin + 512] = written[begin : begin + 512]
            path.write_bytes(mixed)
            self.note(path)


def write_until_the_cut(directory: Path, disk: Disk) -> tuple[list[tuple], int]:
    """Go on with a log until it is cut off: the frames it may hold, how many of them it must."""
    chance = disk.chance
    disk.syncs_left = int(chance.integers(0, 14))
    log, sent = reopen(directory)
    acknowledged = 0
    with contextlib.suppress(CutError):
        log.settle()
        acknowledged = len(sent)
        while True:
            group = [chance.bytes(int(chance.integers(0, 15_000))) for _ in range(2)]
            frames = [data_frame(log.end.seq + i, payload) for i, payload in enumerate(group)]
            sent += map(fingerprint, frames)
            log.commit(frames)
            acknowledged = len(sent)
            if chance.random() < 0.3:
                log.mark()
    log.close()
    if chance.random() < 0.6:
        disk.lose_power(directory)
    return sent, acknowledged


@pytest.fixture
def on_disk(monkeypatch):
    """Let the segments lie on this disk."""

    def install(disk: Disk) -> None:
        creating = Segment.create.__func__

        def create(cls, *arguments):
            segment = creating(cls, *arguments)
            disk.note(segment.path)
            return segment

        monkeypatch.setattr(Segment, "create", classmethod(create))
        monkeypatch.setattr(Segment, "sync", lambda segment: disk.sync(segment.path))

    return install


def lost_frames(directory: Path, disk: Disk) -> int:
    """Use a log through some cuts; how many frames are gone that must be there."""
    create_log(directory).close()
    promised: list[tuple] = []
    for _ in range(8):
        sent, acknowledged = write_until_the_cut(directory, disk)
        promised = max(promised, sent[:acknowledged], key=len)
        log, found = reopen(directory)
        log.close()
        if found[: len(promised)] != promised:
            return len(promised) - len(found)
        assert found == sent[: len(found)]
    return 0


@pytest.mark.parametrize("seed", range(30))
def test_kills_and_power_cuts_lose_nothing_that_was_acknowledged(directory, on_disk, seed):
    disk = Disk(np.random.default_rng(seed))
    on_disk(disk)
    assert lost_frames(directory, disk) == 0


def test_a_disk_that_lies_is_found_out(tmp_path, on_disk):
    """The control: without these syncs the test above does fail."""
    outcomes = []
    for seed in range(10):
        disk = Disk(np.random.default_rng(seed), is_lying=True)
        on_disk(disk)
        try:
            outcomes.append(lost_frames(tmp_path / f"log-{seed}", disk) > 0)
        except CorruptError:
            outcomes.append(True)
    assert outcomes.count(True) >= 8
