"""A uvicorn server around the application, with limits set and safe by default."""

from __future__ import annotations

import asyncio
import gc
import socket
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import uvicorn

from tsvec.engine.database import Database
from tsvec.model.errors import InvalidRequestError
from tsvec.server.app import create_app

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8710
_BACKLOG = 2_048
_KEEP_ALIVE_SECONDS = 60
_SHUTDOWN_SECONDS = 10
_GARBAGE_THRESHOLD = 20_000


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where the certificate chain and its private key lie, both in PEM."""

    certificate: Path
    key: Path


def build_server(
    database: Database,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    *,
    tls: TlsFiles | None = None,
) -> uvicorn.Server:
    """A server that is ready to run; the database stays the caller's to close.

    Without a key it serves only this machine. InvalidRequestError if keys are required, and there
    is none that would be accepted: nobody could get in.
    """
    allow_open = _is_loopback(host)
    _check_keys(database, host, allow_open=allow_open)
    database.warm_up()
    config = uvicorn.Config(
        create_app(database, allow_open=allow_open),
        host=host,
        port=port,
        http=_protocol(database.settings.limits.deadline_seconds),
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        backlog=_BACKLOG,
        limit_concurrency=database.settings.connections_max,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        ssl_certfile=None if tls is None else tls.certificate,
        ssl_keyfile=None if tls is None else tls.key,
    )
    if tls is not None:
        # Files that cannot be used are told now, not once the server runs.
        config.load()
    return _Server(config)


def _check_keys(database: Database, host: str, *, allow_open: bool) -> None:
    keys, is_auto = database.keys, database.settings.auth == "auto"
    if keys.has_usable or (keys.is_empty and allow_open and is_auto):
        return
    if not keys.is_empty:
        reason = "every key of this database was revoked or has expired"
    elif is_auto:
        reason = f"{host!r} can be reached from other machines, and this database has no key"
    else:
        reason = "the setting `auth` requires keys, and this database has none"
    raise InvalidRequestError(
        f"{reason}; make one with `tsvec keys create NAME --data DIR`"
        + (", or serve 127.0.0.1, which needs none" if keys.is_empty and is_auto else "")
    )


class _Server(uvicorn.Server):
    """A server that spares the garbage collector what lives as long as the process."""

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until told to stop."""
        # Requests leave few cycles behind; by default the collector would walk the whole heap
        # again and again for them, which took a tenth of the time under load.
        thresholds = gc.get_threshold()
        gc.collect()
        gc.freeze()
        gc.set_threshold(_GARBAGE_THRESHOLD)
        try:
            await super().serve(sockets)
        finally:
            gc.unfreeze()
            gc.set_threshold(*thresholds)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _protocol(patience_seconds: float) -> type[asyncio.Protocol] | str:
    try:
        from tsvec.server.protocol import patient
    except ImportError:  # no httptools on this platform
        return "auto"
    return patient(patience_seconds)
