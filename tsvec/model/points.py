"""Points: one observation of one entity, and the columnar batch used inside."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal, Self, cast

import numpy as np
import orjson
from pydantic import AfterValidator, BaseModel, Field
from pydantic.fields import FieldInfo

from tsvec.model.limits import LIMITS, AtMost, limits
from tsvec.model.times import TIME_MISSING, Instant
from tsvec.model.vectors import RECORD, Float32Array, Int64Array, Vector

GENERIC = "GENERIC"
"""The entity type of an entity that was never given one."""

EMPTY_METADATA = b"{}"


def _text(name: str, limit: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        bytes_max = getattr(limits(), limit)
        try:
            size = len(value.encode())
        except UnicodeEncodeError:
            raise ValueError(f"{name} is not valid Unicode text") from None
        if not 1 <= size <= bytes_max:
            raise ValueError(f"{name} has 1 to {bytes_max} UTF-8 bytes, not {size} ({limit})")
        if "\0" in value:
            raise ValueError(f"{name} must not contain a NUL character")
        return value

    return check


def object_bytes(what: str, value: dict[str, Any], limit: str) -> bytes:
    """Compact JSON of an object to be stored; a ValueError says what of it cannot be, and why.

    `what` names the object in messages, `limit` its limit of size.
    """
    _check_json(what, value, 1)
    try:
        encoded = orjson.dumps(value)
    except (orjson.JSONEncodeError, TypeError) as error:
        raise ValueError(f"{what} cannot be stored as JSON: {error}") from None
    bytes_max = getattr(limits(), limit)
    if len(encoded) > bytes_max:
        raise ValueError(
            f"{what} of {len(encoded)} bytes exceeds the limit of {bytes_max} ({limit})"
        )
    return encoded


def _check_json(what: str, value: object, depth: int) -> None:
    match value:
        case dict():
            items: Iterable[object] = value.values()
        case list() | tuple():
            items = value
        case float() if not math.isfinite(value):
            raise ValueError(f"{what} holds NaN or infinity, which JSON cannot carry")
        case _:
            return
    most = limits().metadata_depth_max
    if depth > most:
        raise ValueError(f"{what} nests deeper than {most} (metadata_depth_max)")
    for item in items:
        _check_json(what, item, depth + 1)


def metadata_bytes(value: dict[str, Any] | None) -> bytes:
    """Compact JSON of a metadata object; a ValueError says what cannot be stored and why."""
    if not value:
        return EMPTY_METADATA
    return object_bytes("metadata", value, "metadata_bytes_max")


def _check_metadata(value: dict[str, Any]) -> dict[str, Any]:
    metadata_bytes(value)
    return value


def _text_field(limit: str) -> FieldInfo:
    schema: dict[str, Any] = {
        "minLength": 1,
        "maxLength": getattr(LIMITS, limit),
        "pattern": r"^[^\u0000]+$",
    }
    return cast("FieldInfo", Field(strict=True, json_schema_extra=schema))


EntityId = Annotated[
    str,
    _text_field("entity_id_bytes_max"),
    AfterValidator(_text("an entity id", "entity_id_bytes_max")),
]
EntityType = Annotated[
    str,
    _text_field("entity_type_bytes_max"),
    AfterValidator(_text("an entity type", "entity_type_bytes_max")),
]
PointKey = Annotated[
    str,
    _text_field("key_bytes_max"),
    AfterValidator(_text("a key", "key_bytes_max")),
]
Space = Annotated[
    str,
    _text_field("space_bytes_max"),
    AfterValidator(_text("a space", "space_bytes_max")),
]
"""Names the embedding model that made the vectors."""

Metadata = Annotated[dict[str, Any], AfterValidator(_check_metadata)]


class PointInput(BaseModel):
    """One observation: where an entity was, in vector space, at one time."""

    model_config = RECORD

    entity_id: EntityId = Field(description="The thing observed; 1 to 256 UTF-8 bytes.")
    vector: Vector = Field(description="Finite numbers, as many as the collection's `dim`.")
    timestamp: Instant | None = Field(
        default=None, description="Event time with an offset; omitted: the time of the commit."
    )
    entity_type: EntityType | None = Field(
        default=None, description="Omitted: the entity keeps its type, at first `GENERIC`."
    )
    metadata: Metadata | None = Field(default=None, description="Any JSON object.")
    key: PointKey | None = Field(
        default=None, description="Tells points of one entity at one instant apart."
    )


OnError = Literal["reject_all", "skip_row"]
OnConflict = Literal["replace", "error", "ignore"]


class IngestRequest(BaseModel):
    """One atomic commit of points."""

    model_config = RECORD

    points: Annotated[
        list[PointInput], Field(min_length=1), AtMost("batch_rows_max", is_list=True)
    ] = Field(description="One or many points; a later row is newer.")
    on_error: OnError = Field(
        default="reject_all",
        description="What a bad row does: refuse the whole request, or only the row.",
    )
    on_conflict: OnConflict = Field(
        default="replace",
        description="What a row does whose entity, timestamp and key are taken by a point of other "
        "content: replace it, be a bad row, or be passed over.",
    )
    space: Space | None = Field(
        default=None,
        description="The embedding model of the vectors; another one than the collection's is a "
        "`conflict`.",
    )


@dataclass(frozen=True, slots=True)
class RowError:
    """Why one row of a batch was refused."""

    index: int
    code: str
    message: str
    field: str


@dataclass(frozen=True, slots=True)
class PointBatch:
    """Points as columns, row i of each describing point i.

    `vector` is float32 of shape (rows, dim), C-contiguous and finite; `timestamp` is int64 µs since
    1970 UTC, `TIME_MISSING` where the commit time is to be used; `metadata` holds compact JSON.
    `origin` gives each row's place in the request it came from (rows refused there are absent),
    `space` names the embedding model that the request says made the vectors.
    """

    entity_id: Sequence[str]
    vector: Float32Array
    timestamp: Int64Array
    metadata: Sequence[bytes]
    entity_type: Sequence[str | None]
    key: Sequence[str | None]
    origin: Int64Array
    refused: tuple[RowError, ...] = field(default=())
    space: str | None = None

    def __len__(self) -> int:
        return len(self.entity_id)

    @property
    def dim(self) -> int:
        """Elements of each vector."""
        return int(self.vector.shape[1])

    @classmethod
    def of_columns(
        cls,
        *,
        entity_id: Sequence[str],
        vector: Float32Array,
        timestamp: Int64Array,
        metadata: Sequence[bytes] | None = None,
        entity_type: Sequence[str | None] | None = None,
        key: Sequence[str | None] | None = None,
    ) -> Self:
        """A batch of checked columns; omitted ones take their defaults."""
        rows = len(entity_id)
        return cls(
            entity_id=entity_id,
            vector=np.ascontiguousarray(vector, dtype=np.float32),
            timestamp=timestamp,
            metadata=metadata if metadata is not None else [EMPTY_METADATA] * rows,
            entity_type=entity_type if entity_type is not None else [None] * rows,
            key=key if key is not None else [None] * rows,
            origin=np.arange(rows, dtype=np.int64),
        )

    @classmethod
    def of_points(cls, points: Sequence[PointInput]) -> Self:
        """A batch of validated points, which must all have the same number of dimensions."""
        return cls.of_columns(
            entity_id=[point.entity_id for point in points],
            vector=np.array([point.vector for point in points], dtype=np.float32),
            timestamp=np.array(
                [TIME_MISSING if p.timestamp is None else p.timestamp for p in points], np.int64
            ),
            metadata=[metadata_bytes(point.metadata) for point in points],
            entity_type=[point.entity_type for point in points],
            key=[point.key for point in points],
        )

    def take(self, rows: Int64Array) -> Self:
        """The batch of these rows, in this order."""
        if len(rows) == len(self) and (rows == np.arange(len(self))).all():
            return self
        picked = rows.tolist()
        return replace(
            self,
            entity_id=[self.entity_id[i] for i in picked],
            vector=self.vector[rows],
            timestamp=self.timestamp[rows],
            metadata=[self.metadata[i] for i in picked],
            entity_type=[self.entity_type[i] for i in picked],
            key=[self.key[i] for i in picked],
            origin=self.origin[rows],
        )
