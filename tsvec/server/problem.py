"""Errors become RFC 9457 problem bodies here and nowhere else."""

from __future__ import annotations

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from tsvec.model.errors import (
    ErrorBody,
    MethodNotAllowedError,
    NotFoundError,
    RequestTimeoutError,
    TooLargeError,
    TsvecError,
    UnauthorizedError,
)
from tsvec.model.validation import invalid_request

MEDIA_TYPE = "application/problem+json"


def problem_body(error: TsvecError, request_id: str) -> bytes:
    """The JSON of an error's body."""
    body = ErrorBody(
        type=f"urn:tsvec:error:{error.code}",
        title=error.code.replace("_", " ").capitalize(),
        status=error.status,
        code=error.code,
        message=error.message,
        request_id=request_id,
        retryable=error.retryable,
        details=list(error.details),
    )
    # A message may quote what the client sent; what UTF-8 cannot carry is replaced.
    return body.model_dump_json().encode("utf-8", "replace")


def problem(error: TsvecError, request_id: str, *, closes: bool = False) -> Response:
    """The response that tells of an error; `closes` asks for the end of the connection."""
    headers = {}
    if error.status in {429, 503}:
        headers["Retry-After"] = str(error.retry_after)
    if error.status == UnauthorizedError.status:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, TooLargeError | RequestTimeoutError) or closes:
        # The rest of the body may still be on its way, without end.
        headers["Connection"] = "close"
    body = problem_body(error, request_id)
    return Response(body, error.status, headers, media_type=MEDIA_TYPE)


def request_id_of(request: Request) -> str:
    """The id the middleware gave to this request."""
    return str(request.scope["request_id"])


async def on_tsvec_error(request: Request, error: Exception) -> Response:
    """An error raised on purpose."""
    assert isinstance(error, TsvecError)  # noqa: S101 - by registration
    return problem(error, request_id_of(request))


async def on_validation_error(request: Request, error: Exception) -> Response:
    """A record of the request that didn't validate."""
    assert isinstance(error, ValidationError)  # noqa: S101 - by registration
    return problem(invalid_request(error), request_id_of(request))


async def on_http_exception(request: Request, error: Exception) -> Response:
    """No such route, or not with this method."""
    assert isinstance(error, HTTPException)  # noqa: S101 - by registration
    request_id = request_id_of(request)
    if request.scope["caller"] is None:
        # Which routes there are is told to those who may use them.
        return problem(UnauthorizedError("there is no way on without an API key"), request_id)
    allowed = _methods_here(request)
    if not allowed:
        return problem(NotFoundError(f"there is no route {request.url.path}"), request_id)
    methods = ", ".join(allowed)
    message = f"{request.method} is not allowed here; allowed: {methods}"
    response = problem(MethodNotAllowedError(message), request_id)
    response.headers["Allow"] = methods
    return response


def _methods_here(request: Request) -> list[str]:
    found: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return sorted(found)
