"""What is within a radius, what became near, what was near at each of many moments."""

from __future__ import annotations

import math
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tsvec.model.limits import AtMost, limits
from tsvec.model.queries import KnnRequest, NearRequest, ReadAt, TimeRange
from tsvec.model.times import SEQ_MAX, Moment


def _a_number(value: Any) -> Any:
    if isinstance(value, bool | str):
        raise ValueError("a number is expected")
    return value


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("a finite number is expected")
    return value


Radius = Annotated[float, BeforeValidator(_a_number), AfterValidator(_finite)]
"""A distance of any metric."""


class TemporalRangeRequest(TimeRange, NearRequest, ReadAt):
    """Which points of a time range are within a distance of a vector, or of where an entity was."""

    radius: Radius = Field(
        description="The largest distance: cosine 0 to 2, l2 from 0, dot any number."
    )
    limit: Annotated[int, Field(strict=True, ge=1), AtMost("k_max")] = Field(
        default=100, description="Points returned at most, the nearest; all are counted."
    )


class TemporalDiffRequest(NearRequest, ReadAt):
    """Which entities came near, went away or moved between two time ranges."""

    before: TimeRange = Field(description="The range that is compared with.")
    after: TimeRange = Field(description="The range that is asked about.")
    k: Annotated[int, Field(strict=True, ge=1), AtMost("k_max")] = Field(
        default=10, description="How many of the nearest entities of each range."
    )


class TemporalKnnWalkRequest(KnnRequest):
    """One temporal kNN question asked of many states of the collection."""

    as_of_each: Annotated[
        list[Moment], Field(min_length=1), AtMost("queries_max", is_list=True)
    ] = Field(
        description="The seqs or recorded times to ask at; there are limits to `k` times these.",
    )
    wait_for_seq: Annotated[int, Field(strict=True, ge=0, le=SEQ_MAX)] | None = Field(
        default=None, description="Answer once this change is visible; `unavailable` after 30 s."
    )

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        hits, most = self.k * len(self.as_of_each), limits().batch_hits_max
        if hits > most:
            raise ValueError(
                f"the walk asks for {hits} neighbours in all, more than {most} "
                "(batch_hits_max); walk in several pieces"
            )
        return self
