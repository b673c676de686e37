"""The bytes of request bodies that are in memory, all requests together."""

from __future__ import annotations

from tsvec.model.errors import UnavailableError


class InflightBytes:
    """A budget that bodies take from until their request is answered. For one thread."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.held = 0

    def open(self) -> Share:
        """The share of one request, nothing yet."""
        return Share(self)


class Share:
    """What one request holds of the budget."""

    __slots__ = ("_budget", "_held")

    def __init__(self, budget: InflightBytes) -> None:
        self._budget = budget
        self._held = 0

    def hold(self, size: int) -> None:
        """Hold at least so many bytes in all; UnavailableError if that is more than is free."""
        more = size - self._held
        if more <= 0:
            return
        budget = self._budget
        if budget.held + more > budget.bytes_max:
            raise UnavailableError(
                f"the bodies of other requests take {budget.held - self._held} of the "
                f"{budget.bytes_max} bytes there are for them (inflight_bytes_max); retry shortly"
            )
        budget.held += more
        self._held = size

    def release(self) -> None:
        """Give it back."""
        self._budget.held -= self._held
        self._held = 0
