"""Child processes of a benchmark: a server, a load generator, a probe. Each has a deadline."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import httpx

ROOT = Path(__file__).resolve().parents[1]
_PROBE_SECONDS_MAX = 300
_LOAD_SECONDS_MAX = 120
_SERVER_SECONDS_MAX = 1_800
_STOP_SECONDS_MAX = 20


def probe(name: str, *arguments: str | int | Path) -> dict[str, Any]:
    """What a probe measured about itself in a fresh process; see `benchmarks.probe`."""
    run = subprocess.run(
        _command("benchmarks.probe", name, *arguments),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=_PROBE_SECONDS_MAX,
        check=True,
    )
    return cast("dict[str, Any]", json.loads(run.stdout))


@dataclass(frozen=True, slots=True)
class Load:
    """What a load generator saw; `generator_cpu` near 1 would mean that it was the bottleneck.

    `server_cpu_us` is processor time of the server a request, all its threads together.
    """

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    generator_cpu: float
    server_cpu_us: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


@dataclass(frozen=True, slots=True)
class Server:
    """A server in a process of its own."""

    client: httpx.Client
    port: int
    process_id: int

    def post(self, path: str, body: bytes) -> httpx.Response:
        """One request outside of any load; an error status raises."""
        reply = self.client.post(path, content=body, headers={"content-type": "application/json"})
        return reply.raise_for_status()

    def set_noop_reply(self, reply: bytes) -> None:
        """From now on `POST /noop` reads its body and answers with these bytes."""
        self.client.put("/noop", content=reply).raise_for_status()

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        lines = self.client.get("/metrics").raise_for_status().text.splitlines()
        values = [line.split() for line in lines if line.startswith((f"{name} ", f"{name}{{"))]
        return sum(float(value) for _, value in values)

    def load(self, path: str, bodies: Path, *, connections: int, warm_up: int) -> Load:
        """Post every body of a file once, from another process; see `benchmarks.load`."""
        before = self._cpu_seconds()
        run = subprocess.run(
            _command("benchmarks.load", self.port, path, bodies, connections, warm_up),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            timeout=_LOAD_SECONDS_MAX,
            check=True,
        )
        seen = json.loads(run.stdout)
        cpu_us = (self._cpu_seconds() - before) * 1e6 / (seen["requests"] + warm_up)
        return Load(**seen, server_cpu_us=cpu_us)

    def _cpu_seconds(self) -> float:
        # The clock that clock_getcpuclockid(3) gives: processor time of another process, in ns.
        return time.clock_gettime((~self.process_id << 3) | 2)


@contextmanager
def serve(directory: Path) -> Iterator[Server]:
    """A server over a database directory while the block runs; see `benchmarks.server`."""
    process = subprocess.Popen(
        _command("benchmarks.server", directory, _SERVER_SECONDS_MAX),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    stdin, stdout = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
    try:
        port = int(stdout.readline())
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield Server(client, port, process.pid)
    finally:
        stdin.close()
        try:
            process.wait(_STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        stdout.close()


def _command(module: str, *arguments: object) -> Sequence[str]:
    return [sys.executable, "-m", module, *map(str, arguments)]
