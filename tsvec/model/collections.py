"""Collections: named sets of points with one dimension and one metric."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tsvec.model.limits import LIMITS
from tsvec.model.times import Duration, duration_to_us
from tsvec.model.vectors import RECORD

DEFAULT_COLLECTION = "default"
DEFAULT_TENANT = "default"
Metric = Literal["cosine", "l2", "dot"]
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$"
_NAME = re.compile(NAME_PATTERN, re.ASCII)


def check_collection_name(name: str) -> str:
    """The same name, if it is one to 128 letters, digits, `_`, `.` or `-`, no sign first."""
    if _NAME.fullmatch(name) is None or name.endswith("\n"):
        raise ValueError(
            "a collection name is 1 to 128 letters, digits, '_', '.' or '-', "
            "starting with a letter or digit"
        )
    return name


CollectionName = Annotated[
    str,
    Field(strict=True, json_schema_extra={"pattern": NAME_PATTERN}),
    AfterValidator(check_collection_name),
]


class CollectionConfig(BaseModel):
    """What a collection is made of; `dim` and `metric` are fixed once made."""

    model_config = RECORD

    name: CollectionName = Field(description="Unique within the tenant.")
    dim: Annotated[int, Field(strict=True, ge=1, le=LIMITS.dim_max)] = Field(
        description="Elements of every vector."
    )
    metric: Metric = Field(default="cosine", description="How distances are measured.")
    window_size: Duration = Field(
        default="1h", description="Width of a window of event time, aligned to 1970 UTC."
    )

    @property
    def window_us(self) -> int:
        """The window size in microseconds."""
        return duration_to_us(self.window_size)


class CollectionPatch(BaseModel):
    """The changes of an update; at least one field."""

    model_config = RECORD | ConfigDict(json_schema_extra={"minProperties": 1})

    window_size: Duration = Field(description="New width of windows; sealed ones keep theirs.")


class CollectionInfo(BaseModel):
    """A collection as it stands."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="Unique within the tenant.")
    dim: int = Field(description="Elements of every vector.")
    metric: Metric = Field(description="How distances are measured.")
    window_size: str = Field(description="Width of a window of event time.")
    history: str = Field(description="Names the unbroken line of seqs; new after a recreate.")
    created_at: datetime = Field(description="When it was made.")
    seq: int = Field(description="Number of the last change; 0 before the first.")


class CollectionList(BaseModel):
    """One page of collections, by name."""

    model_config = ConfigDict(extra="forbid")

    items: list[CollectionInfo] = Field(description="Collections of this page.")
    next_cursor: str | None = Field(description="Give it as `cursor` for more; null at the end.")


class BytesByKind(BaseModel):
    """Bytes on disk by kind of file."""

    model_config = ConfigDict(extra="forbid")

    log: int = Field(description="Segments of the log, preallocated space included.")
    partitions: int = Field(description="DuckDB files of sealed points, the truth.")
    columns: int = Field(description="Mapped columns, derived from the DuckDB files.")
    state: int = Field(description="Checkpoints of the entity registry.")


class CollectionStats(BaseModel):
    """Counts and sizes of one collection, read from one window set."""

    model_config = ConfigDict(extra="forbid")

    collection: str = Field(description="Its name.")
    as_of_seq: int = Field(description="The last change these figures include.")
    points: int = Field(description="Points stored: hot and sealed.")
    hot_points: int = Field(description="Points not yet sealed.")
    sealed_points: int = Field(description="Points in partitions.")
    entities: int = Field(description="Entities ever observed.")
    partitions: int = Field(description="Live partitions.")
    first_time: datetime | None = Field(description="Oldest event time; null when empty.")
    last_time: datetime | None = Field(description="Newest event time; null when empty.")
    bytes: BytesByKind = Field(description="Bytes on disk.")


class WindowInfo(BaseModel):
    """One aligned span of event time that holds points."""

    model_config = ConfigDict(extra="forbid")

    start_time: datetime = Field(description="First instant of the window.")
    end_time: datetime = Field(description="First instant after the window.")
    points: int = Field(description="Points in it.")
    hot_points: int = Field(description="Those not yet sealed.")
    partitions: int = Field(description="Partitions that hold the sealed ones.")


class WindowList(BaseModel):
    """One page of windows, oldest first; empty windows are left out."""

    model_config = ConfigDict(extra="forbid")

    items: list[WindowInfo] = Field(description="Windows of this page.")
    next_cursor: str | None = Field(description="Give it as `cursor` for more; null at the end.")
    as_of_seq: int = Field(description="The last change these figures include.")
