"""A uvicorn server around the application, with limits set and safe by default."""

from __future__ import annotations

import asyncio
import gc
import socket
from ipaddress import ip_address

import uvicorn

from tsvec.engine.database import Database
from tsvec.model.errors import InvalidRequestError
from tsvec.server.app import create_app

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8710
CONNECTIONS_MAX = 2_048
_BACKLOG = 2_048
_KEEP_ALIVE_SECONDS = 60
_SHUTDOWN_SECONDS = 10
_GARBAGE_THRESHOLD = 20_000


def build_server(
    database: Database,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    *,
    connections_max: int = CONNECTIONS_MAX,
    allow_open_network: bool = False,
) -> uvicorn.Server:
    """A server that is ready to run; the database stays the caller's to close.

    There are no keys yet: anyone who reaches the port may read and write. So a host that other
    machines can reach is an InvalidRequestError, unless `allow_open_network` says that it is meant.
    """
    if not allow_open_network and not _is_loopback(host):
        raise InvalidRequestError(
            f"{host!r} can be reached from other machines and this server has no access keys; "
            "serve 127.0.0.1, or allow an open network if every machine on it may read and write"
        )
    database.warm_up()
    config = uvicorn.Config(
        create_app(database),
        host=host,
        port=port,
        http=_protocol(),
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        backlog=_BACKLOG,
        limit_concurrency=connections_max,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    return _Server(config)


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


def _protocol() -> type[asyncio.Protocol] | str:
    try:
        from tsvec.server.protocol import PatientProtocol
    except ImportError:  # no httptools on this platform
        return "auto"
    return PatientProtocol
