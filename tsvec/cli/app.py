"""The commands, and what becomes of their errors."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer
from pydantic import ValidationError
from typer.exceptions import TyperException

from tsvec.cli import render
from tsvec.cli.access import give_access
from tsvec.cli.commands.settings import ConfigOption, SetOption, config
from tsvec.cli.commands.sql import sql
from tsvec.cli.commands.table import GROUPS, SHORTCUTS
from tsvec.cli.console import show, tell
from tsvec.cli.demo import run as run_demo
from tsvec.cli.options import DataOption, JsonOption, UrlOption
from tsvec.cli.serve import allow_many_files, listen, run_until_signal, tls_files, url_of
from tsvec.cli.settings.loading import load_settings
from tsvec.cli.target import check_directory, directory_of, every_collection, open_target, place
from tsvec.engine.database import Database
from tsvec.engine.verify import verify_directory
from tsvec.model.errors import CorruptError, TsvecError, did_you_mean
from tsvec.model.validation import invalid_request
from tsvec.server.serve import DEFAULT_HOST, DEFAULT_PORT, build_server

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A temporal vector database: exact nearest neighbours inside any range of time.",
)
_NO_OPTION = re.compile(r"^(No such option: (\S+)) \(Possible options: (.*)\)$")
_ONE_OF = re.compile(r"'([^']*)' is not one of (.*)\.$")


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
            message, code = _usage(error.format_message()), error.exit_code
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


def _usage(message: str) -> str:
    """What is wrong with a command line, and what was probably meant."""
    message = message.replace("Value error, ", "", 1)
    if found := _NO_OPTION.search(message):
        return f"{found[1]}{did_you_mean(found[2], found[3].split(', '))}"
    if found := _ONE_OF.search(message):
        hint = did_you_mean(found[1], re.findall("'([^']*)'", found[2]))
        return message.removesuffix(".") + hint
    return message


def _print_version(asked: bool) -> None:
    if asked:
        tell(f"tsvec {version('tsvec')}")
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
    config_file: ConfigOption = None,
    assignments: SetOption = None,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Serve HTTPS with this certificate, PEM.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The certificate's private key, PEM.")
    ] = None,
) -> None:
    """Serve a directory over HTTP until Ctrl-C or SIGTERM."""
    tls = tls_files(tls_cert, tls_key)
    allow_many_files()
    path = directory_of(data)
    settings = load_settings(path, config=config_file, assignments=assignments or ()).settings
    with Database(path, settings=settings) as database:
        server = build_server(database, host=host, port=port, tls=tls)
        server.config.log_level = log_level
        server.config.configure_logging()
        with listen(host, port) as listener:
            sys.stdout.write(f"tsvec {version('tsvec')} serves {path} on {url_of(listener, tls)}\n")
            sys.stdout.flush()
            run_until_signal(server, listener)
    tell("stopped")


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


app.command()(config)
app.command()(sql)
for _name, _command in SHORTCUTS.items():
    app.command(_name, rich_help_panel="Every day")(_command)
for _name, _group in GROUPS.items():
    app.add_typer(_group, name=_name, rich_help_panel="Everything, by what it is about")
give_access(app)
