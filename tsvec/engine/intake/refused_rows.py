"""The rows of a batch that cannot be stored, and what that means for the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from pydantic import ValidationError

from tsvec.model.errors import ErrorDetail, InvalidRequestError, TooLargeError, TsvecError
from tsvec.model.limits import limits
from tsvec.model.points import OnError, PointBatch, RowError
from tsvec.model.validation import DETAILS_MAX, detail_at, details_of, refusal

Raw = TypeVar("Raw")
Good = TypeVar("Good")


def check_row_count(rows: int) -> None:
    """TooLargeError if there are more rows than a batch may have, InvalidRequestError if none."""
    most = limits().batch_rows_max
    if rows > most:
        raise TooLargeError(
            f"{rows} points exceed the limit of {most} in one request "
            "(batch_rows_max); send them in several"
        )
    if rows == 0:
        raise InvalidRequestError(
            "there are no points in the request", [detail_at(("points",), "at least one is needed")]
        )


def empty_batch(dim: int | None, refused: tuple[RowError, ...]) -> PointBatch:
    """A batch of which no row is left."""
    columns = PointBatch.of_columns(
        entity_id=[],
        vector=np.empty((0, dim or 1), dtype=np.float32),
        timestamp=np.empty(0, dtype=np.int64),
    )
    return replace(columns, refused=refused)


def refuse_rows(kind: type[TsvecError], refused: Sequence[RowError]) -> TsvecError:
    """The error that refuses a whole request for its bad rows, the first of them in detail."""
    details = [
        ErrorDetail(field=error.field, message=error.message, row=error.index)
        for error in refused[:DETAILS_MAX]
    ]
    message = f"{details[0].field}: {details[0].message}"
    if len(refused) > 1:
        message += f" (the first of {len(refused)} rows at fault)"
    return kind(f"{message}; nothing was stored", details)


class RefusedRows:
    """Collects the first fault of each bad row while a batch is decoded.

    Rows are told by their number in the request, which for the first one is `first_row`.
    """

    def __init__(self, on_error: OnError, first_row: int = 0) -> None:
        self._on_error = on_error
        self._first_row = first_row
        self._faults: dict[int, ErrorDetail] = {}

    def add(self, row: int, field: str, message: str) -> None:
        """Refuse a row because of one of its fields, `vector[3]` for example."""
        number = self._first_row + row
        self._faults.setdefault(number, detail_at(("points", number, field), message))

    def add_detail(self, row: int, detail: ErrorDetail) -> None:
        """Refuse a row; its first fault is the one that is told."""
        self._faults.setdefault(row, detail)

    def keep(
        self, rows: Iterable[Raw], validate: Callable[[int, Raw], Good]
    ) -> tuple[list[int], list[Good]]:
        """The numbers and values of the rows that validate; the others are refused."""
        origin: list[int] = []
        kept: list[Good] = []
        for row, raw in enumerate(rows):
            try:
                good = validate(row, raw)
            except ValidationError as error:
                # Suggestions take longer than a row; so many are listed in an error.
                hints = len(self._faults) < DETAILS_MAX
                self.add_detail(row, details_of(error, ("points", row), hints=hints)[0])
            except InvalidRequestError as error:
                self.add_detail(row, error.details[0])
            else:
                origin.append(row)
                kept.append(good)
        return origin, kept

    def settle(self) -> tuple[RowError, ...]:
        """The refused rows in order; an InvalidRequestError if one refuses the whole request."""
        faults = sorted(self._faults.items())
        if faults and self._on_error == "reject_all":
            raise refusal([detail for _, detail in faults])
        return tuple(
            RowError(row, InvalidRequestError.code, detail.message, detail.field)
            for row, detail in faults
        )

    def without(self, batch: PointBatch) -> PointBatch:
        """The batch without its refused rows, which it lists; see `settle` for when that raises."""
        errors = self.settle()
        if not errors:
            return batch
        good = [i for i, row in enumerate(batch.origin.tolist()) if row not in self._faults]
        return replace(batch.take(np.array(good, dtype=np.int64)), refused=errors)
