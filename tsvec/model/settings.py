"""Settings are values: what an operator may change, each with its unit and the default's reason."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tsvec.model.limits import Limits


class Settings(BaseModel):
    """How one database directory is run. Nothing here changes an answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    auth: Literal["auto", "required"] = Field(
        default="auto",
        description="`auto`: while no API key was ever made, a server that only this machine can "
        "reach takes requests without one. `required`: it never does.",
    )
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
    idempotency_seconds: float = Field(
        default=86_400.0,
        gt=0,
        description="How long the reply to a request with an idempotency key is kept, to be "
        "repeated.",
    )
    idempotency_records_max: int = Field(
        default=1_000_000,
        ge=1,
        description="Replies kept of one collection; beyond it requests with a new key are refused "
        "as unavailable.",
    )
    idempotency_bytes_max: int = Field(
        default=192 << 20, ge=1 << 16, description="The same in bytes of memory."
    )
    queue_rows_max: int = Field(
        default=400_000, ge=1, description="Rows waiting for the writer; beyond it: unavailable."
    )
    query_threads: int = Field(
        default=2, ge=1, le=64, description="Threads of the server for queries that take long."
    )
    queries_waiting_max: int = Field(
        default=256,
        ge=0,
        description="Queries that wait for such a thread, and as many other requests that wait for "
        "one of theirs; beyond it: unavailable, at once.",
    )
    query_deadline_seconds: float = Field(
        default=30.0,
        gt=0,
        description="Seconds after which the server gives up a read that has no answer. A request "
        "may ask for less by `X-Deadline-Ms`.",
    )
    inflight_bytes_max: int = Field(
        default=256 << 20,
        ge=1 << 20,
        description="Bytes of all request bodies that the server holds at once; beyond it: "
        "unavailable, before the body is read. At least twice the largest body allowed.",
    )
    connections_max: int = Field(
        default=2_048, ge=1, description="Connections to the server; beyond it: unavailable."
    )
    rate_requests_per_second: float = Field(
        default=0.0,
        ge=0,
        description="Requests of one API key, or of one address where no key is needed; beyond it: "
        "rate_limited. 0: no such limit.",
    )
    rate_requests_burst: int = Field(
        default=0,
        ge=0,
        description="Requests that may come at once after a pause. 0: those of one second.",
    )
    rate_rows_per_second: float = Field(
        default=0.0,
        ge=0,
        description="The same for points sent to be stored. 0: no such limit.",
    )
    rate_rows_burst: int = Field(
        default=0,
        ge=0,
        description="Points that may come at once after a pause. 0: those of one second. A larger "
        "request is taken after a pause, and a longer pause follows it.",
    )
    quota_collections: int = Field(
        default=0, ge=0, description="Collections of one tenant. 0: no such quota."
    )
    quota_points: int = Field(
        default=0,
        ge=0,
        description="Points of all collections of one tenant, expired ones until they are dropped. "
        "0: no such quota.",
    )
    quota_bytes: int = Field(
        default=0,
        ge=0,
        description="Bytes on disk of one tenant at which no more points are taken. 0: no such "
        "quota.",
    )
    limits: Limits = Field(
        default_factory=Limits, description="The [limits](../limits.md) of requests."
    )

    @model_validator(mode="after")
    def _has_room_for_a_body(self) -> Self:
        largest = max(self.limits.body_bytes_max, self.limits.json_bytes_max)
        if self.inflight_bytes_max < 2 * largest:
            raise ValueError(
                f"inflight_bytes_max ({self.inflight_bytes_max}) must be at least twice the "
                f"largest body allowed ({largest}; limits.body_bytes_max, limits.json_bytes_max): "
                "it is held as sent and inflated"
            )
        return self
