"""64 concurrent writers of single rows over HTTP, against a route that does nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from benchmarks.data import COLLECTION, DIM, ENTITIES, make_vectors, time_of
from benchmarks.load import write_bodies
from benchmarks.measure import Context
from benchmarks.processes import Load, Server, serve
from benchmarks.result import Figure, Outcome, Target

CONNECTIONS = 64
_ROWS_PER_REQUEST = 200
_WARM_UP_SHARE = 10
_CAUSE = (
    "decoding and checking a row and its part of a commit hold the interpreter lock that HTTP "
    "needs, and together take longer than a request that does nothing"
)
_POINTS = f"/v1/collections/{COLLECTION}/points"


@dataclass(frozen=True, slots=True)
class Written:
    """One block of load, and how often the log was synced for it."""

    load: Load
    syncs: float


def run(context: Context) -> Outcome:
    """Ingest requests and no-op requests with the same bodies, in turns."""
    requests = max(context.rows // _ROWS_PER_REQUEST, 4 * CONNECTIONS)
    warm_up = requests // _WARM_UP_SHARE
    bodies = context.scratch / "bodies"

    def write(server: Server, path: str, block: int) -> Written:
        write_bodies(bodies, make_bodies(requests + warm_up, block))
        before = server.metric("tsvec_log_syncs_total")
        load = server.load(path, bodies, connections=CONNECTIONS, warm_up=warm_up)
        return Written(load, server.metric("tsvec_log_syncs_total") - before)

    with serve(context.scratch / "writers") as server:
        server.post("/v1/collections", orjson.dumps({"name": COLLECTION, "dim": DIM}))
        server.set_noop_reply(server.post(_POINTS, next(make_bodies(1, -1))).content)
        found = context.interleave(
            {
                "ingest": lambda block: write(server, _POINTS, block),
                "no-op": lambda block: write(server, "/noop", block),
            }
        )
        stored = sum(server.metric(f"tsvec_points_{place}") for place in ("hot", "sealed"))
    if stored != context.blocks * (requests + warm_up) + 1:
        raise AssertionError(f"{stored:.0f} rows are stored, which is not what was sent")
    return _outcome(found["ingest"], found["no-op"], requests + warm_up)


def _outcome(ingest: list[Written], noop: list[Written], rows: int) -> Outcome:
    return Outcome(
        figures=[
            Figure.ratio(
                "requests/s / no-op route",
                ("ingest", [written.load.rate for written in ingest]),
                ("no-op", [written.load.rate for written in noop]),
                unit="requests/s",
                target=Target(at_least=0.5),
                cause=_CAUSE,
            ),
            Figure.of(
                "fdatasyncs a row",
                [written.syncs / rows for written in ingest],
                target=Target(at_most=1 / 8),
            ),
            Figure.ratio(
                "server's processor time / no-op route",
                ("ingest", [written.load.server_cpu_us for written in ingest]),
                ("no-op", [written.load.server_cpu_us for written in noop]),
                unit="µs a request",
            ),
            Figure.of("latency, median", [w.load.p50_ms for w in ingest], unit="ms"),
            Figure.of("latency, 99 %", [w.load.p99_ms for w in ingest], unit="ms"),
        ],
        facts={
            "requests a block": rows,
            "connections": CONNECTIONS,
            "generator cpu, no-op": noop[0].load.generator_cpu,
            "generator cpu, ingest": ingest[0].load.generator_cpu,
        },
    )


def make_bodies(count: int, block: int) -> Iterator[bytes]:
    """Requests of one point each; no two of a run are the same."""
    seed = 1_000 + block
    for number, vector in enumerate(make_vectors(count, seed=seed)):
        point = {
            "entity_id": f"entity-{number % ENTITIES:04}",
            "timestamp": f"{time_of(seed * count + number)}Z",
            "vector": vector,
        }
        yield orjson.dumps({"points": [point]}, option=orjson.OPT_SERIALIZE_NUMPY)
