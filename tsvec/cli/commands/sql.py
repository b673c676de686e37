"""Read-only SQL over what is sealed of a collection."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from tsvec.cli.console import warn
from tsvec.cli.options import CollectionOption, DataOption
from tsvec.cli.render import plural
from tsvec.cli.results import Format, show_rows
from tsvec.cli.target import check_directory, directory_of
from tsvec.engine.sql.reader import SqlReader, open_sql
from tsvec.model.collections import DEFAULT_COLLECTION
from tsvec.model.errors import TsvecError

_PROMPT = "tsvec> "
_MORE = "  ...> "
_ENDS = {"exit", "quit", ".exit", ".quit", "\\q"}
_ABOUT = "points, versions, entities; statements end with a semicolon; exit or Ctrl-D ends"


def sql(
    statement: Annotated[
        str | None,
        typer.Argument(
            metavar="[STATEMENT]", help="Over the views points, versions, entities; else of stdin."
        ),
    ] = None,
    data: DataOption = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_of: Annotated[
        int | None,
        typer.Option("--as-of", min=0, metavar="SEQ", help="Show points as after this seq."),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check the sha256 of every partition first.")
    ] = False,
    form: Annotated[Format, typer.Option("--format", help="How rows are written.")] = "table",
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="The same as --format csv.")] = False,
) -> None:
    """Run SQL over the sealed points of a directory, also while a server has it open."""
    chosen: Format = "json" if as_json else "csv" if as_csv else form
    if as_json + as_csv + (form != "table") > 1:
        raise typer.BadParameter("give one of --format, --json and --csv")
    path = directory_of(data)
    check_directory(path)
    with open_sql(path, collection, as_of=as_of, verify=verify) as reader:
        _tell_hot(reader)
        if statement is None and sys.stdin.isatty():
            _converse(reader, chosen)
        else:
            _run(reader, sys.stdin.read() if statement is None else statement, chosen)


def _tell_hot(reader: SqlReader) -> None:
    if reader.hot_points:
        told = f"{plural(reader.hot_points, 'hot point')} of {reader.collection!r} not in here"
        whole = reader.sealed_seq
        warn(told if whole is None else f"{told}; as of seq {whole} (--as-of) nothing is missing")


def _run(reader: SqlReader, statement: str, form: Format) -> None:
    rows = reader.execute(statement)
    show_rows(rows.schema, rows, form)


def _converse(reader: SqlReader, form: Format) -> None:
    """Run what is typed until its end; an error ends the statement only."""
    warn(_ABOUT)
    typed = ""
    while True:
        try:
            line = input(_MORE if typed else _PROMPT)
        except EOFError:
            sys.stdout.write("\n")
            return
        except KeyboardInterrupt:
            sys.stdout.write("\n")
            typed = ""
            continue
        if not typed and line.strip().rstrip(";").lower() in _ENDS:
            return
        typed = f"{typed}\n{line}" if typed else line
        if not typed.strip():
            typed = ""
        elif typed.rstrip().endswith(";"):
            _try(reader, typed, form)
            typed = ""


def _try(reader: SqlReader, statement: str, form: Format) -> None:
    try:
        _run(reader, statement, form)
    except TsvecError as error:
        warn(f"error: {error.message}")
    except KeyboardInterrupt:
        warn("interrupted")
