"""Frames of any length, cut into pieces of which each is one commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow as pa

from tsvec.engine.intake.frames import is_frame, read_batches
from tsvec.model.errors import InvalidRequestError, TooLargeError
from tsvec.model.limits import limits
from tsvec.model.points import PointBatch
from tsvec.model.validation import invalid_field

PIECE_ROWS = 10_000
"""Rows of a piece by default: beyond it a commit costs what its rows do, and others wait longer."""


def check_piece_rows(rows: int) -> None:
    """InvalidRequestError unless a commit may have so many rows."""
    if isinstance(rows, bool) or not isinstance(rows, int):
        raise invalid_field("commit_rows", "is a whole number")
    if not 1 <= rows <= limits().batch_rows_max:
        raise invalid_field("commit_rows", f"must be 1 to {limits().batch_rows_max}")


def read_pieces(frames: Any, rows: int) -> Iterator[pa.Table]:
    """The rows of one frame, or of each of some, as tables of at most `rows` rows and about
    `body_bytes_max` bytes. No piece has rows of two frames; a frame is read when its turn comes.
    """
    if is_frame(frames):
        frames = [frames]
    elif isinstance(frames, str | bytes) or not isinstance(frames, Iterable):
        raise InvalidRequestError(
            f"a frame is expected, or an iterable of frames, not {type(frames).__name__}"
        )
    for frame in frames:
        if not is_frame(frame):
            raise InvalidRequestError(
                f"each of the frames is a table, not {type(frame).__name__}; "
                "points as mappings go to ingest"
            )
        yield from _cut(frame, rows)


def decode_piece(
    table: pa.Table, first_row: int, decode: Callable[[pa.Table, int], PointBatch]
) -> Iterator[PointBatch]:
    """The batch of a piece that begins with a row, or batches of its parts where it is too large.

    What is too large is known only once metadata is JSON.
    """
    waiting = [(table, first_row)]
    while waiting:
        piece, first = waiting.pop()
        half = piece.num_rows // 2
        try:
            batch = decode(piece, first)
        except TooLargeError:
            if not half:
                raise
            waiting += [(piece.slice(half), first + half), (piece.slice(0, half), first)]
        else:
            yield batch


def _cut(frame: Any, rows: int) -> Iterator[pa.Table]:
    schema, batches = read_batches(frame)
    held: list[Any] = []
    room, space = rows, float(limits().body_bytes_max)
    for batch in batches:
        size = batch.nbytes / max(1, batch.num_rows)
        begin = 0
        while begin < batch.num_rows:
            fits = int(min(room, space / size)) if size else room
            if not fits and held:
                yield pa.Table.from_batches(held, schema)
                held, room, space = [], rows, float(limits().body_bytes_max)
                continue
            held.append(batch.slice(begin, max(1, fits)))
            taken = held[-1].num_rows
            begin, room, space = begin + taken, room - taken, space - taken * size
    if held:
        yield pa.Table.from_batches(held, schema)
