"""The log: an append-only chain of frames in segments, durable one fdatasync a group.

The watermark written together with a group names the group before it, which is certainly on disk;
`mark` catches up when there is nothing else to do. So a log that lost bytes below its watermark is
recognised at open, and a torn tail above it, which nobody was promised, is cut off.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np

from tsvec.model.errors import CorruptError
from tsvec.storage.files import Files, SyncFailedError
from tsvec.storage.log.frames import Frame, Kind, Operation, decode_frame, encode_frame, frame_bytes
from tsvec.storage.log.segment import HEADER_BYTES, Segment, SegmentHeader, Watermark

_NAME = re.compile(r"\d{10}\.log")
_INDEX_STEP_BYTES = 64 << 10
_TORN_SEARCH_BYTES = 1 << 20
_ROLL_BYTES = frame_bytes(0)


@dataclass(frozen=True, slots=True)
class LogPosition:
    """A place between frames: every frame before it has a seq below `seq`."""

    segment: int
    offset: int
    chain: int
    seq: int


class Log:
    """The open log of one collection. One thread commits; any thread may read what is durable."""

    def __init__(
        self, files: Files, directory: Path, segment_bytes_max: int, segments: list[Segment]
    ) -> None:
        self._files = files
        self._directory = directory
        self._segment_bytes_max = segment_bytes_max
        self._segments = segments
        self._index: list[LogPosition] = []
        self._passed_seq = 0
        self._unsettled: list[tuple[Segment, LogPosition]] = []
        self._end = self.start
        self.torn_bytes = 0
        self.syncs = 0

    @classmethod
    def create(
        cls,
        files: Files,
        directory: Path,
        *,
        history: int,
        created_at: int,
        segment_bytes: tuple[int, int],
    ) -> Self:
        """The log of a new history, empty; segments grow from the first size to the second."""
        files.make_directory(directory)
        header = SegmentHeader(1, history, 1, segment_bytes[0], 0, created_at)
        return cls(files, directory, segment_bytes[1], [Segment.create(files, directory, header)])

    @classmethod
    def open(
        cls, files: Files, directory: Path, segment_bytes_max: int, history: int | None
    ) -> Self:
        """An existing log, before `replay`.

        CorruptError names a damaged or missing segment, or one of another history than the given.
        """
        segments: list[Segment] = []
        if not directory.is_dir():
            raise CorruptError(f"{directory} is missing; restore it from a backup")
        try:
            for path in sorted(directory.iterdir()):
                if path.suffix == ".tmp":
                    path.unlink()
                elif _NAME.fullmatch(path.name):
                    segments.append(Segment.open(path))
            _check_sequence(directory, segments, history)
        except BaseException:
            for segment in segments:
                segment.close()
            raise
        return cls(files, directory, segment_bytes_max, segments)

    @property
    def start(self) -> LogPosition:
        """The first place the log still holds."""
        header = self._segments[0].header
        return LogPosition(header.number, HEADER_BYTES, header.chain, header.first_seq)

    @property
    def end(self) -> LogPosition:
        """The place behind the last durable frame."""
        return self._end

    def bytes_on_disk(self) -> int:
        """Bytes of all segments, preallocated space included."""
        return sum(segment.header.capacity for segment in self._segments)

    def replay(self, start: LogPosition) -> Iterator[Frame]:
        """Every frame from `start` on, finding the end; run it to completion once after `open`.

        Bytes above the last watermark that hold no valid frame are a torn write, counted in
        `torn_bytes` and overwritten later; the same below a watermark raises CorruptError.
        """
        position = start
        for segment in self._segments_from(start.segment):
            if segment.header.number != start.segment:
                if not _is_linked(segment, position):
                    self._drop_unlinked(segment)
                    break
                position = _start_of(segment)
            view = segment.map()
            for frame, place in _frames(segment, view, position):
                self._remember(position)
                position = place
                if frame.kind is not Kind.ROLL:
                    yield frame
                elif segment is self._segments[-1]:
                    missing = Segment.path_of(self._directory, segment.header.number + 1)
                    raise CorruptError(f"{missing} is missing; {segment.path.name} goes on there")
            _check_mark(segment, position)
            if position.offset > segment.mark.offset:
                self._unsettled.append((segment, position))
            tail = view[position.offset : position.offset + _TORN_SEARCH_BYTES]
            self.torn_bytes = int(np.count_nonzero(np.frombuffer(tail, np.uint8)))
        self._end = position

    def settle(self) -> None:
        """Make durable what `replay` found above the watermarks, before anything is built on it.

        The bytes are written again, because after a failed fsync the kernel takes them for clean.
        """
        for segment, end in self._unsettled:
            begin = segment.mark.offset
            segment.write_at(bytes(segment.map()[begin : end.offset]), begin)
            self._sync(segment)
            _write_mark(segment, end)
            self._sync(segment)
        self._unsettled.clear()

    def read_from(self, start: LogPosition) -> Iterator[Frame]:
        """Every durable frame from `start` on; CorruptError if one is damaged."""
        end = self._end
        position = start
        for segment in self._segments_from(start.segment):
            if segment.header.number > end.segment:
                return
            if segment.header.number != start.segment:
                if not _is_linked(segment, position):
                    raise CorruptError(f"{segment.path} does not continue the segment before it")
                position = _start_of(segment)
            for frame, place in _frames(segment, segment.map(), position):
                if (place.segment, place.offset) > (end.segment, end.offset):
                    return
                position = place
                if frame.kind is not Kind.ROLL:
                    yield frame
            is_last = segment.header.number == end.segment
            _check_reached(segment, position, end.offset if is_last else segment.mark.offset)

    def commit(self, frames: Sequence[Frame]) -> None:
        """Append a group of frames and make it durable.

        An OSError leaves the log as it was and may be retried; SyncFailedError is final.
        """
        failpoints = self._files.failpoints
        size = sum(frame_bytes(len(frame.payload)) for frame in frames)
        if self._end.offset + size + _ROLL_BYTES > self._segments[-1].header.capacity:
            self._roll(size, frames[0].recorded_at)
        position, chunks, places = self._end, [], []
        for frame in frames:
            data, chain = encode_frame(frame, position.chain)
            chunks.append(data)
            places.append(position)
            seq = frame.last_seq + 1 if frame.count else position.seq
            position = LogPosition(position.segment, position.offset + len(data), chain, seq)
        segment = self._segments[-1]
        failpoints.hit("log.before_write")
        try:
            segment.write_at(b"".join(chunks), self._end.offset)
            failpoints.hit("log.after_write")
            _write_mark(segment, self._end)
        except OSError:
            # What is refused now must not come back after a crash.
            with contextlib.suppress(OSError):
                segment.write_at(bytes(_ROLL_BYTES), self._end.offset)
            raise
        self._sync(segment)
        failpoints.hit("log.after_sync")
        for place in places:
            self._remember(place)
        self._end = position

    @property
    def is_marked(self) -> bool:
        """Whether the watermark names everything durable."""
        mark = self._segments[-1].mark
        return (mark.offset, mark.seq) == (self._end.offset, self._end.seq - 1)

    def mark(self) -> None:
        """Let the watermark name everything durable."""
        segment = self._segments[-1]
        _write_mark(segment, self._end)
        self._sync(segment)

    def position_of(self, seq: int) -> LogPosition:
        """A place at or shortly before the frame that holds `seq`, and all that follows the seq
        before.
        """
        found = self.start
        for position in self._index:
            if position.seq > seq:
                break
            found = position
        return found

    def truncate(self, before: LogPosition, *, bytes_kept: int, created_before: int) -> None:
        """Remove leading segments that end before `before` and are old or beyond `bytes_kept`.

        A segment is old when the one behind it was begun before `created_before`.
        """
        while len(self._segments) > 1 and self._segments[1].header.number <= before.segment:
            old = self._segments[1].header.created_at < created_before
            if not old and self.bytes_on_disk() <= bytes_kept:
                break
            self._files.failpoints.hit("log.truncate")
            first = self._segments.pop(0)
            first.close()
            self._files.remove(first.path)
        start = self.start
        # In place: the writer may append meanwhile.
        gone = sum(place.segment < start.segment for place in self._index)
        del self._index[:gone]

    def close(self) -> None:
        """Let the files go."""
        for segment in self._segments:
            segment.close()

    def _remember(self, position: LogPosition) -> None:
        """Add a place to the index now and then, always the first one of its seq."""
        is_first, self._passed_seq = position.seq > self._passed_seq, position.seq
        last = self._index[-1] if self._index else None
        if is_first and (
            last is None
            or last.segment != position.segment
            or position.offset - last.offset >= _INDEX_STEP_BYTES
        ):
            self._index.append(position)

    def _segments_from(self, number: int) -> list[Segment]:
        found = [s for s in self._segments if s.header.number >= number]
        if not found or found[0].header.number != number:
            raise CorruptError(f"{Segment.path_of(self._directory, number)} is missing")
        return found

    def _drop_unlinked(self, segment: Segment) -> None:
        """Remove a segment that a crash left before the one in front of it named it."""
        begin = _start_of(segment)
        frames = _frames(segment, segment.map(), begin)
        is_empty = segment.mark.turn == 0 and next(frames, None) is None
        if segment is not self._segments[-1] or not is_empty:
            raise CorruptError(f"{segment.path} does not continue the segment before it")
        self._segments.pop()
        segment.close()
        self._files.remove(segment.path)

    def _sync(self, segment: Segment) -> None:
        self.syncs += 1
        try:
            self._files.failpoints.hit("log.sync")
            segment.sync()
        except OSError as error:
            raise SyncFailedError(f"{segment.path}: {error}") from error

    def _roll(self, size: int, recorded_at: int) -> None:
        """Go on in a new segment: it exists before the old one names it in a last frame."""
        old = self._segments[-1]
        header, end = old.header, self._end
        frame = Frame(Kind.ROLL, Operation.NONE, header.history, end.seq - 1, 0, recorded_at, b"")
        data, chain = encode_frame(frame, end.chain)
        new = SegmentHeader(
            number=header.number + 1,
            history=header.history,
            first_seq=end.seq,
            capacity=max(
                min(header.capacity * 2, self._segment_bytes_max),
                HEADER_BYTES + size + _ROLL_BYTES,
            ),
            chain=chain,
            created_at=recorded_at,
        )
        segment = Segment.create(self._files, self._directory, new)
        self._files.failpoints.hit("log.roll_created")
        old.write_at(data, end.offset)
        self._sync(old)
        # From here on the old segment has ended, whatever fails below.
        self._segments.append(segment)
        self._end = _start_of(segment)
        rolled = LogPosition(header.number, end.offset + len(data), chain, end.seq)
        _write_mark(old, rolled)
        self._sync(old)
        self._files.failpoints.hit("log.roll_linked")


def _write_mark(segment: Segment, end: LogPosition) -> None:
    """Let the watermark of a segment name `end`, if it does not yet."""
    mark = segment.mark
    if end.offset > mark.offset:
        segment.write_mark(Watermark(mark.turn + 1, end.seq - 1, end.offset, end.chain))


def _start_of(segment: Segment) -> LogPosition:
    header = segment.header
    return LogPosition(header.number, HEADER_BYTES, header.chain, header.first_seq)


def _is_linked(segment: Segment, position: LogPosition) -> bool:
    header = segment.header
    return header.chain == position.chain and header.first_seq == position.seq


def _frames(
    segment: Segment, view: memoryview, position: LogPosition
) -> Iterator[tuple[Frame, LogPosition]]:
    offset, chain, seq = position.offset, position.chain, position.seq
    while (found := decode_frame(view, offset, chain)) is not None:
        frame, offset, chain = found
        if frame.history != segment.header.history or (frame.count and frame.first_seq != seq):
            raise CorruptError(f"{segment.path}: a frame before byte {offset} is out of sequence")
        if frame.count:
            seq = frame.last_seq + 1
        yield frame, LogPosition(segment.header.number, offset, chain, seq)
        if frame.kind is Kind.ROLL:
            return


def _check_reached(segment: Segment, position: LogPosition, durable: int) -> None:
    if position.offset < durable:
        raise CorruptError(
            f"{segment.path} is damaged at byte {position.offset}: "
            f"frames up to byte {durable} were durable and cannot be read"
        )


def _check_mark(segment: Segment, position: LogPosition) -> None:
    mark = segment.mark
    _check_reached(segment, position, mark.offset)
    if position.offset == mark.offset and position.chain != mark.chain:
        raise CorruptError(f"{segment.path}: the watermark does not match the frames before it")


def _check_sequence(directory: Path, segments: list[Segment], history: int | None) -> None:
    if not segments:
        raise CorruptError(f"{directory} holds no log segment")
    for segment in segments:
        if segment.header.history != (history or segments[0].header.history):
            raise CorruptError(f"{segment.path} belongs to another history")
    for before, after in pairwise(segments):
        expected = before.header.number + 1
        if after.header.number != expected:
            raise CorruptError(f"{Segment.path_of(directory, expected)} is missing")
