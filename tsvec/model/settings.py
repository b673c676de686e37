"""Settings are values: what an operator may change, each with its unit and the default's reason."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """How one database directory is run. Nothing here changes an answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seal_rows: int = Field(
        default=8_192,
        ge=1,
        description="Hot points that make a collection worth sealing. Below it a DuckDB file costs "
        "more than it holds.",
    )
    seal_age_seconds: float = Field(
        default=300.0,
        gt=0,
        description="Age at which fewer hot points are sealed too, so that a restart has little "
        "to replay.",
    )
    seal_age_rows_min: int = Field(
        default=1_024,
        ge=1,
        description="Fewest points sealed by age: sparse data stays hot, in memory and in the log.",
    )
    hot_rows_max: int = Field(
        default=131_072,
        ge=2,
        description="Hot points at which writers wait for sealing to catch up; bounds memory.",
    )
    hot_bytes_max: int = Field(
        default=256 << 20, ge=1 << 20, description="The same in bytes of vectors."
    )
    segment_bytes_min: int = Field(
        default=1 << 20, ge=1 << 16, description="First size of a log segment, preallocated."
    )
    segment_bytes_max: int = Field(
        default=64 << 20, ge=1 << 16, description="Size that log segments grow to by doubling."
    )
    feed_age_seconds: float = Field(
        default=7 * 86_400.0, ge=0, description="How long sealed segments of the log are kept."
    )
    feed_bytes_max: int = Field(
        default=8 << 30, ge=0, description="Bytes of log beyond which sealed segments go earlier."
    )
    compact_rows_max: int = Field(
        default=1 << 20, ge=1, description="Rows of the largest partitions that compaction makes."
    )
    compact_bytes_max: int = Field(
        default=256 << 20,
        ge=1 << 16,
        description="The same in bytes of columns; bounds the memory that a merge takes.",
    )
    open_partitions_max: int = Field(
        default=512,
        ge=1,
        description="Partitions kept mapped at once; each holds a file descriptor.",
    )
    filter_cache_bytes: int = Field(
        default=64 << 20,
        ge=0,
        description="What filters let pass is remembered, a byte for each row and filter, up to "
        "this many in all.",
    )
    scrub_seconds: float = Field(
        default=60.0,
        gt=0,
        description="A partition is reread and compared with its checksums this often, in turns.",
    )
    queue_rows_max: int = Field(
        default=400_000, ge=1, description="Rows waiting for the writer; beyond it: unavailable."
    )
    query_threads: int = Field(
        default=2, ge=1, le=64, description="Threads of the server for queries that take long."
    )
