"""A server in this process: in the foreground for `tsvec serve`, behind the demo for its length."""

from __future__ import annotations

import os
import resource
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn

from tsvec.model.errors import ConflictError, InvalidRequestError
from tsvec.server.serve import TlsFiles

_STOP_SECONDS_MAX = 15.0
_BACKLOG = 2_048


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. A taken address is a ConflictError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error
        raise ConflictError(
            f"cannot listen on {host}:{port}: {reason}; --port 0 takes a free port"
        ) from None


def allow_many_files() -> None:
    """Raise the limit of open files as far as it goes: each connection and partition holds one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def tls_files(certificate: Path | None, key: Path | None) -> TlsFiles | None:
    """What to serve HTTPS with, if both are given; InvalidRequestError for one alone."""
    if certificate is None and key is None:
        return None
    for option, path in (("--tls-cert", certificate), ("--tls-key", key)):
        if path is None:
            raise InvalidRequestError(f"{option} is missing: HTTPS takes a certificate and its key")
        if not path.is_file():
            raise InvalidRequestError(f"{option}: there is no file {path}")
    assert certificate is not None  # noqa: S101 - as the loop has seen
    assert key is not None  # noqa: S101
    return TlsFiles(certificate, key)


def url_of(listener: socket.socket, tls: TlsFiles | None = None) -> str:
    """Where clients on this machine reach the socket."""
    scheme = "http" if tls is None else "https"
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def run_until_signal(server: uvicorn.Server, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM, then finish what is being answered and return.

    uvicorn handles both itself while it runs, and raises the signal once more when it has stopped,
    for the handler that was there before. This one also catches what comes before uvicorn listens,
    and makes a stop on request an ordinary end of the process.
    """

    def stop(*_: object) -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    server.run(sockets=[listener])


@contextmanager
def running(server: uvicorn.Server, listener: socket.socket) -> Iterator[str]:
    """Serve from a thread while the block runs; gives the URL."""
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, name="tsvec-server", daemon=True
    )
    thread.start()
    try:
        yield url_of(listener)
    finally:
        server.should_exit = True
        thread.join(_STOP_SECONDS_MAX)


def unwind_on_sigterm() -> None:
    """Let SIGTERM unwind the stack as Ctrl-C does, so that what was opened is closed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def wait_for_interrupt() -> None:
    """Return once Ctrl-C was pressed."""
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
