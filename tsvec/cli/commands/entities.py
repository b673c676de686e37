"""`tsvec entities`: list entities, describe one, change what is known of it, delete it."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.table import Table

from tsvec.cli import render
from tsvec.cli.commands.points import ask_first
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
    JsonOption,
    LimitOption,
    OrderOption,
    StartOption,
    TypesOption,
    UrlOption,
    VectorsOption,
    WaitOption,
    WithoutMetadata,
    YesOption,
    include,
    json_object,
)
from tsvec.cli.target import open_target
from tsvec.model.collections import DEFAULT_COLLECTION
from tsvec.model.lists.replies import EntityList
from tsvec.model.lists.requests import EntitiesRequest, EntitySort
from tsvec.model.queries import HistoryRequest
from tsvec.model.replies import AttributesReply, EntityInfo
from tsvec.model.validation import given_record

entities = typer.Typer(
    no_args_is_help=True, help="List entities, describe one, show its history, change or delete it."
)

_ObjectOption = Annotated[
    Any,
    typer.Option(
        "--set", parser=json_object, metavar="JSON", help="Give it these instead of all it has."
    ),
]
_PatchOption = Annotated[
    Any,
    typer.Option(
        "--merge", parser=json_object, metavar="JSON", help="Change some; null removes one."
    ),
]


@entities.command("list")
def list_entities(
    prefix: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only ids that begin so.")
    ] = None,
    types: TypesOption = None,
    start: StartOption = None,
    end: EndOption = None,
    filter_: FilterOption = None,
    sort: Annotated[EntitySort, typer.Option(help="What the order goes by.")] = "entity_id",
    order: OrderOption = "asc",
    limit: LimitOption = 100,
    cursor: CursorOption = None,
    as_of: AsOfOption = None,
    wait_for_seq: WaitOption = None,
    url: UrlOption = None,
    data: DataOption = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """List the entities, or those seen between two times."""
    request = given_record(
        EntitiesRequest,
        prefix=prefix,
        entity_types=types,
        start_time=start,
        end_time=end,
        filter=filter_,
        sort=sort,
        order=order,
        limit=limit,
        cursor=cursor,
        as_of=as_of,
        wait_for_seq=wait_for_seq,
    )
    with open_target(url, data) as target:
        reply = target.collection(collection).entities.summaries(request)
    show(reply, _list_view(reply), as_json=as_json)


@entities.command("get")
def get_entity(
    entity: EntityArgument,
    as_of: AsOfOption = None,
    wait_for_seq: WaitOption = None,
    url: UrlOption = None,
    data: DataOption = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Describe an entity."""
    with open_target(url, data) as target:
        found = target.collection(collection).entities.get_entity(
            entity, as_of=as_of, wait_for_seq=wait_for_seq
        )
    show(found, _entity_view(found), as_json=as_json)


@entities.command()
def history(
    entity: EntityArgument,
    start: StartOption = None,
    end: EndOption = None,
    every: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Only the newest point of each interval so wide."),
    ] = None,
    limit: LimitOption = 100,
    order: OrderOption = "asc",
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
    """Show the points of one entity over time."""
    request = given_record(
        HistoryRequest,
        entity_id=entity,
        start_time=start,
        end_time=end,
        every=every,
        limit=limit,
        order=order,
        cursor=cursor,
        include=include(vectors=vectors, no_metadata=no_metadata),
        as_of=as_of,
        wait_for_seq=wait_for_seq,
    )
    with open_target(url, data) as target:
        reply = target.collection(collection).entities.history(request)
    show(reply, render.history(entity, reply), as_json=as_json)


@entities.command("delete")
def delete_entity(
    entity: EntityArgument,
    yes: YesOption = False,
    idempotency_key: IdempotencyKeyOption = None,
    url: UrlOption = None,
    data: DataOption = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Delete an entity: its points, its type and its attributes."""
    with open_target(url, data) as target:
        where = target.collection(collection).entities
        if not yes:
            count = where.get_entity(entity).points
            ask_first(f"delete {entity!r} with {render.plural(count, 'point')}?", yes=yes)
        reply = where.delete_entity(entity, idempotency_key=idempotency_key)
    show(reply, render.deletion(reply, asked=False), as_json=as_json)


@entities.command("attributes")
def attributes(
    entity: EntityArgument,
    value: _ObjectOption = None,
    patch: _PatchOption = None,
    as_of: AsOfOption = None,
    wait_for_seq: WaitOption = None,
    idempotency_key: IdempotencyKeyOption = None,
    url: UrlOption = None,
    data: DataOption = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Show what is known of an entity itself, or change it."""
    if sum(one is not None for one in (value, patch, as_of)) > 1:
        raise typer.BadParameter("give one of --set, --merge and --as-of")
    with open_target(url, data) as target:
        where = target.collection(collection).entities
        if value is not None:
            reply = where.set_entity_attributes(entity, value, idempotency_key=idempotency_key)
        elif patch is not None:
            reply = where.merge_entity_attributes(entity, patch, idempotency_key=idempotency_key)
        else:
            reply = where.get_entity_attributes(entity, as_of=as_of, wait_for_seq=wait_for_seq)
    show(reply, _attributes_view(reply), as_json=as_json)


def _list_view(reply: EntityList) -> RenderableType:
    columns = ["entity", "type", "from (UTC)", "to", "points", "attributes"]
    shown = columns if any(item.attributes for item in reply.items) else columns[:-1]
    made = render.table(shown, right=["points"])
    for item in reply.items:
        cells = [
            render.printable(item.entity_id),
            render.printable(item.entity_type),
            render.moment(item.first_seen),
            render.moment(item.last_seen),
            f"{item.points:,}",
            render.pairs(item.attributes),
        ]
        made.add_row(*map(render.cell, cells[: len(shown)]))
    count = len(reply.items)
    told = f"{count:,} {'entity' if count == 1 else 'entities'}"
    return Group(made, *render.page_end(told, reply.as_of_seq, reply.next_cursor))


def _entity_view(found: EntityInfo) -> RenderableType:
    about = Table.grid(padding=(0, 2))
    about.add_row("entity", render.cell(render.printable(found.entity_id)))
    about.add_row("type", render.cell(render.printable(found.entity_type)))
    about.add_row(
        "seen (UTC)", f"{render.moment(found.first_seen)} to {render.moment(found.last_seen)}"
    )
    about.add_row("points", f"{found.points:,}")
    about.add_row("attributes", render.cell(render.pairs(found.attributes) or "-"))
    return Group(about, render.point(found.latest, f"as of seq {found.as_of_seq:,}"))


def _attributes_view(reply: AttributesReply) -> RenderableType:
    about = Table.grid(padding=(0, 2))
    for name, value in reply.attributes.items():
        about.add_row(render.printable(name), render.cell(render.printable(str(value))))
    changed = "never set" if reply.changed_seq is None else f"set with change {reply.changed_seq:,}"
    return Group(about, render.cell(f"{changed}, as of seq {reply.as_of_seq:,}"))
