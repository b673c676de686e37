"""What a load of many commits came to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tsvec.model.errors import InvalidRequestError, TsvecError
from tsvec.model.limits import limits
from tsvec.model.points import PointBatch
from tsvec.model.replies import IngestReply

_COUNTS = ("ingested", "unchanged", "replaced", "late", "rejected")


class Load:
    """Adds up the replies to commits that follow each other; `rows` were given so far."""

    def __init__(self) -> None:
        self.rows = 0
        self._reply: IngestReply | None = None

    def add(self, batch: PointBatch, reply: IngestReply) -> None:
        """Count a commit, and its errors as far as there is room for them."""
        self.rows += len(batch) + len(batch.refused)
        before = self._reply
        if before is None:
            self._reply = reply
            return
        sums = {name: getattr(before, name) + getattr(reply, name) for name in _COUNTS}
        errors = [*before.errors, *reply.errors][: limits().batch_rows_max]
        self._reply = reply.model_copy(update={**sums, "errors": errors})

    def reply(self) -> IngestReply:
        """The sum; InvalidRequestError if there were no rows at all."""
        if self._reply is None:
            raise InvalidRequestError("there are no points in the frames; at least one is needed")
        return self._reply

    @contextmanager
    def told_in_errors(self) -> Iterator[None]:
        """Let an error that ends the load say what of it is stored."""
        try:
            yield
        except TsvecError as error:
            if self._reply is None:
                raise
            raise type(error)(f"{self._stored()}; then: {error.message}", error.details) from error
        except Exception as error:
            if self._reply is not None:
                error.add_note(self._stored())
            raise

    def _stored(self) -> str:
        seq = self._reply.seq if self._reply else 0
        kept = " that were not refused" if self._reply and self._reply.rejected else ""
        return f"the rows before {self.rows}{kept} are stored, up to change {seq}"
