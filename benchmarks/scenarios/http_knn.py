"""temporal_knn over 1 % of the rows over HTTP, against a route that does nothing."""

from __future__ import annotations

from functools import partial

import orjson

from benchmarks.data import COLLECTION, Question, make_questions
from benchmarks.load import write_bodies
from benchmarks.measure import Context
from benchmarks.processes import serve
from benchmarks.result import Figure, Outcome, Target

CONNECTIONS = 16
SHARE = 0.01
_ROWS_SHARE = 5
_ROWS_PER_REQUEST = 50
_WARM_UP_SHARE = 10
_CAUSE = (
    "decoding the vector, choosing and measuring candidates and describing ten hits hold the "
    "interpreter lock that HTTP needs; the scan alone, which reads a megabyte, takes about as long "
    "as a request that does nothing"
)
_KNN = f"/v1/collections/{COLLECTION}/query/temporal-knn"


def run(context: Context) -> Outcome:
    """Questions and no-op requests with the same bodies, in turns."""
    rows = context.rows // _ROWS_SHARE
    context.say(f"building {rows:,} rows")
    directory = context.datasets.directory(rows)
    requests = max(rows // _ROWS_PER_REQUEST, 4 * CONNECTIONS)
    warm_up = requests // _WARM_UP_SHARE
    questions = make_questions(requests + warm_up, rows, SHARE, seed=3)
    bodies = context.scratch / "bodies"
    write_bodies(bodies, map(as_body, questions))
    with serve(directory) as server:
        reply = server.post(_KNN, as_body(questions[0])).content
        server.set_noop_reply(reply)
        load = partial(server.load, bodies=bodies, connections=CONNECTIONS, warm_up=warm_up)
        found = context.interleave(
            {"temporal_knn": lambda _: load(_KNN), "no-op": lambda _: load("/noop")}
        )
    knn, noop = found["temporal_knn"], found["no-op"]
    return Outcome(
        figures=[
            Figure.ratio(
                "requests/s / no-op route",
                ("temporal_knn", [load.rate for load in knn]),
                ("no-op", [load.rate for load in noop]),
                unit="requests/s",
                target=Target(at_least=0.4),
                cause=_CAUSE,
            ),
            Figure.ratio(
                "server's processor time / no-op route",
                ("temporal_knn", [load.server_cpu_us for load in knn]),
                ("no-op", [load.server_cpu_us for load in noop]),
                unit="µs a request",
            ),
            Figure.of("latency, median", [load.p50_ms for load in knn], unit="ms"),
            Figure.of("latency, 99 %", [load.p99_ms for load in knn], unit="ms"),
        ],
        facts={
            "rows": rows,
            "rows in range": round(rows * SHARE),
            "requests a block": requests,
            "connections": CONNECTIONS,
            "request bytes": len(as_body(questions[0])),
            "reply bytes": len(reply),
            "generator cpu, no-op": noop[0].generator_cpu,
        },
    )


def as_body(question: Question) -> bytes:
    """The JSON of a question."""
    times = {name: f"{question.request[name]}Z" for name in ("start_time", "end_time")}
    return orjson.dumps(question.request | times, option=orjson.OPT_SERIALIZE_NUMPY)
