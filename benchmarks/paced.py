"""`python -m benchmarks.paced PORT PATH BODY RATE SECONDS`: requests at a fixed rate.

Posts the body of a file so many times a second over a few keep-alive connections, with the API key
in the environment variable `PACED_KEY`, and prints what came of it as JSON. A request's time counts
from the moment it was due, so that a slow server cannot hide by being asked less.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

import uvloop

from benchmarks.load import is_whole

CONNECTIONS = 16


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self) -> None:
        self._received = b""
        self._reply: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._reply is not None and is_whole(self._received):
            status = int(self._received.split(b" ", 2)[1])
            self._received, reply, self._reply = b"", self._reply, None
            reply.set_result(status)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._reply is not None:
            self._reply.set_exception(RuntimeError(f"the server closed a connection: {exc}"))

    async def ask(self, request: bytes) -> int:
        self._reply = asyncio.get_running_loop().create_future()
        self._transport.write(request)  # type: ignore[attr-defined]
        return await self._reply


async def _run(port: int, request: bytes, rate: float, seconds: float) -> dict[str, object]:
    loop = asyncio.get_running_loop()
    free: asyncio.Queue[_Connection] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        _, made = await loop.create_connection(_Connection, "127.0.0.1", port)
        free.put_nowait(made)
    waits: list[float] = []
    statuses: Counter[int] = Counter()

    async def ask(due: float) -> None:
        connection = await free.get()
        statuses[await connection.ask(request)] += 1
        waits.append(time.perf_counter() - due)
        free.put_nowait(connection)

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as asking:
        for number in range(int(rate * seconds)):
            due = begun + number / rate
            if (pause := due - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            asking.create_task(ask(due))
    waits.sort()
    return {
        "seconds": time.perf_counter() - begun,
        "p50_ms": waits[len(waits) // 2] * 1e3,
        "p99_ms": waits[len(waits) * 99 // 100] * 1e3,
        "statuses": dict(statuses),
    }


def main() -> None:
    port, path, body, rate, seconds = sys.argv[1:]
    content = Path(body).read_bytes()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {os.environ['PACED_KEY']}\r\n"
        f"content-length: {len(content)}\r\n\r\n"
    )
    request = head.encode() + content
    print(json.dumps(uvloop.run(_run(int(port), request, float(rate), float(seconds)))))


if __name__ == "__main__":
    main()
