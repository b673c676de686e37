"""Arrow streams from outside: whole and plain, or refused; never a crash."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest

from tsvec.engine.intake.arrow_stream import read_stream
from tsvec.model.errors import InvalidRequestError, TooLargeError, TsvecError
from tsvec.model.limits import LIMITS

TABLE = pa.table(
    {
        "entity_id": pa.array(["a", "b", None]).dictionary_encode(),
        "vector": pa.array([[1.0, 2.0], [3.0], None], pa.list_(pa.float32())),
    }
)


def stream_of(table, **options):
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=2)
    return sink.getvalue()


def test_reads_what_was_written():
    assert read_stream(stream_of(TABLE)).to_pydict() == TABLE.to_pydict()


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_compressed_buffers_are_refused(codec):
    rows = pa.table({"entity_id": ["a" * 100] * 100})
    with pytest.raises(InvalidRequestError, match="Content-Encoding: gzip"):
        read_stream(stream_of(rows, compression=codec))
    coded = pa.table({"entity_id": pa.array(["a" * 100] * 100).dictionary_encode()})
    with pytest.raises(InvalidRequestError, match="compressed"):
        read_stream(stream_of(coded, compression=codec))


def test_a_stream_that_was_cut_anywhere_is_refused():
    whole = stream_of(TABLE)
    for end in range(len(whole)):
        with pytest.raises(TsvecError):
            read_stream(whole[:end])


def test_flipped_bits_are_refused_or_read_but_never_crash():
    whole = stream_of(TABLE)
    rng = np.random.default_rng(3)
    refused = 0
    for bit in rng.choice(len(whole) * 8, 1_500, replace=False).tolist():
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            read_stream(bytes(damaged)).to_pydict()
        except TsvecError:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize("body", [b"", b"{}", b"ARROW1", bytes(1_000)])
def test_anything_else_is_refused(body):
    with pytest.raises(InvalidRequestError):
        read_stream(body)
    with pytest.raises(InvalidRequestError):
        read_stream(body + b"\xff\xff\xff\xff\x00\x00\x00\x00")


def test_rows_are_bounded_before_they_are_read():
    schema = pa.schema({"entity_id": pa.string()})
    with pytest.raises(InvalidRequestError, match="no points"):
        read_stream(stream_of(schema.empty_table()))
    many = pa.table({"n": np.zeros(LIMITS.batch_rows_max + 1, np.int8)})
    with pytest.raises(TooLargeError, match="batch_rows_max"):
        read_stream(stream_of(many))
