"""`tsvec system`: what a database is, can do and measures."""

from __future__ import annotations

import sys

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from tsvec.cli.console import show
from tsvec.cli.options import DataOption, JsonOption, UrlOption
from tsvec.cli.target import open_target
from tsvec.model.errors import UnavailableError
from tsvec.server.description import openapi_json

system = typer.Typer(no_args_is_help=True, help="Ask how a database is, and what it can do.")


@system.command("info")
def get_info(url: UrlOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show versions, abilities and limits."""
    with open_target(url, data) as target:
        found = target.get_info()
    about = Table.grid(padding=(0, 2))
    about.add_row(
        "version", f"{found.version} (API {found.api_version}, format {found.format_version})"
    )
    about.add_row("capabilities", ", ".join(found.capabilities) or "-")
    for name, value in found.limits:
        about.add_row(name, f"{value:,}")
    show(found, about, as_json=as_json)


@system.command("health")
def get_health(url: UrlOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Tell whether the storage is sound; exit 1 if it is not."""
    with open_target(url, data) as target:
        found = target.get_health()
    show(found, Group(Text(found.status), *map(Text, found.problems)), as_json=as_json)
    if found.status != "ok":
        raise UnavailableError(f"the database is {found.status}")


@system.command("ready")
def get_ready(url: UrlOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Tell whether requests can be served; exit 1 if not."""
    with open_target(url, data) as target:
        found = target.get_ready()
    show(found, Text("ready" if found.ready else "not ready"), as_json=as_json)
    if not found.ready:
        raise UnavailableError("the database is not ready")


@system.command("metrics")
def get_metrics(url: UrlOption = None, data: DataOption = None) -> None:
    """Print measurements in the Prometheus text format."""
    with open_target(url, data) as target:
        sys.stdout.write(target.get_metrics())


@system.command("openapi")
def get_openapi() -> None:
    """Print the description of the HTTP API, OpenAPI 3.1 as JSON."""
    sys.stdout.write(f"{openapi_json().decode()}\n")
