"""Load a file of points."""

from __future__ import annotations

import time
from itertools import count
from typing import Any

import typer

from tsvec.cli import render
from tsvec.cli.console import show, tell
from tsvec.cli.files.columns import plan_columns
from tsvec.cli.files.loading import load
from tsvec.cli.files.readers import open_source
from tsvec.cli.files.rows import prepare_all
from tsvec.cli.options import (
    AssumeUtc,
    BatchRows,
    CollectionOption,
    CreateOption,
    DataOption,
    DimOption,
    EntityColumn,
    FileArgument,
    HorizonOption,
    IdempotencyKeyOption,
    JsonOption,
    LatenessOption,
    MetadataColumns,
    MetricOption,
    NoMetadata,
    OnConflictOption,
    OnErrorOption,
    RetentionOption,
    SpaceOption,
    TimeColumn,
    TimeUnitOption,
    TypeColumn,
    UrlOption,
    VectorColumns,
    WindowSizeOption,
)
from tsvec.cli.progress import progress
from tsvec.cli.target import Target, ingest_arrow, open_target
from tsvec.model.collections import DEFAULT_COLLECTION
from tsvec.model.errors import CollectionNotFoundError, ConflictError


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
    space: SpaceOption = None,
    idempotency_key: IdempotencyKeyOption = None,
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
        tell(f"{file.name}: {plan}", style="dim")
    begin = time.perf_counter()
    with open_target(url, data, create=True) as target, progress(file.name, source.rows) as advance:
        points = target.collection(collection)
        keys = (idempotency_key and f"{idempotency_key}-{number}" for number in count())
        reply = load(
            prepare_all(source, plan, batch, on_error),
            begin=lambda found: _create(target, collection, {"dim": found} | given, asked=create),
            send=lambda stream: ingest_arrow(
                points, stream, on_error, on_conflict, space, next(keys)
            ),
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
