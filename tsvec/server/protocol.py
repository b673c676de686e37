"""uvicorn's HTTP protocol, made safe against clients that never finish their request."""

from __future__ import annotations

from asyncio import TimerHandle, Transport
from collections.abc import Mapping
from typing import Any, ClassVar, cast

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from tsvec.model.errors import InvalidRequestError, RequestTimeoutError, TsvecError
from tsvec.model.limits import LIMITS
from tsvec.server.problem import MEDIA_TYPE, problem_body

HEAD_BYTES_MAX = 64 << 10
"""Request line and headers together."""


def patient(seconds: float) -> type[PatientProtocol]:
    """The protocol that gives clients so many seconds for a request."""

    class Protocol(PatientProtocol):
        deadline_seconds = seconds

    return Protocol


class PatientProtocol(HttpToolsProtocol):
    """Patient, but not endlessly so: a request must be whole within a deadline of its first byte.

    A request that came in one piece, as nearly all do, costs no timer.
    """

    deadline_seconds: ClassVar[float] = LIMITS.deadline_seconds

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: TimerHandle | None = None
        self._is_open = False
        self._in_head = False
        self._head_bytes = 0
        # What is too much is told like every other error, by the application.
        self._connections_max, self.limit_concurrency = self.limit_concurrency, None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """A new connection owes its first request."""
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is owed any more."""
        self._relax()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; then expect the rest of the request, or its beginning if nothing is answered."""
        super().data_received(data)
        cycle: RequestResponseCycle | None = self.cycle
        is_answering = cycle is not None and not cycle.response_complete
        if not is_answering or (self._is_open and not self._in_head):
            self._expect()
        else:
            self._relax()
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self.send_400_response(f"the request's head exceeds {HEAD_BYTES_MAX} bytes")

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._relax()
        self._is_open = self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head = False
        if self._connections_max is not None:
            scope = cast("dict[str, Any]", self.scope)
            scope["is_overloaded"] = len(self.connections) > self._connections_max
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._is_open = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what isn't HTTP with the body that every error has."""
        self._refuse(InvalidRequestError(msg))

    def _refuse(self, error: TsvecError) -> None:
        """Answer and close, whatever state the parser is in."""
        if self.transport.is_closing():
            return
        scope: Mapping[str, Any] | None = self.scope
        request_id = str((scope or {}).get("request_id", "none"))
        body = problem_body(error, request_id)
        head = (
            f"content-type: {MEDIA_TYPE}\r\n"
            f"content-length: {len(body)}\r\n"
            f"x-request-id: {request_id}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(STATUS_LINE[error.status] + head.encode("ascii") + body)
        self.transport.close()

    def _expect(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.deadline_seconds, self._give_up)

    def _relax(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        """408 if a request is under way and has no answer yet; then close."""
        cycle: RequestResponseCycle | None = self.cycle
        has_answer = cycle is not None and cycle.response_started
        if self._is_open and (self._in_head or not has_answer):
            self._refuse(
                RequestTimeoutError(
                    f"the request was not complete within {self.deadline_seconds} seconds"
                )
            )
        else:
            self.transport.close()
