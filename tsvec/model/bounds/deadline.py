"""By when a question must be answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Self, TypeVar

from tsvec.model.errors import DeadlineExceededError

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Deadline:
    """The end, in µs of a clock that never jumps, of the `seconds` that a question was given.

    Whoever works on an answer asks `check` now and then, at least every few hundred milliseconds.
    """

    end_us: int
    seconds: float
    clock: Callable[[], int]

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], int]) -> Self:
        """So many seconds from this moment."""
        return cls(clock() + int(seconds * 1e6), seconds, clock)

    @property
    def left_seconds(self) -> float:
        """How long there still is; negative once it is past."""
        return (self.end_us - self.clock()) / 1e6

    def check(self) -> None:
        """DeadlineExceededError once it is past."""
        if self.clock() >= self.end_us:
            raise self.exceeded()

    def each(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, as long as it is not past."""
        for item in items:
            self.check()
            yield item

    def exceeded(self) -> DeadlineExceededError:
        """The error of a question that was not answered in time."""
        return DeadlineExceededError(
            f"there is no answer within the {self.seconds:g} s that the query was given; ask for "
            "less (a shorter time range, a smaller k, fewer queries), or allow more time"
        )


NEVER: Final = Deadline(2**63 - 1, float("inf"), lambda: 0)
"""Of questions that may take as long as they take."""
