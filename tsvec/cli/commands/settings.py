"""What is in force, and what is used of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tsvec.cli import render
from tsvec.cli.console import show
from tsvec.cli.options import DataOption, JsonOption, UrlOption
from tsvec.cli.settings.loading import DEFAULT, load_settings
from tsvec.cli.target import directory_of, open_target

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Settings in TOML. \\[env: TSVEC_CONFIG, default: DIR/tsvec.toml if there is one]",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="This setting; repeatable."),
]


def config(
    data: DataOption = None,
    config_file: ConfigOption = None,
    assignments: SetOption = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only those not at default.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the settings and limits in force, and where each comes from."""
    loaded = load_settings(directory_of(data), config=config_file, assignments=assignments or ())
    found = [one for one in loaded.all() if not changed or one.source != DEFAULT]
    document = {
        one.name: {"value": one.value, "source": one.source, "description": one.description}
        for one in found
    }
    rows = render.table(["setting", "value", "source", "meaning"], right=["value"])
    for one in found:
        value = f"{one.value:,}" if isinstance(one.value, int | float) else str(one.value)
        rows.add_row(one.name, value, one.source, one.description)
    show(document, rows, as_json=as_json)


def usage(url: UrlOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show what the tenant holds, and its quotas."""
    with open_target(url, data) as target:
        found = target.get_usage()
    rows = render.table(["", "used", "quota"], right=["used", "quota"])
    quotas = dict(found.quotas)
    total = sum(value for _, value in found.bytes)
    for name, used in {
        "collections": found.collections,
        "entities": found.entities,
        "points": found.points,
        "bytes": total,
        **{f"  {kind}": value for kind, value in found.bytes},
        "requests": found.requests,
        "  refused": found.refused,
    }.items():
        quota = quotas.get(name)
        rows.add_row(name, f"{used:,}", f"{quota:,}" if quota else "-")
    show(found, rows, as_json=as_json)
