"""`python -m benchmarks.load PORT PATH BODIES CONNECTIONS WARM_UP`: a cheap HTTP load generator.

Posts every body of a file once over keep-alive connections, each of which sends its next request
when it has its reply, and prints what that took as JSON. The first WARM_UP replies are not counted.
A status other than 200 ends it with an error.
"""

from __future__ import annotations

import asyncio
import json
import struct
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

import uvloop

_LENGTH = struct.Struct("<I")
_HEAD_END = b"\r\n\r\n"
_CONTENT_LENGTH = b"content-length: "


def write_bodies(path: Path, bodies: Iterable[bytes]) -> None:
    """Write request bodies to the file a generator reads."""
    with path.open("wb") as file:
        for body in bodies:
            file.write(_LENGTH.pack(len(body)) + body)


def read_bodies(path: Path) -> Iterator[bytes]:
    """The bodies that `write_bodies` wrote."""
    data = path.read_bytes()
    offset = 0
    while offset < len(data):
        (length,) = _LENGTH.unpack_from(data, offset)
        offset += _LENGTH.size
        yield data[offset : offset + length]
        offset += length


class _Progress:
    """The requests still to send and the times of the replies that came."""

    def __init__(self, requests: list[bytes], warm_up: int, done: asyncio.Future[None]) -> None:
        self.requests = iter(requests)
        self.waits: list[float] = []
        self.begun = 0.0
        self._left = len(requests)
        self._warm_up = warm_up
        self._done = done

    def note(self, wait: float) -> None:
        """Count a reply."""
        self._left -= 1
        if self._warm_up:
            self._warm_up -= 1
            self.begun = time.perf_counter()
        else:
            self.waits.append(wait)
        if not self._left and not self._done.done():
            self._done.set_result(None)

    def fail(self, message: str) -> None:
        """Give up."""
        if not self._done.done():
            self._done.set_exception(RuntimeError(message))


class _Connection(asyncio.Protocol):
    def __init__(self, progress: _Progress) -> None:
        self._progress = progress
        self._received = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self) -> None:
        """Send the next request, if there is one."""
        request = next(self._progress.requests, None)
        if request is not None:
            self._sent = time.perf_counter()
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        received = self._received + data
        if not is_whole(received):
            self._received = received
        elif not received.startswith(b"HTTP/1.1 200 "):
            self._progress.fail(received.decode(errors="replace"))
        else:
            self._received = b""
            self._progress.note(time.perf_counter() - self._sent)
            self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._progress.fail(f"the server closed a connection: {exc}")


def is_whole(received: bytes) -> bool:
    """Whether all of a reply is there."""
    end = received.find(_HEAD_END)
    return end >= 0 and len(received) >= end + len(_HEAD_END) + _length_of(received[:end])


def _length_of(head: bytes) -> int:
    begin = head.find(_CONTENT_LENGTH) + len(_CONTENT_LENGTH)
    end = head.find(b"\r", begin)
    return int(head[begin:end] if end >= 0 else head[begin:])


async def _run(port: int, path: str, bodies: Path, connections: int, warm_up: int) -> None:
    loop = asyncio.get_running_loop()
    requests = [_request(path, body) for body in read_bodies(bodies)]
    done: asyncio.Future[None] = loop.create_future()
    progress = _Progress(requests, warm_up, done)
    made = [
        await loop.create_connection(lambda: _Connection(progress), "127.0.0.1", port)
        for _ in range(connections)
    ]
    cpu = time.process_time()
    begun = progress.begun = time.perf_counter()
    for _, connection in made:
        connection.send()
    await done
    end = time.perf_counter()
    busy = (time.process_time() - cpu) / (end - begun)
    for transport, _ in made:
        transport.abort()
    waits = sorted(progress.waits)
    document = {
        "requests": len(waits),
        "seconds": end - progress.begun,
        "p50_ms": waits[len(waits) // 2] * 1e3,
        "p99_ms": waits[len(waits) * 99 // 100] * 1e3,
        "generator_cpu": busy,
    }
    print(json.dumps(document))


def _request(path: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def main() -> None:
    port, path, bodies, connections, warm_up = sys.argv[1:]
    uvloop.run(_run(int(port), path, Path(bodies), int(connections), int(warm_up)))


if __name__ == "__main__":
    main()
