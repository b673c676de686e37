"""The options several commands share, and what their text means."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from tsvec.cli.completion import complete_collection, complete_entity
from tsvec.cli.files.values import TimeUnit, time_from_text, vector_from_value
from tsvec.model.collections import Metric
from tsvec.model.errors import InvalidRequestError
from tsvec.model.limits import WIDEST
from tsvec.model.points import OnConflict, OnError
from tsvec.model.queries import Include, Order, PointRef
from tsvec.model.strict_json import Record, decode_json, decode_object
from tsvec.model.times import AsOf, moment_from_any
from tsvec.model.validation import invalid_request, record_of
from tsvec.model.vectors import Float32Array


def instant(text: str) -> int:
    """µs of a time given on the command line."""
    try:
        return time_from_text(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}: {error}; or a date alone") from None


def moment(text: str) -> AsOf:
    """The seq or recorded time given on the command line."""
    return moment_from_any(text) if text.isdecimal() else AsOf(time=instant(text))


def point(text: str) -> PointRef:
    """The point without a key that `ENTITY@TIME` names."""
    entity_id, at, time = text.rpartition("@")
    if not at:
        raise typer.BadParameter(f"{text!r}: expected is ENTITY@TIME; --points FILE takes keys too")
    return record_of(PointRef, {"entity_id": entity_id, "timestamp": instant(time)})


def json_object(text: str) -> dict[str, Any]:
    """The JSON object given on the command line."""
    try:
        return decode_object(text.encode())
    except InvalidRequestError as error:
        raise typer.BadParameter(f"{text!r}: {error.message.removeprefix('body: ')}") from None


def include(*, vectors: bool, no_metadata: bool) -> list[Include]:
    """What a point carries."""
    carried: list[Include] = [] if no_metadata else ["metadata"]
    return [*carried, "vector"] if vectors else carried


def given(**fields: Any) -> dict[str, Any]:
    """The fields that were given."""
    return {name: value for name, value in fields.items() if value is not None}


def json_lines(file: Path, record: type[Record]) -> Iterator[Record]:
    """The records in a file of JSON lines, `-` for stdin; a fault is told with its line."""
    text = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield decode_json(record, line)
            except ValidationError as error:
                problem = invalid_request(error).message
                raise typer.BadParameter(f"{file}, line {number}: {problem}") from None


def vector(text: str) -> Float32Array:
    """The vector of `[1, 2.5]`, `1,2.5` or `@file`, a file that holds either."""
    try:
        return vector_from_value(Path(text[1:]).read_text() if text.startswith("@") else text)
    except OSError as error:
        raise typer.BadParameter(f"{text[1:]}: {error.strerror}") from None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


UrlOption = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="Ask this server. \\[env: TSVEC_URL]"),
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Open this directory. \\[env: TSVEC_DATA, default: ./tsvec-data]",
    ),
]
CollectionOption = Annotated[
    str,
    typer.Option(
        "--collection",
        "-c",
        metavar="NAME",
        help="The collection.",
        autocompletion=complete_collection,
    ),
]
NameArgument = Annotated[
    str,
    typer.Argument(metavar="NAME", help="The collection.", autocompletion=complete_collection),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the reply as one JSON document, for scripts.")
]
StartOption = Annotated[
    int | None,
    typer.Option(
        "--start",
        parser=instant,
        metavar="TIME",
        help="First instant, RFC 3339 or a date.",
    ),
]
EndOption = Annotated[
    int | None,
    typer.Option(
        "--end", parser=instant, metavar="TIME", help="First instant after, RFC 3339 or a date."
    ),
]
AsOfOption = Annotated[
    AsOf | None,
    typer.Option(
        "--as-of",
        parser=moment,
        metavar="SEQ|TIME",
        help="Answer as things stood after this seq, or at this recorded time.",
    ),
]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="How many at most.")]
CursorOption = Annotated[
    str | None, typer.Option("--cursor", help="What the page before ended with.")
]
VectorsOption = Annotated[bool, typer.Option("--vectors", help="Return the vectors too.")]
WithoutMetadata = Annotated[bool, typer.Option("--no-metadata", help="Return no metadata.")]
WaitOption = Annotated[
    int | None,
    typer.Option(
        "--wait-for-seq", min=0, metavar="SEQ", help="Answer once this change is visible."
    ),
]
SpaceOption = Annotated[
    str | None,
    typer.Option("--space", metavar="MODEL", help="Refuse vectors of another embedding model."),
]

VectorOption = Annotated[
    Any,
    typer.Option(
        "--vector",
        parser=vector,
        metavar="NUMBERS",
        help="0.1,0.2 or @file.",
    ),
]
EntityOption = Annotated[
    str | None,
    typer.Option(
        "--entity",
        metavar="ID",
        help="Ask from this entity's newest vector instead.",
        autocompletion=complete_entity,
    ),
]
AtOption = Annotated[
    int | None,
    typer.Option(
        "--at", parser=instant, metavar="TIME", help="With --entity: its newest vector by then."
    ),
]
TypesOption = Annotated[
    list[str] | None,
    typer.Option("--type", metavar="TYPE", help="Only this entity type; repeatable."),
]
IdsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--id",
        metavar="ID",
        help="Only this entity; repeatable.",
        autocompletion=complete_entity,
    ),
]

FilterOption = Annotated[
    Any,
    typer.Option(
        "--filter",
        parser=json_object,
        metavar="JSON",
        help='Only what this filter lets pass, such as \'{"wind": {"$gt": 100}}\'.',
    ),
]
OrderOption = Annotated[Order, typer.Option("--order", help="The least first, or the greatest.")]
KeyOption = Annotated[
    str | None, typer.Option("--key", metavar="KEY", help="Of a point that was given one.")
]
EntityArgument = Annotated[
    str,
    typer.Argument(metavar="ENTITY", help="The entity.", autocompletion=complete_entity),
]
TimeArgument = Annotated[
    int, typer.Argument(metavar="TIME", parser=instant, help="Event time, RFC 3339 or a date.")
]

FileArgument = Annotated[
    Path, typer.Argument(help="Parquet, Arrow IPC (Feather), CSV, JSON lines or NPZ.")
]
EntityColumn = Annotated[str | None, typer.Option("--entity", help="Column of entity ids.")]
TimeColumn = Annotated[
    str | None,
    typer.Option("--time", help="Column of event times, or `now`: the time of the commit."),
]
VectorColumns = Annotated[
    str | None, typer.Option("--vector", help="Column of vectors, or columns of numbers: a,b,c.")
]
TypeColumn = Annotated[str | None, typer.Option("--type", help="Column of entity types.")]
MetadataColumns = Annotated[
    str | None,
    typer.Option("--metadata", help="Columns kept as metadata: a,b. \\[default: all others]"),
]
NoMetadata = Annotated[bool, typer.Option("--no-metadata", help="Keep no metadata.")]
TimeUnitOption = Annotated[
    TimeUnit | None,
    typer.Option("--time-unit", help="Of times that are numbers. \\[default: told by their size]"),
]
AssumeUtc = Annotated[
    bool, typer.Option("--assume-utc", help="Read times without an offset as UTC.")
]
BatchRows = Annotated[
    int,
    typer.Option("--batch", min=1, max=WIDEST.batch_rows_max, help="Rows of one commit."),
]
OnErrorOption = Annotated[
    OnError, typer.Option("--on-error", help="What a bad row does: end the load, or be left out.")
]
OnConflictOption = Annotated[
    OnConflict,
    typer.Option(
        "--on-conflict", help="What a row of other content does whose place a point has taken."
    ),
]
CreateOption = Annotated[
    bool, typer.Option("--create", help="Make the collection if there is none.")
]
DimOption = Annotated[
    int | None,
    typer.Option("--dim", min=1, help="With --create. \\[default: of the first vector]"),
]
MetricOption = Annotated[
    Metric | None, typer.Option("--metric", help="With --create. \\[default: cosine]")
]
WindowSizeOption = Annotated[
    str | None,
    typer.Option("--window-size", metavar="DURATION", help="With --create. \\[default: 1h]"),
]
LatenessOption = Annotated[
    str | None,
    typer.Option(
        "--allowed-lateness",
        metavar="DURATION",
        help="With --create. How far behind the newest is not late. \\[default: the window size]",
    ),
]
RetentionOption = Annotated[
    str | None,
    typer.Option(
        "--retention",
        metavar="DURATION",
        help="With --create. Age beyond which points go. \\[default: none]",
    ),
]
HorizonOption = Annotated[
    str | None,
    typer.Option(
        "--history-horizon",
        metavar="DURATION",
        help="With --create. How far back --as-of and restore reach. \\[default: 7d]",
    ),
]

PointOption = Annotated[
    list[PointRef] | None,
    typer.Option("--point", parser=point, metavar="ENTITY@TIME", help="This point; repeatable."),
]
PointsFileOption = Annotated[
    Path | None,
    typer.Option(
        "--points",
        metavar="FILE",
        help="The points of a file: JSON lines of entity_id, timestamp, perhaps key; -: of stdin.",
    ),
]
IdempotencyKeyOption = Annotated[
    str | None,
    typer.Option(
        "--idempotency-key",
        metavar="KEY",
        help="Do this once, however often it is asked for with this key in 24 hours.",
    ),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only count.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask first.")]
