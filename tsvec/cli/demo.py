"""The demo: fifty years of Atlantic storms behind a real server, and questions asked over HTTP."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from tsvec.cli.progress import progress
from tsvec.cli.render import plural, size, table
from tsvec.cli.serve import listen, running, unwind_on_sigterm, wait_for_interrupt
from tsvec.cli.storms import COLLECTION, SCALING, Storms, load_storms
from tsvec.engine.database import Database
from tsvec.model.collections import CollectionStats
from tsvec.model.errors import CollectionNotFoundError, ConflictError
from tsvec.model.replies import TemporalKnnReply
from tsvec.model.settings import Settings
from tsvec.model.times import time_from_rfc3339
from tsvec.server.serve import DEFAULT_HOST, build_server

PATH = f"/v1/collections/{COLLECTION}/query/temporal-knn"
KATRINA = "KATRINA-2005"
PEAK = "2005-08-28T18:00:00Z"
FIRST_DAY = "2005-08-23T18:00:00Z"
BATCH_ROWS = 1_000
SEAL_SECONDS_MAX = 10.0
_NUMBERS = ("position", "kt", "hPa", "distance")
_COLUMNS = ("storm", "time (UTC)", "position", "kt", "hPa", "became", "distance")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, in words and as the body of the request."""

    title: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """A question with the reply of the server."""

    question: Question
    reply: TemporalKnnReply
    milliseconds: float


def questions(storms: Storms) -> list[Question]:
    """The questions of the demo, about Katrina's states in 2005."""

    def state(at: str) -> list[float]:
        row = storms.row(KATRINA, time_from_rfc3339(at))
        return [round(float(element), 4) for element in storms.vectors[row]]

    peak, first = state(PEAK), state(FIRST_DAY)
    return [
        Question(
            "Which storm states resembled Katrina's at her peak (150 kt, 902 hPa)?",
            {"query_vector": peak, "k": 8},
        ),
        Question(
            "The same, but one state a storm",
            {"query_vector": peak, "k": 8, "distinct": "entity"},
        ),
        Question(
            "Only storms of 1975 to 1990",
            {
                "query_vector": peak,
                "k": 5,
                "distinct": "entity",
                "start_time": "1975-01-01T00:00:00Z",
                "end_time": "1991-01-01T00:00:00Z",
            },
        ),
        Question(
            "On her first day she was a 30 kt depression. Which major hurricanes were, too?",
            {
                "query_vector": first,
                "k": 5,
                "distinct": "entity",
                "entity_types": ["MAJOR_HURRICANE"],
            },
        ),
        Question(
            "The first question by her name instead of a vector, her own states left out",
            {"entity_id": KATRINA, "at": PEAK, "k": 5, "distinct": "entity"},
        ),
    ]


def load(database: Database, storms: Storms, advance: Callable[[int], None]) -> CollectionStats:
    """Store every state of every storm, unless the directory already has them."""
    collection = database.collection(COLLECTION)
    try:
        stored = collection.get_collection_stats()
    except CollectionNotFoundError:
        database.create_collection(COLLECTION, dim=4, metric="l2", window_size="365d")
    else:
        if stored.points not in {0, len(storms)}:
            raise ConflictError(
                f"the collection {COLLECTION!r} of this directory holds {stored.points:,} points "
                f"instead of the {len(storms):,} of the demo; choose another --data directory"
            )
        if stored.points:
            return stored
    for batch in storms.batches(BATCH_ROWS):
        collection.ingest(batch)
        advance(len(batch))
    return collection.get_collection_stats()


def sealed(database: Database) -> CollectionStats:
    """The figures once what is worth it has been sealed in the background, or after a while."""
    deadline = time.monotonic() + SEAL_SECONDS_MAX
    while True:
        stats = database.collection(COLLECTION).get_collection_stats()
        if stats.hot_points < Settings().seal_rows or time.monotonic() > deadline:
            return stats
        time.sleep(0.05)


def ask(client: httpx.Client, question: Question) -> Answer:
    """One question over HTTP, with the time until the reply was read."""
    begin = time.perf_counter()
    answer = client.post(PATH, json=question.body)
    milliseconds = (time.perf_counter() - begin) * 1e3
    answer.raise_for_status()
    reply = TemporalKnnReply.model_validate_json(answer.content)
    return Answer(question, reply, milliseconds)


def run(data: Path | None, *, port: int, keep: bool, as_json: bool) -> None:
    """Load, serve, ask, show; with `keep` serve on until a signal."""
    out = Console(markup=False, highlight=False, quiet=as_json)
    storms = load_storms()
    unwind_on_sigterm()
    with _directory(data) as path, Database(path) as database:
        begin = time.perf_counter()
        with progress("loading storms", len(storms)) as advance:
            stats = load(database, storms, advance)
        seconds = time.perf_counter() - begin
        _tell_loading(out, stats, seconds)
        listener = listen(DEFAULT_HOST, port)
        server = build_server(database)
        with running(server, listener) as url, httpx.Client(base_url=url, trust_env=False) as http:
            out.print(f"\nA server listens on {url}.")
            answers = []
            for question in questions(storms):
                answers.append(ask(http, question))
                _tell(out, answers[-1])
            stats = sealed(database)
            _tell_sealing(out, stats)
            out.print(_closing(url, data, keep=keep))
            if as_json:
                _print_json(stats, seconds, answers)
            if keep:
                wait_for_interrupt()
    out.print("The server has stopped.")


@contextmanager
def _directory(data: Path | None) -> Iterator[Path]:
    if data is not None:
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="tsvec-demo-") as path:
        yield Path(path)


def _tell_loading(out: Console, stats: CollectionStats, seconds: float) -> None:
    out.print(
        f"{stats.points:,} states of {stats.entities:,} Atlantic storms, 1975 to 2024 "
        f"(NOAA HURDAT2),\nstored and on disk in {seconds:.1f} s.\n\n"
        f"A state is a vector, compared by Euclidean distance:\n  {SCALING}"
    )


def _tell_sealing(out: Console, stats: CollectionStats) -> None:
    disk = size(sum(count for _, count in stats.bytes))
    out.print(
        f"\nMeanwhile {plural(stats.sealed_points, 'point')} went from memory into "
        f"{plural(stats.partitions, 'partition')}; {disk} on disk."
    )


def _tell(out: Console, answer: Answer) -> None:
    out.print(Text(f"\n{answer.question.title}", style="bold"))
    body = json.dumps(answer.question.body)
    out.print(Text(f"POST {PATH}\n{body}", style="dim"))
    states = table(_COLUMNS, right=_NUMBERS)
    for hit in answer.reply.hits:
        known = hit.metadata or {}
        states.add_row(
            f"{known['name'].title()} {hit.timestamp.year}",
            f"{hit.timestamp:%b %d %H:%M}",
            _position(known["latitude"], known["longitude"]),
            f"{known['wind_kt']:.0f}",
            f"{known['pressure_hpa']:.0f}",
            hit.entity_type.replace("_", " ").lower(),
            f"{hit.distance:.3f}",
        )
    out.print(states)
    eligible = answer.reply.eligible
    unit = "storm" if answer.question.body.get("distinct") else "state"
    among = f", out of {plural(eligible.value, unit)}" if eligible.relation == "eq" else ""
    found = "exact" if answer.reply.exact else "approximate"
    out.print(Text(f"{answer.milliseconds:.1f} ms over HTTP, {found}{among}", style="dim"))


def _position(latitude: float, longitude: float) -> str:
    return f"{latitude:.1f}°N {abs(longitude):.1f}°{'W' if longitude < 0 else 'E'}"


def _closing(url: str, data: Path | None, *, keep: bool) -> Panel:
    directory = data or Path("storms")
    again = f"tsvec demo --data {directory} --keep    # keeps the data, and serves until Ctrl-C"
    cli = f"tsvec knn --data {directory} -c {COLLECTION} --entity ANDREW-1992 --distinct"
    if keep:
        again = f"""curl {url}{PATH} \\
  -H 'content-type: application/json' \\
  -d '{{"entity_id": "ANDREW-1992", "k": 3, "distinct": "entity"}}'"""
        cli = f"tsvec knn --url {url} -c {COLLECTION} --entity ANDREW-1992 --distinct"
    history = cli.partition(" --entity")[0].replace("tsvec knn", "tsvec history ANDREW-1992")
    lines = [again, cli, history, "tsvec ingest FILE    # your own: Parquet, Arrow, CSV, JSON, NPZ"]
    if keep:
        lines.append("Ctrl-C stops the server")
    return Panel("\n".join(lines), title="what to try next", title_align="left", expand=False)


def _print_json(stats: CollectionStats, seconds: float, answers: list[Answer]) -> None:
    document = {
        "load_seconds": round(seconds, 3),
        "stats": stats.model_dump(mode="json"),
        "answers": [
            {
                "question": answer.question.title,
                "request": answer.question.body,
                "milliseconds": round(answer.milliseconds, 3),
                "reply": answer.reply.model_dump(mode="json"),
            }
            for answer in answers
        ],
    }
    Console(markup=False, highlight=False, soft_wrap=True).print(orjson.dumps(document).decode())
