"""The errors a caller can meet: one root, one code each.

TsvecError
├── InvalidRequestError 400        ├── RequestTimeoutError 408
├── UnauthorizedError 401          ├── ConflictError 409
├── ForbiddenError 403             ├── GoneError 410
├── NotFoundError 404              ├── TooLargeError 413
│   ├── EntityNotFoundError        ├── UnprocessableError 422
│   └── CollectionNotFoundError    │   ├── IdempotencyMismatchError
│                                  │   └── InsufficientHistoryError
├── MethodNotAllowedError 405      ├── RateLimitedError 429
├── QuotaExceededError 403         ├── UnavailableError 503
├── CorruptError 500               │   └── DeadlineExceededError
└── InternalError 500              └── DiskFullError 507
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

_WORD_MAX = 128
"""Signs of a word that is compared with others: that takes time by their square."""


class ErrorDetail(BaseModel):
    """One thing that was wrong, and where."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: str = Field(description="Path of the field, such as `points[3].vector[17]`.")
    message: str = Field(description="What was wrong with it and what is expected.")
    row: int | None = Field(
        default=None,
        exclude_if=lambda row: row is None,
        description="Row of the batch, counted from 0.",
    )


class ErrorBody(BaseModel):
    """The one error body (RFC 9457 problem details)."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="A URI reference that names the code in the documentation.")
    title: str = Field(description="The code in words.")
    status: int = Field(description="The HTTP status, repeated.")
    code: str = Field(description="The stable code to program against.")
    message: str = Field(description="What was wrong and what to do.")
    request_id: str = Field(description="Echo of X-Request-Id, or a generated one.")
    retryable: bool = Field(description="Whether the same request may succeed later.")
    details: list[ErrorDetail] = Field(description="Fields and rows at fault; may be empty.")


class TsvecError(Exception):
    """Root of every error this package raises on purpose."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    retry_after: int = 1
    """Seconds after which a retry makes sense, where the status has a Retry-After."""

    def __init__(self, message: str, details: Sequence[ErrorDetail] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = tuple(details)


class InvalidRequestError(TsvecError):
    """The request is malformed; the details say which field and row."""

    code = "invalid_request"
    status = 400


class UnauthorizedError(TsvecError):
    """No key, or one that is not valid."""

    code = "unauthorized"
    status = 401


class ForbiddenError(TsvecError):
    """The key is valid but lacks the scope."""

    code = "forbidden"
    status = 403


class QuotaExceededError(TsvecError):
    """The tenant would hold more than its quota; delete something, or ask for a larger one."""

    code = "quota_exceeded"
    status = 403


class NotFoundError(TsvecError):
    """There is no such route or object."""

    code = "not_found"
    status = 404


class EntityNotFoundError(NotFoundError):
    """The collection has never seen this entity."""

    code = "entity_not_found"


class CollectionNotFoundError(NotFoundError):
    """There is no collection of this name."""

    code = "collection_not_found"


class MethodNotAllowedError(TsvecError):
    """The route exists, but not with this HTTP method."""

    code = "method_not_allowed"
    status = 405


class RequestTimeoutError(TsvecError):
    """The client sent its request too slowly."""

    code = "request_timeout"
    status = 408
    retryable = True


class ConflictError(TsvecError):
    """The request contradicts what is stored or what another process holds."""

    code = "conflict"
    status = 409


class GoneError(TsvecError):
    """What was asked for is no longer kept."""

    code = "gone"
    status = 410


class TooLargeError(TsvecError):
    """The request exceeds a documented limit of size."""

    code = "too_large"
    status = 413


class UnprocessableError(TsvecError):
    """The request is well formed but cannot be carried out."""

    code = "unprocessable"
    status = 422


class IdempotencyMismatchError(UnprocessableError):
    """The idempotency key came with another request before; give each request a key of its own."""

    code = "idempotency_mismatch"


class InsufficientHistoryError(UnprocessableError):
    """The entity has too few points there to answer."""

    code = "insufficient_history"


class RateLimitedError(TsvecError):
    """Too many requests; wait as long as Retry-After says."""

    code = "rate_limited"
    status = 429
    retryable = True

    def __init__(
        self, message: str, details: Sequence[ErrorDetail] = (), *, retry_after: int = 1
    ) -> None:
        super().__init__(message, details)
        self.retry_after = retry_after


class CorruptError(TsvecError):
    """Stored bytes are damaged; the message names the file. Nothing damaged is served."""

    code = "corrupt"
    status = 500


class InternalError(TsvecError):
    """A fault of the server; the request id finds it in the server's log."""

    code = "internal"
    status = 500


class UnavailableError(TsvecError):
    """The database cannot take this request now."""

    code = "unavailable"
    status = 503
    retryable = True


class DeadlineExceededError(UnavailableError):
    """The query was not answered in the time it was given."""

    code = "deadline_exceeded"


class DiskFullError(TsvecError):
    """The disk is full: writes are refused until there is room, reads go on."""

    code = "disk_full"
    status = 507
    retryable = True


def reason_of(error: BaseException) -> str:
    """What an exception says, or its name if it says nothing, as when memory runs out."""
    return str(error) or type(error).__name__


def error_classes() -> tuple[type[TsvecError], ...]:
    """Every concrete error class, in the order of their status and code."""

    def below(cls: type[TsvecError]) -> list[type[TsvecError]]:
        return [found for sub in cls.__subclasses__() for found in (sub, *below(sub))]

    return tuple(sorted(below(TsvecError), key=lambda cls: (cls.status, cls.code)))


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """`; did you mean 'start_time'?` if a known word is near to the one given, else nothing."""
    text = str(word)
    near = difflib.get_close_matches(text, sorted(known), n=1) if len(text) <= _WORD_MAX else []
    return f"; did you mean {near[0]!r}?" if near else ""
