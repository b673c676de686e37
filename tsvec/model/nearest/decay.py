"""How age weighs on nearness."""

from __future__ import annotations

from pydantic import BaseModel, Field

from tsvec.model.times import Duration, Instant, duration_to_us
from tsvec.model.vectors import RECORD


class TimeDecay(BaseModel):
    """Older points count less: a point's weight is halved with every `half_life` of age."""

    model_config = RECORD

    half_life: Duration = Field(description="The age at which a point counts half.")
    decay_at: Instant | None = Field(
        default=None,
        description="Ages count from here, and later points have none; default: `end_time`, else "
        "the time of `as_of`, else that of the last change.",
    )

    @property
    def half_life_us(self) -> int:
        """The half-life in microseconds."""
        return duration_to_us(self.half_life)
