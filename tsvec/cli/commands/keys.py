"""`tsvec keys`: make, list and revoke API keys."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tsvec.cli import render
from tsvec.cli.console import show
from tsvec.cli.options import (
    CursorOption,
    DataOption,
    IdempotencyKeyOption,
    JsonOption,
    LimitOption,
    UrlOption,
    instant,
)
from tsvec.cli.target import open_target
from tsvec.model.access.keys import CreatedKey, Key, KeyList, KeyRequest
from tsvec.model.validation import given_record

keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")

_ScopesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        metavar="read|write|admin",
        help="What it may do; repeatable, none implies another. \\[default: read, write]",
    ),
]
_ExpiresOption = Annotated[
    int | None,
    typer.Option(
        "--expires",
        parser=instant,
        metavar="TIME",
        help="From when on it is refused, RFC 3339 or a date. \\[default: never]",
    ),
]
_CollectionsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--collection",
        "-c",
        metavar="NAME",
        help="Reach only this collection; repeatable. \\[default: all]",
    ),
]


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the key is for.")],
    scopes: _ScopesOption = None,
    expires: _ExpiresOption = None,
    collections: _CollectionsOption = None,
    idempotency_key: IdempotencyKeyOption = None,
    url: UrlOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key and print its secret, which cannot be shown again.

    From the first key on, a server of the database takes no request without one.
    """
    request = given_record(
        KeyRequest,
        name=name,
        scopes=scopes or None,
        expires_at=expires,
        collections=collections or None,
    )
    with open_target(url, data, create=True) as target:
        made = target.admin.create(request, idempotency_key)
    if as_json:
        show(made, "", as_json=True)
        return
    show(made, _created(made), as_json=False)
    # By itself and unwrapped, so that it can be copied or piped whole.
    sys.stdout.write(f"{made.secret}\n")


@keys.command("list")
def list_keys(
    limit: LimitOption = 100,
    cursor: CursorOption = None,
    url: UrlOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the keys of a tenant, the oldest first."""
    with open_target(url, data) as target:
        found = target.admin.list_keys(limit=limit, cursor=cursor)
    show(found, _listed(found), as_json=as_json)


@keys.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the key.")],
    url: UrlOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have a key refused from now on, for good."""
    with open_target(url, data) as target:
        key = target.admin.revoke_key(key_id)
    show(key, Text(f"{key.id} is refused from now on"), as_json=as_json)


def _created(key: CreatedKey) -> RenderableType:
    about = Table.grid(padding=(0, 2))
    about.add_row("key", key.id)
    about.add_row("name", render.printable(key.name))
    about.add_row("tenant", key.tenant)
    about.add_row("scopes", ", ".join(key.scopes))
    about.add_row("collections", "all" if key.collections is None else ", ".join(key.collections))
    about.add_row("expires", "never" if key.expires_at is None else render.moment(key.expires_at))
    return Group(about, Text("Its secret follows; keep it, it cannot be shown again.", "bold"))


def _listed(page: KeyList) -> RenderableType:
    confined = any(key.collections is not None for key in page.items)
    columns = ["id", "scopes", "created", "last used", "state", "name"]
    shown = render.table([*columns, "collection"] if confined else columns)
    for key in page.items:
        cells: list[RenderableType] = [
            key.id,
            ",".join(key.scopes),
            _day(key.created_at),
            "-" if key.last_used_at is None else _day(key.last_used_at),
            _state(key),
            render.cell(key.name),
        ]
        names = ["all" if key.collections is None else ", ".join(key.collections)]
        shown.add_row(*cells, *(names if confined else []))
    end = [] if page.next_cursor is None else [Text(f"more: --cursor {page.next_cursor}")]
    return Group(shown, *end)


def _state(key: Key) -> str:
    if key.revoked_at is not None:
        return f"revoked {_day(key.revoked_at)}"
    return "good" if key.expires_at is None else f"until {_day(key.expires_at)}"


def _day(time: datetime) -> str:
    return f"{time:%Y-%m-%d}"
