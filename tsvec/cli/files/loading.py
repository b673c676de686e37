"""Send the rows of a file batch by batch and add up the replies."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tsvec.cli.files.rows import Prepared
from tsvec.model.errors import InvalidRequestError, TsvecError
from tsvec.model.replies import IngestError, IngestReply

ERRORS_LISTED_MAX = 1_000
"""Refused rows that are listed; all are counted."""

_ADDED_UP = ("ingested", "unchanged", "replaced", "late")


@dataclass(slots=True)
class _Tally:
    ingested: int = 0
    unchanged: int = 0
    replaced: int = 0
    late: int = 0
    rejected: int = 0
    errors: list[IngestError] = field(default_factory=list)
    last: IngestReply | None = None

    def refuse(self, errors: Iterable[IngestError]) -> None:
        found = list(errors)
        self.rejected += len(found)
        self.errors += found[: ERRORS_LISTED_MAX - len(self.errors)]

    def add(self, reply: IngestReply, prepared: Prepared) -> None:
        self.last = reply
        for count in _ADDED_UP:
            setattr(self, count, getattr(self, count) + getattr(reply, count))
        self.refuse(
            error.model_copy(update={"index": prepared.rows[error.index]}) for error in reply.errors
        )

    def total(self) -> IngestReply:
        if self.last is None:
            first = f"; the first: {self.errors[0].message}" if self.errors else ""
            raise InvalidRequestError(f"the file has no row that can be stored{first}")
        added = {count: getattr(self, count) for count in (*_ADDED_UP, "rejected", "errors")}
        return self.last.model_copy(update=added)


def load(
    batches: Iterable[Prepared],
    *,
    begin: Callable[[int], None],
    send: Callable[[bytes], IngestReply],
    advance: Callable[[int], None],
) -> IngestReply:
    """Send each batch as one commit and return the sum of the replies, rows counted in the file.

    `begin` hears the dimension of the first vector before anything is sent; `advance` the rows
    dealt with after each batch. Batches sent before a failing one stay stored; its error says so.
    """
    tally = _Tally()
    try:
        for prepared in batches:
            tally.refuse(prepared.refused)
            if prepared.rows:
                if tally.last is None:
                    begin(prepared.dim)
                try:
                    reply = send(prepared.stream)
                except TsvecError as error:
                    raise _in_file(error, prepared) from error
                tally.add(reply, prepared)
            advance(len(prepared.rows) + len(prepared.refused))
    except TsvecError as error:
        if tally.ingested:
            stored = f" ({tally.ingested:,} rows before it are stored)"
            raise type(error)(error.message + stored, error.details) from error
        raise
    return tally.total()


def _in_file(error: TsvecError, prepared: Prepared) -> TsvecError:
    """The error with its rows counted in the file instead of in the batch."""
    rows = prepared.rows
    located = [
        detail if detail.row is None else detail.model_copy(update={"row": rows[detail.row]})
        for detail in error.details
    ]
    row = next((detail.row for detail in located if detail.row is not None), None)
    where = "" if row is None else f"row {row} of the file: "
    return type(error)(where + error.message, located)
