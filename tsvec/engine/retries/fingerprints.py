"""What requests say, piece by piece: it tells a retry from another request."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
from pydantic import BaseModel

from tsvec.model.points import OnConflict, OnError, PointBatch
from tsvec.model.retries.once import Bytes


def parts_of_records(verb: str, *records: BaseModel) -> Iterator[Bytes]:
    """Of a verb and the records it is given."""
    yield verb.encode()
    for record in records:
        yield record.model_dump_json().encode()


def parts_of_objects(verb: str, *values: object) -> Iterator[Bytes]:
    """Of a verb and the JSON values it is given; what JSON cannot carry is refused elsewhere."""
    yield orjson.dumps([verb, *values], default=repr, option=orjson.OPT_NON_STR_KEYS)


def parts_of_batch(
    batch: PointBatch, on_error: OnError, on_conflict: OnConflict
) -> Iterator[Bytes]:
    """Of an ingest of a batch."""
    yield b"ingest"
    yield orjson.dumps([on_error, on_conflict, batch.space, batch.refused])
    yield orjson.dumps([list(batch.entity_id), list(batch.entity_type), list(batch.key)])
    yield batch.timestamp.tobytes()
    yield batch.origin.tobytes()
    yield batch.vector.tobytes()
    # Compact JSON has no line breaks.
    yield b"\n".join(batch.metadata)
