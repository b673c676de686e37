"""Frames are cut where a commit ends."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pyarrow as pa
import pytest

from tsvec.engine.intake.pieces import check_piece_rows, decode_piece, read_pieces
from tsvec.model.errors import InvalidRequestError, TooLargeError
from tsvec.model.limits import LIMITS, Limits, in_force
from tsvec.model.points import PointBatch


def numbered(*chunks, first=0):
    """A table of one column that counts its rows, in chunks of these lengths."""
    ends = first + np.cumsum(chunks)
    arrays = [
        pa.array(range(end - rows, end), pa.int64()) for end, rows in zip(ends, chunks, strict=True)
    ]
    return pa.table({"n": pa.chunked_array(arrays, pa.int64())})


def cut(frames, rows):
    return [piece["n"].to_pylist() for piece in read_pieces(frames, rows)]


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("chunks", [(7,), (1, 0, 3, 2, 1), (2, 5), (0,), ()])
def test_pieces_are_as_long_as_may_be_whatever_the_chunks(rows, chunks):
    frame = numbered(*chunks)
    every = list(range(sum(chunks)))
    wanted = [every[begin : begin + rows] for begin in range(0, len(every), rows)]
    assert cut(frame, rows) == wanted
    assert cut(frame.to_reader(), rows) == wanted
    assert cut([frame], rows) == wanted


def test_no_piece_has_rows_of_two_frames_and_each_is_read_in_its_turn():
    asked = []

    def coming():
        for first in (0, 3, 6):
            asked.append(first)
            yield numbered(3, first=first)

    found = [(piece["n"].to_pylist(), list(asked)) for piece in read_pieces(coming(), 2)]
    assert [rows for rows, _ in found] == [[0, 1], [2], [3, 4], [5], [6, 7], [8]]
    assert [len(seen) for _, seen in found] == [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("chunks", [(50,), (3,) * 16 + (2,), (1,) * 50])
def test_pieces_are_bounded_in_bytes(chunks):
    with in_force(Limits(body_bytes_max=80)):
        found = cut(numbered(*chunks), 1_000)
    assert list(chain(*found)) == list(range(50))
    assert max(map(len, found)) <= 10
    assert len(found) <= 10
    with in_force(Limits(body_bytes_max=1)):
        assert cut(numbered(*chunks), 1_000) == [[n] for n in range(50)]


@pytest.mark.parametrize("wrong", [5, None, "a.parquet", [numbered(1), 5], [{"n": 1}], {"n": 1}])
def test_what_is_no_frame_is_refused(wrong):
    with pytest.raises(InvalidRequestError, match="frame"):
        cut(wrong, 10)


@pytest.mark.parametrize("rows", [0, -1, LIMITS.batch_rows_max + 1, 1.5, True, None])
def test_a_commit_has_so_many_rows_and_no_more(rows):
    with pytest.raises(InvalidRequestError, match="commit_rows"):
        check_piece_rows(rows)
    check_piece_rows(1)
    check_piece_rows(LIMITS.batch_rows_max)


@pytest.mark.parametrize("most", [1, 2, 3, 7, 10])
def test_what_is_too_large_when_decoded_is_halved(most):
    def decode(table, first_row):
        if table.num_rows > most:
            raise TooLargeError("too large")
        assert table["n"][0].as_py() == first_row
        count = table.num_rows
        return PointBatch.of_columns(
            entity_id=["a"] * count,
            vector=np.zeros((count, 1), np.float32),
            timestamp=np.array(table["n"].to_pylist()),
        )

    found = [batch.timestamp.tolist() for batch in decode_piece(numbered(3, 6), 0, decode)]
    assert list(chain(*found)) == list(range(9))
    assert max(map(len, found)) <= most


def test_one_row_that_is_too_large_is_refused():
    def decode(table, first_row):
        raise TooLargeError("too large")

    with pytest.raises(TooLargeError):
        list(decode_piece(numbered(4), 0, decode))
