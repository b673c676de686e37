"""Collections: named sets of points with one dimension and one metric."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from tsvec.model.errors import ConflictError, ErrorDetail
from tsvec.model.limits import AtMost
from tsvec.model.points import Space
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
    dim: Annotated[int, Field(strict=True, ge=1), AtMost("dim_max")] = Field(
        description="Elements of every vector."
    )
    metric: Metric = Field(default="cosine", description="How distances are measured.")
    window_size: Duration = Field(
        default="1h", description="Width of a window of event time, aligned to 1970 UTC."
    )
    allowed_lateness: Duration | None = Field(
        default=None,
        description="How far behind the newest a point may be before it counts as late; "
        "null: `window_size`.",
    )
    retention: Duration | None = Field(
        default=None,
        description="Age in event time beyond which points are hidden, then removed; null: never.",
    )
    history_horizon: Duration = Field(
        default="7d", description="How far back `as_of` and the undoing of deletes reach."
    )
    space: Space | None = Field(
        default=None,
        description="The embedding model that makes the vectors; fixed once set. Requests that "
        "name another one are refused.",
    )

    @property
    def window_us(self) -> int:
        """The window size in microseconds."""
        return duration_to_us(self.window_size)

    @property
    def lateness_us(self) -> int:
        """The allowed lateness in microseconds."""
        return duration_to_us(self.allowed_lateness or self.window_size)

    @property
    def retention_us(self) -> int | None:
        """The retention in microseconds; None: points are kept for ever."""
        return None if self.retention is None else duration_to_us(self.retention)

    @property
    def horizon_us(self) -> int:
        """The history horizon in microseconds."""
        return duration_to_us(self.history_horizon)

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """With these fields of a `CollectionPatch`; ConflictError for another space."""
        space = changes.get("space")
        if self.space is not None and space is not None:
            self.check_space(space)
        return self.model_copy(update=dict(changes))

    def check_space(self, space: str | None) -> None:
        """ConflictError if vectors of a space that was named are not those of the collection."""
        if space is None or space == self.space:
            return
        if self.space is None:
            problem = f"the collection {self.name!r} has no space; set it with update_collection"
        else:
            problem = f"the space of the collection {self.name!r} is {self.space!r}, not {space!r}"
        raise ConflictError(problem, [ErrorDetail(field="space", message=problem)])


class CollectionPatch(BaseModel):
    """The changes of an update; at least one field."""

    model_config = RECORD | ConfigDict(json_schema_extra={"minProperties": 1})

    window_size: Duration | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="New width of windows; sealed ones keep theirs.",
    )
    allowed_lateness: Duration | None = Field(
        default=None, description="New allowed lateness; null: `window_size`."
    )
    retention: Duration | None = Field(default=None, description="New retention; null: none.")
    history_horizon: Duration | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="New reach of `as_of` and undoing.",
    )
    space: Space | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="The embedding model that makes the vectors, if none was named yet.",
    )

    @property
    def changes(self) -> dict[str, Any]:
        """The fields that were given, a null among them."""
        return {name: getattr(self, name) for name in self.model_fields_set}

    @field_validator("window_size", "history_horizon", "space")
    @classmethod
    def _set(cls, value: str | None) -> str:
        if value is None:
            raise ValueError("a value is expected; leave the field out to keep what is set")
        return value

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError(f"give at least one of {', '.join(type(self).model_fields)}")
        return self


class CollectionInfo(BaseModel):
    """A collection as it stands."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="Unique within the tenant.")
    dim: int = Field(description="Elements of every vector.")
    metric: Metric = Field(description="How distances are measured.")
    window_size: str = Field(description="Width of a window of event time.")
    allowed_lateness: str | None = Field(
        description="How far behind the newest a point may be before it counts as late; "
        "null: `window_size`."
    )
    retention: str | None = Field(
        description="Age in event time beyond which points are hidden, then removed; null: never."
    )
    history_horizon: str = Field(
        description="How far back `as_of` and the undoing of deletes reach."
    )
    space: str | None = Field(
        description="The embedding model that makes the vectors; null: none was named."
    )
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
    overlays: int = Field(description="Lists of dead rows in partitions.")
    state: int = Field(description="Checkpoints of the entity registry.")


class CompactionStatus(BaseModel):
    """What compaction does or last did."""

    model_config = ConfigDict(extra="forbid")

    state: Literal["idle", "running", "failed"] = Field(
        description="`failed`: the last run ended early, `problem` says why."
    )
    started_at: datetime | None = Field(
        description="When the run under way, or the last one, began; null: none since the start."
    )
    merges: int = Field(description="Merges finished in that run.")
    rows: int = Field(description="Rows written in that run.")
    bytes: int = Field(description="Bytes written in that run.")
    partitions: int = Field(description="Live partitions.")
    waiting: int = Field(description="Partitions that a full compaction would still rewrite.")
    problem: str | None = Field(description="Why the last run ended early; null: it did not.")


class CollectionStats(BaseModel):
    """Counts and sizes of one collection, read from one window set."""

    model_config = ConfigDict(extra="forbid")

    collection: str = Field(description="Its name.")
    as_of_seq: int = Field(description="The last change these figures include.")
    points: int = Field(description="Points visible: hot and sealed.")
    hot_points: int = Field(description="Points not yet sealed.")
    sealed_points: int = Field(description="Points in partitions.")
    dead_points: int = Field(description="Replaced or deleted versions still kept.")
    entities: int = Field(description="Entities ever observed.")
    partitions: int = Field(description="Live partitions.")
    windows: int = Field(description="Windows that hold points.")
    gaps: int = Field(description="Runs of empty windows between them.")
    largest_gap_seconds: float = Field(description="Seconds of the longest such run; 0: none.")
    first_time: datetime | None = Field(description="Oldest event time; null when empty.")
    last_time: datetime | None = Field(description="Newest event time; null when empty.")
    bytes: BytesByKind = Field(description="Bytes on disk.")
    write_amplification: float = Field(
        description="Bytes written into partitions by seals and compactions, "
        "over those written by seals."
    )
    oldest_as_of: int = Field(description="The oldest seq that `as_of` may name.")
    compaction: CompactionStatus = Field(description="What compaction does.")


class WindowInfo(BaseModel):
    """One aligned span of event time that holds points."""

    model_config = ConfigDict(extra="forbid")

    start_time: datetime = Field(description="First instant of the window.")
    end_time: datetime = Field(description="First instant after the window.")
    points: int = Field(description="Points in it.")
    hot_points: int = Field(description="Those not yet sealed.")
    partitions: int = Field(description="Partitions that hold the sealed ones.")
    dead_points: int = Field(description="Replaced or deleted versions still kept.")
    empty_before: int = Field(description="Empty windows since the one before; 0 for the first.")


class WindowList(BaseModel):
    """One page of windows, oldest first; empty windows are left out."""

    model_config = ConfigDict(extra="forbid")

    items: list[WindowInfo] = Field(description="Windows of this page.")
    next_cursor: str | None = Field(description="Give it as `cursor` for more; null at the end.")
    as_of_seq: int = Field(description="The last change these figures include.")
