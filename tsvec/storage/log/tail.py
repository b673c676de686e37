"""The log of a collection that another process may have open: read, never touched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tsvec.model.errors import CorruptError
from tsvec.storage.log.chain import LogPosition
from tsvec.storage.log.frames import Frame, Kind, decode_frame
from tsvec.storage.log.segment import HEADER_BYTES, Segment


def read_tail(directory: Path, start: LogPosition) -> Iterator[Frame]:
    """Every frame from `start` to where the log ends at this moment.

    The last ones may not be durable yet. CorruptError if frames below a watermark cannot be read,
    FileNotFoundError if a segment is gone: a later manifest begins behind it.
    """
    number, offset, chain = start.segment, start.offset, start.chain
    is_last = False
    while not is_last:
        with closing(Segment.open(Segment.path_of(directory, number), writable=False)) as segment:
            view = segment.map()
        is_last = True
        while is_last and (found := decode_frame(view, offset, chain)) is not None:
            frame, offset, chain = found
            if frame.kind is Kind.ROLL:
                is_last = False
            else:
                yield frame
        if offset < segment.mark.offset:
            raise CorruptError(
                f"{segment.path} is damaged at byte {offset}: "
                f"frames up to byte {segment.mark.offset} were durable and cannot be read"
            )
        number, offset = number + 1, HEADER_BYTES
