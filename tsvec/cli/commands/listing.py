"""`tsvec points`: list points, get one, change what it carries."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tsvec.cli import render
from tsvec.cli.commands.ingest import ingest
from tsvec.cli.commands.points import delete, deleted, restore
from tsvec.cli.console import show
from tsvec.cli.options import (
    AsOfOption,
    CollectionOption,
    CursorOption,
    DataOption,
    EndOption,
    EntityArgument,
    FilterOption,
    IdempotencyKeyOption,
    IdsOption,
    JsonOption,
    KeyOption,
    LimitOption,
    OrderOption,
    StartOption,
    TimeArgument,
    TypesOption,
    UrlOption,
    VectorsOption,
    WaitOption,
    WithoutMetadata,
    include,
    json_object,
)
from tsvec.cli.target import open_target
from tsvec.model.collections import DEFAULT_COLLECTION
from tsvec.model.lists.requests import PointPatch, PointRequest, PointsRequest
from tsvec.model.queries import PointRef
from tsvec.model.validation import given_record, record_of

points = typer.Typer(
    no_args_is_help=True, help="Store points, list, get, update, delete and restore them."
)


@points.command("list")
def list_points(
    ids: IdsOption = None,
    types: TypesOption = None,
    start: StartOption = None,
    end: EndOption = None,
    filter_: FilterOption = None,
    order: OrderOption = "asc",
    limit: LimitOption = 100,
    cursor: CursorOption = None,
    vectors: VectorsOption = False,
    no_metadata: WithoutMetadata = False,
    as_of: AsOfOption = None,
    wait_for_seq: WaitOption = None,
    url: UrlOption = None,
    data: DataOption = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """List points by event time."""
    request = given_record(
        PointsRequest,
        entity_ids=ids,
        entity_types=types,
        start_time=start,
        end_time=end,
        filter=filter_,
        order=order,
        limit=limit,
        cursor=cursor,
        include=include(vectors=vectors, no_metadata=no_metadata),
        as_of=as_of,
        wait_for_seq=wait_for_seq,
    )
    with open_target(url, data) as target:
        reply = target.collection(collection).points(request)
    show(reply, render.points(reply), as_json=as_json)


@points.command("get")
def get_point(
    entity: EntityArgument,
    time: TimeArgument,
    key: KeyOption = None,
    vectors: VectorsOption = False,
    no_metadata: WithoutMetadata = False,
    as_of: AsOfOption = None,
    wait_for_seq: WaitOption = None,
    url: UrlOption = None,
    data: DataOption = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Show one point."""
    request = given_record(
        PointRequest,
        entity_id=entity,
        timestamp=time,
        key=key,
        include=include(vectors=vectors, no_metadata=no_metadata),
        as_of=as_of,
        wait_for_seq=wait_for_seq,
    )
    with open_target(url, data) as target:
        found = target.collection(collection).point(request)
    show(found, render.point(found), as_json=as_json)


@points.command("update")
def update_point(
    entity: EntityArgument,
    time: TimeArgument,
    metadata: Annotated[
        Any,
        typer.Argument(
            parser=json_object,
            metavar="JSON",
            help='What changes of its metadata: \'{"checked": true, "draft": null}\'.',
        ),
    ],
    key: KeyOption = None,
    idempotency_key: IdempotencyKeyOption = None,
    url: UrlOption = None,
    data: DataOption = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Change a point's metadata; null removes a member, all else stays."""
    ref = given_record(PointRef, entity_id=entity, timestamp=time, key=key)
    patch = record_of(PointPatch, {"metadata": metadata})
    with open_target(url, data) as target:
        reply = target.collection(collection).update(ref, patch, idempotency_key)
    told = "stored and on disk" if reply.changed else "nothing changed"
    show(reply, render.point(reply.point, f"{told}, seq {reply.seq:,}"), as_json=as_json)


for _command in (ingest, delete, restore, deleted):
    points.command()(_command)
