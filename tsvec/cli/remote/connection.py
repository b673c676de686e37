"""Requests to a server and its answers, as records and errors."""

from __future__ import annotations

import time
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlsplit

import httpx
import orjson
from pydantic import BaseModel, ValidationError

from tsvec.engine.clock import SystemClock
from tsvec.model.errors import (
    ErrorBody,
    InternalError,
    InvalidRequestError,
    TsvecError,
    UnavailableError,
    error_classes,
)
from tsvec.model.queries import PointRef, ReadAt
from tsvec.model.times import time_to_datetime
from tsvec.model.validation import given_record

TIMEOUT_SECONDS = 60.0
RETRY_PAUSES_SECONDS = (0.2, 1.0, 3.0)
"""Before each new try of a request whose answer was lost: its key makes that safe."""

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_ERRORS = {cls.code: cls for cls in error_classes()}
Reply = TypeVar("Reply", bound=BaseModel)


class Connection:
    """The way to a server. Raises the same errors as the engine behind it."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        tenant: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InvalidRequestError(
                f"{url!r} is no URL; expected is one like http://127.0.0.1:8710"
            )
        self.url = url.rstrip("/")
        # A proxy of the environment cannot reach this machine's own loopback.
        self._http = httpx.Client(
            base_url=self.url,
            headers=_headers(token, tenant),
            timeout=TIMEOUT_SECONDS,
            trust_env=parts.hostname not in _LOOPBACK,
            # Which certificates are trusted is said by the environment for this machine too.
            verify=httpx.create_ssl_context() if parts.scheme == "https" else True,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def call(
        self,
        reply: type[Reply],
        method: str,
        path: str,
        *,
        record: BaseModel | None = None,
        body: bytes | None = None,
        media_type: str = "application/json",
        params: dict[str, Any] | None = None,
        key: str | None = None,
    ) -> Reply:
        """Send one request, a change with this idempotency key or one made for it, and decode its
        reply; what the server refuses is raised as its error.
        """
        if record is not None:
            body = record.model_dump_json(exclude_none=True).encode()
        answer = self.send(method, path, body=body, media_type=media_type, params=params, key=key)
        try:
            return reply.model_validate_json(answer.content)
        except ValidationError:
            raise InternalError(
                f"{self.url} answered {method} {path} with something else than {reply.__name__}; "
                "is it a tsvec server of this version?"
            ) from None

    def send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        media_type: str = "application/json",
        params: dict[str, Any] | None = None,
        key: str | None = None,
    ) -> httpx.Response:
        """The answer to one request; what the server refuses is raised as its error."""
        headers = {} if body is None else {"content-type": media_type}
        if method != "GET":
            headers["idempotency-key"] = key or SystemClock().random_bytes(16).hex()
        answer = self._send(
            self._http.build_request(method, path, content=body, params=params, headers=headers)
        )
        if answer.is_error:
            raise _error_from(answer)
        return answer

    def _send(self, request: httpx.Request) -> httpx.Response:
        """The answer to a request, which is sent again if it is lost."""
        for tries, pause in enumerate((*RETRY_PAUSES_SECONDS, None)):
            try:
                return self._http.send(request)
            except httpx.TransportError as error:
                if pause is None or (tries == 0 and isinstance(error, httpx.ConnectError)):
                    raise UnavailableError(
                        f"no answer from {self.url} ({str(error) or type(error).__name__}); "
                        "is the server running? `tsvec serve` starts one"
                    ) from None
            time.sleep(pause)
        raise AssertionError("the last try raises")


def _headers(token: str | None, tenant: str | None) -> dict[str, str]:
    """Who asks."""
    named = {} if tenant is None else {"x-tenant-id": tenant}
    return named if token is None else named | {"authorization": f"Bearer {token}"}


def query_of(request: BaseModel, *of_path: str) -> dict[str, Any]:
    """The fields of a request as query parameters, less those that its path names."""
    fields = request.model_dump(mode="json", exclude_none=True, exclude=set(of_path))
    # An empty list says "none of them", which no parameter at all would not.
    return {name: _query_value(value) for name, value in fields.items()}


def moment_of(as_of: Any, wait_for_seq: int | None) -> dict[str, Any]:
    """Which state a read sees, as query parameters."""
    return query_of(given_record(ReadAt, as_of=as_of, wait_for_seq=wait_for_seq))


def _query_value(value: Any) -> Any:
    if value == []:
        return ""
    return orjson.dumps(value).decode() if isinstance(value, dict) else value


def path_of_point(collection: str, ref: PointRef) -> str:
    """Where a point is."""
    when = time_to_datetime(ref.timestamp).isoformat()
    return path_to(collection, "points", ref.entity_id, when)


def path_to(collection: str, *rest: str) -> str:
    """Where a collection is, or something of it."""
    return "/".join(["/v1/collections", *(quote(part, safe="") for part in (collection, *rest))])


def _error_from(answer: httpx.Response) -> TsvecError:
    try:
        body = ErrorBody.model_validate_json(answer.content)
    except ValidationError:
        return InternalError(
            f"{answer.request.url} answered HTTP {answer.status_code}; is it a tsvec server?"
        )
    return _ERRORS.get(body.code, InternalError)(body.message, body.details)
