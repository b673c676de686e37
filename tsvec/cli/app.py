"""The commands: each opens a target, makes one call, shows the reply."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer
from pydantic import ValidationError
from typer.exceptions import TyperException

from tsvec.cli import render
from tsvec.cli.commands.collections import compact, create, update
from tsvec.cli.commands.entities import entities
from tsvec.cli.commands.listing import points as points_app
from tsvec.cli.commands.nearest import diff, knn, within
from tsvec.cli.commands.points import delete, deleted, restore
from tsvec.cli.console import out, show
from tsvec.cli.demo import run as run_demo
from tsvec.cli.files.columns import plan_columns
from tsvec.cli.files.loading import load
from tsvec.cli.files.readers import open_source
from tsvec.cli.files.rows import prepare_all
from tsvec.cli.options import (
    AsOfOption,
    AssumeUtc,
    BatchRows,
    CollectionOption,
    CreateOption,
    CursorOption,
    DataOption,
    DimOption,
    EndOption,
    EntityColumn,
    FileArgument,
    HorizonOption,
    JsonOption,
    LatenessOption,
    LimitOption,
    MetadataColumns,
    MetricOption,
    NoMetadata,
    OnConflictOption,
    OnErrorOption,
    RetentionOption,
    StartOption,
    TimeColumn,
    TimeUnitOption,
    TypeColumn,
    UrlOption,
    VectorColumns,
    VectorsOption,
    WindowSizeOption,
)
from tsvec.cli.progress import progress
from tsvec.cli.serve import allow_many_files, listen, run_until_signal, url_of
from tsvec.cli.target import (
    Target,
    check_directory,
    directory_of,
    every_collection,
    ingest_arrow,
    open_target,
    place,
)
from tsvec.engine.database import Database
from tsvec.engine.verify import verify_directory
from tsvec.model.collections import DEFAULT_COLLECTION
from tsvec.model.errors import (
    CollectionNotFoundError,
    ConflictError,
    CorruptError,
    TsvecError,
)
from tsvec.model.queries import HistoryRequest, Include, Order
from tsvec.model.validation import invalid_request
from tsvec.server.serve import DEFAULT_HOST, DEFAULT_PORT, build_server

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A temporal vector database: exact nearest neighbours inside any range of time.",
)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 done, 1 failed with one line on stderr, 2 wrong usage."""
    try:
        code: int | None = app(args=arguments, prog_name="tsvec", standalone_mode=False)
    except Exception as error:
        if os.environ.get("TSVEC_DEBUG"):
            raise
        code = _tell_error(error)
    except KeyboardInterrupt:
        code = 130
    sys.exit(code or 0)


def _tell_error(error: Exception) -> int:
    code = 1
    match error:
        case TyperException():
            message, code = error.format_message(), error.exit_code
        case ValidationError():
            message = invalid_request(error).message
        case TsvecError():
            message = error.message
        case BrokenPipeError():
            # Whoever read the output has gone; nothing more may be flushed into the pipe.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return code
        case OSError():
            named = f"{error.filename}: " if error.filename else ""
            message = named + (error.strerror or str(error))
        case _:
            message = f"{type(error).__name__}: {error} (TSVEC_DEBUG=1 shows where)"
    if message:  # none when help was shown for want of a command
        sys.stderr.write(f"error: {' '.join(message.split())}\n")
    return code


def _print_version(asked: bool) -> None:
    if asked:
        out.print(f"tsvec {version('tsvec')}")
        raise typer.Exit


@app.callback()
def tsvec(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Tell the version."),
    ] = False,
) -> None:
    """Options that need no command."""


@app.command()
def serve(
    data: DataOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = DEFAULT_HOST,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="0 takes a free one.")
    ] = DEFAULT_PORT,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], typer.Option(help="What stderr tells.")
    ] = "warning",
    allow_open_network: Annotated[
        bool, typer.Option(help="Listen beyond this machine, where anybody may read and write.")
    ] = False,
) -> None:
    """Serve a directory over HTTP until Ctrl-C or SIGTERM."""
    allow_many_files()
    path = directory_of(data)
    with Database(path) as database:
        server = build_server(database, host=host, port=port, allow_open_network=allow_open_network)
        server.config.log_level = log_level
        server.config.configure_logging()
        with listen(host, port) as listener:
            sys.stdout.write(f"tsvec {version('tsvec')} serves {path} on {url_of(listener)}\n")
            sys.stdout.flush()
            run_until_signal(server, listener)
    out.print("stopped")


@app.command()
def ingest(
    file: FileArgument,
    url: UrlOption = None,
    data: DataOption = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    entity: EntityColumn = None,
    time_column: TimeColumn = None,
    vector_columns: VectorColumns = None,
    type_column: TypeColumn = None,
    metadata: MetadataColumns = None,
    no_metadata: NoMetadata = False,
    time_unit: TimeUnitOption = None,
    assume_utc: AssumeUtc = False,
    batch: BatchRows = 1_000,
    on_error: OnErrorOption = "reject_all",
    on_conflict: OnConflictOption = "replace",
    create: CreateOption = False,
    dim: DimOption = None,
    metric: MetricOption = None,
    window_size: WindowSizeOption = None,
    allowed_lateness: LatenessOption = None,
    retention: RetentionOption = None,
    history_horizon: HorizonOption = None,
    as_json: JsonOption = False,
) -> None:
    """Load a file of points; its columns are found by their usual names."""
    wanted = {
        "dim": dim,
        "metric": metric,
        "window_size": window_size,
        "allowed_lateness": allowed_lateness,
        "retention": retention,
        "history_horizon": history_horizon,
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    if given and not create:
        raise typer.BadParameter(f"--{next(iter(given)).replace('_', '-')} goes with --create")
    source = open_source(file)
    plan = plan_columns(
        source.names,
        entity=entity,
        time=time_column,
        vector=vector_columns,
        type=type_column,
        metadata=metadata,
        no_metadata=no_metadata,
        time_unit=time_unit,
        assume_utc=assume_utc,
    )
    if not as_json:
        out.print(f"{file.name}: {plan}", style="dim")
    begin = time.perf_counter()
    with open_target(url, data, create=True) as target, progress(file.name, source.rows) as advance:
        points = target.collection(collection)
        reply = load(
            prepare_all(source, plan, batch, on_error),
            begin=lambda found: _create(target, collection, {"dim": found} | given, asked=create),
            send=lambda stream: ingest_arrow(points, stream, on_error, on_conflict),
            advance=advance,
        )
    show(reply, render.ingest(reply, time.perf_counter() - begin), as_json=as_json)


def _create(target: Target, name: str, wanted: dict[str, Any], *, asked: bool) -> None:
    """Make the collection if it was asked for, and refuse to go on with one that is different."""
    try:
        found = target.get_collection(name)
    except CollectionNotFoundError:
        if asked:
            target.create_collection(name, **wanted)
        elif name != DEFAULT_COLLECTION:
            raise CollectionNotFoundError(
                f"there is no collection {name!r}; --create makes it"
            ) from None
        return
    for field, value in wanted.items():
        if (stored := getattr(found, field)) != value:
            raise ConflictError(f"the collection {name!r} has {field} {stored}, not {value}")


@app.command()
def history(
    entity: Annotated[str, typer.Argument(help="Whose history.")],
    start: StartOption = None,
    end: EndOption = None,
    limit: LimitOption = 100,
    order: Annotated[Order, typer.Option(help="Oldest first, or newest first.")] = "asc",
    cursor: CursorOption = None,
    vectors: VectorsOption = False,
    as_of: AsOfOption = None,
    url: UrlOption = None,
    data: DataOption = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Show the points of one entity over time."""
    request = HistoryRequest(
        entity_id=entity,
        start_time=start,
        end_time=end,
        limit=limit,
        order=order,
        cursor=cursor,
        include=_include(vectors=vectors),
        as_of=as_of,
    )
    with open_target(url, data) as target:
        reply = target.collection(collection).entities.history(request)
    show(reply, render.history(entity, reply), as_json=as_json)


def _include(*, vectors: bool) -> list[Include]:
    return ["metadata", "vector"] if vectors else ["metadata"]


@app.command()
def info(url: UrlOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show what a server or a directory holds, and its limits."""
    with open_target(url, data) as target:
        found, health = target.get_info(), target.get_health()
        collections = [
            (config, target.collection(config.name).get_collection_stats())
            for config in every_collection(target)
        ]
    document = {
        "info": found.model_dump(mode="json"),
        "health": health.model_dump(mode="json"),
        "collections": [
            {"collection": config.model_dump(mode="json"), "stats": stats.model_dump(mode="json")}
            for config, stats in collections
        ],
    }
    show(document, render.info(place(url, data), found, health, collections), as_json=as_json)


@app.command()
def verify(
    data: DataOption = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Rebuild damaged files that follow from others.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check every checksum of a directory; exit 1 if it is damaged."""
    path = directory_of(data)
    check_directory(path)
    report = verify_directory(path, repair=repair)
    show({"ok": report.ok} | asdict(report), render.verification(path, report), as_json=as_json)
    if not report.ok:
        raise CorruptError(f"{path} is damaged: {'; '.join(report.problems)}")


@app.command()
def demo(
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the data here. [default: nowhere]")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.")] = 0,
    keep: Annotated[bool, typer.Option("--keep", help="Serve on until Ctrl-C.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask real questions of fifty years of Atlantic storms."""
    run_demo(data, port=port, keep=keep, as_json=as_json)


app.command("range")(within)
for _command in (knn, diff, delete, restore, deleted, create, update, compact):
    app.command()(_command)
app.add_typer(points_app, name="points")
app.add_typer(entities, name="entities")
