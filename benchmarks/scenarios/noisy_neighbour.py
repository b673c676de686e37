"""What a key that floods the server does to the queries of another one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tsvec
from benchmarks.data import COLLECTION, make_questions
from benchmarks.measure import Context
from benchmarks.result import Figure, Outcome, Target
from benchmarks.scenarios.http_knn import as_body

LIMIT = 200
FLOOD = 10 * LIMIT
NEIGHBOUR = 150
SECONDS = 6.0
_QUICK_SECONDS = 0.5
_QUICK_ROWS_MAX = 20_000
_LEAD_SECONDS = 0.5
_ROWS_SHARE = 50
_SHARE = 0.01
_KNN = f"/v1/collections/{COLLECTION}/query/temporal-knn"
_CAUSE = (
    "each refusal takes the server's one thread for about a tenth of a millisecond, and the load "
    "generators want the same few processors"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of one block: of the neighbour, and of who flooded meanwhile."""

    neighbour: dict[str, Any]
    flood: dict[str, Any] | None


def run(context: Context) -> Outcome:
    """The neighbour's queries alone, and while another key sends ten times what it may."""
    rows = context.rows // _ROWS_SHARE
    seconds = _QUICK_SECONDS if context.rows <= _QUICK_ROWS_MAX else SECONDS
    context.say(f"building {rows:,} rows")
    data = context.scratch / "neighbours"
    shutil.copytree(context.datasets.directory(rows), data)
    with tsvec.connect(data) as database:
        keys = [
            database.admin.create_key(name, scopes=["read"]).secret
            for name in ("neighbour", "flood")
        ]
    body = context.scratch / "question"
    body.write_bytes(as_body(make_questions(1, rows, _SHARE, seed=3)[0]))
    with _serving(data) as port:

        def ask(*, floods: bool) -> Asked:
            flood = None
            if floods:
                flood = _paced(port, body, keys[1], FLOOD, seconds + 2 * _LEAD_SECONDS)
                time.sleep(_LEAD_SECONDS)
            neighbour = _result(_paced(port, body, keys[0], NEIGHBOUR, seconds))
            return Asked(neighbour, None if flood is None else _result(flood))

        _result(_paced(port, body, keys[0], NEIGHBOUR, _LEAD_SECONDS))
        found = context.interleave(
            {"quiet": lambda _: ask(floods=False), "flooded": lambda _: ask(floods=True)}
        )
    shutil.rmtree(data)
    body.unlink()
    return Outcome(figures=_figures(found), facts=_facts(found, rows))


def _figures(found: dict[str, list[Asked]]) -> list[Figure]:
    sides = {
        side: [one.neighbour["p99_ms"] for one in found[side]] for side in ("flooded", "quiet")
    }
    refused = [_share(one.flood, "429") for one in found["flooded"] if one.flood is not None]
    return [
        Figure.ratio(
            "another key's slowest 1 % of queries, flooded / quiet",
            ("flooded", sides["flooded"]),
            ("quiet", sides["quiet"]),
            unit="ms",
            target=Target(at_most=1.5),
            cause=_CAUSE,
        ),
        Figure.ratio(
            "another key's median query, flooded / quiet",
            ("flooded", [one.neighbour["p50_ms"] for one in found["flooded"]]),
            ("quiet", [one.neighbour["p50_ms"] for one in found["quiet"]]),
            unit="ms",
        ),
        Figure.of("share of the flood that is refused", refused, unit=""),
    ]


def _facts(found: dict[str, list[Asked]], rows: int) -> dict[str, Any]:
    refused = sum(
        count
        for side in found.values()
        for one in side
        for status, count in one.neighbour["statuses"].items()
        if status != "200"
    )
    return {
        "rows": rows,
        "requests/s allowed to a key": LIMIT,
        "requests/s of the flood": FLOOD,
        "requests/s of the neighbour": NEIGHBOUR,
        "the neighbour's requests that were refused": refused,
    }


def _share(asked: dict[str, Any], status: str) -> float:
    statuses = asked["statuses"]
    return float(statuses.get(status, 0) / sum(statuses.values()))


@contextmanager
def _serving(data: Path) -> Iterator[int]:
    """`tsvec serve` in a process of its own; gives the port."""
    options = ["--port", "0", "--set", f"rate_requests_per_second={LIMIT}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tsvec", "serve", "--data", str(data), *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline().rsplit(":", 1)[1])
    finally:
        process.terminate()
        process.wait()


def _paced(port: int, body: Path, key: str, rate: int, seconds: float) -> subprocess.Popen[str]:
    arguments = [str(port), _KNN, str(body), str(rate), str(seconds)]
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.paced", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PACED_KEY": key},
    )


def _result(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, _ = process.communicate()
    if process.returncode:
        raise RuntimeError("a load generator failed")
    found: dict[str, Any] = json.loads(out)
    return found
