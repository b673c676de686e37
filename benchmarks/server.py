"""`python -m benchmarks.server DIRECTORY SECONDS`: tsvec's server with one more route, `/noop`.

Prints its port. Ends when its standard input closes, so with its parent, or after so many seconds.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import tsvec
from tsvec.cli.serve import listen
from tsvec.server.serve import DEFAULT_HOST, build_server


def add_noop(app: Starlette) -> None:
    """`POST /noop` reads its body and answers with the bytes that were last `PUT` there.

    It comes first in the table of routes and passes through the same middleware as any other.
    """
    reply = b""

    async def noop(request: Request) -> Response:
        nonlocal reply
        body = await request.body()
        if request.method == "PUT":
            reply = body
        return Response(reply, media_type="application/json")

    app.router.routes.insert(0, Route("/noop", noop, methods=["POST", "PUT"]))


def main() -> None:
    directory, seconds = Path(sys.argv[1]), float(sys.argv[2])
    with tsvec.connect(directory) as database:
        server = build_server(database)
        add_noop(cast("Starlette", server.config.app))

        def stop() -> None:
            server.should_exit = True

        def stop_with_parent() -> None:
            sys.stdin.buffer.read()
            stop()

        deadline = threading.Timer(seconds, stop)
        deadline.daemon = True
        deadline.start()
        threading.Thread(target=stop_with_parent, daemon=True).start()
        with listen(DEFAULT_HOST, 0) as listener:
            print(listener.getsockname()[1], flush=True)
            server.run(sockets=[listener])


if __name__ == "__main__":
    main()
