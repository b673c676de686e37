"""Reading an Arrow IPC stream from outside: whole, uncompressed, valid and of bounded size.

Its buffers are mapped, not copied, so that without compression a small body cannot grow.
"""

from __future__ import annotations

import struct

import pyarrow as pa

from tsvec.engine.intake.refused_rows import check_row_count
from tsvec.model.errors import InvalidRequestError

_END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"
_HEADER_FIELD, _DICTIONARY_DATA_FIELD, _COMPRESSION_FIELD = 2, 1, 3


def read_stream(body: bytes) -> pa.Table:
    """The table in a stream, validated to its last offset; InvalidRequestError or TooLargeError."""
    # A reader takes the end of the bytes for the end of the stream: a cut would go unnoticed.
    if not body.endswith(_END_OF_STREAM):
        raise InvalidRequestError("the Arrow stream has no end mark: it was cut, or never closed")
    try:
        _refuse_compression(body)
        batches, rows = [], 0
        with pa.ipc.open_stream(pa.py_buffer(body)) as reader:
            for batch in reader:
                rows += batch.num_rows
                if rows:
                    check_row_count(rows)
                batch.validate(full=True)
                batches.append(batch)
            table = pa.Table.from_batches(batches, reader.schema)
        _ = table.column_names  # pyarrow decodes them late: names must be text
    except (pa.ArrowException, OSError, struct.error, UnicodeError) as error:
        raise InvalidRequestError(f"the body is not a valid Arrow IPC stream: {error}") from None
    check_row_count(rows)
    return table


def _refuse_compression(body: bytes) -> None:
    for message in pa.ipc.MessageReader.open_stream(pa.py_buffer(body)):
        header = _Table.root(message.metadata.to_pybytes()).table(_HEADER_FIELD)
        if message.type == "dictionary":
            header = header and header.table(_DICTIONARY_DATA_FIELD)
        elif message.type != "record batch":
            continue
        if header is None or header.table(_COMPRESSION_FIELD) is not None:
            raise InvalidRequestError(
                "compressed Arrow buffers are refused; send them plain, "
                "or the whole body with Content-Encoding: gzip"
            )


class _Table:
    """As much of a flatbuffers table as it takes to follow offsets to other tables."""

    def __init__(self, data: bytes, start: int) -> None:
        self._data = data
        self._start = start

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, _unpack("<I", data, 0))

    def table(self, field: int) -> _Table | None:
        """The table that a field refers to; None if the field is absent."""
        vtable = self._start - _unpack("<i", self._data, self._start)
        slot = 4 + 2 * field
        if slot >= _unpack("<H", self._data, vtable):
            return None
        offset = _unpack("<H", self._data, vtable + slot)
        if offset == 0:
            return None
        place = self._start + offset
        return _Table(self._data, place + _unpack("<I", self._data, place))


def _unpack(form: str, data: bytes, offset: int) -> int:
    if offset < 0:
        raise struct.error("an offset points before the message")
    return int(struct.unpack_from(form, data, offset)[0])
