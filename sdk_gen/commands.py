"""The reference page of the command line, written from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import unwrap
from pathlib import Path
from typing import Any, get_args

import typer

from sdk_gen.reference import NOTE, page, table_of
from tsvec.cli.app import app
from tsvec.cli.commands.table import GROUPS, OPERATIONS, SHORTCUTS

_ABOUT = """\
Every command works on a directory (`--data`, which no other process may have open, but for
`tsvec sql`) or on a server (`--url`), and prints tables for people or, with `--json`, the reply of
the API as one document. `TSVEC_DATA` and `TSVEC_URL` name the database where no option does. Tables
are cut to the width of the terminal, or to `COLUMNS`; in a pipe or a file nothing is cut.

Commands are in groups by what they are about, the tags of the API; what is typed every day can be
typed without its group: `tsvec knn` is `tsvec query knn`. The collection is the argument of the
commands that are about it as a whole (`collections get`, `create`, `update`, `delete`), else it is
`--collection`.

`tsvec --install-completion` makes the shell complete commands, options, names of collections and
ids of entities; `tsvec --show-completion` prints what it would install."""

_EXITS = (
    ("0", "done"),
    ("1", "failed, with one line on stderr that says why; or the answer to a question was no"),
    ("2", "wrong usage: an unknown command or option, a value that cannot be; nothing was tried"),
    ("130", "interrupted by Ctrl-C"),
)

_KINDS = {int: "INTEGER", float: "NUMBER", str: "TEXT", Path: "PATH"}


def commands_page() -> str:
    """Every command with its arguments and options."""
    root: Any = typer.main.get_command(app)
    parts = [NOTE, "# The command line", _ABOUT, "## Exit codes"]
    parts += [table_of(("code", "meaning"), _EXITS), "## Commands for every day"]
    rows = [
        (f"`tsvec {name}`", f"`tsvec {_full_name(root, name)}`", _help_of(root.commands[name]))
        for name in SHORTCUTS
    ]
    parts.append(table_of(("command", "the same as", "what it does"), rows))
    alone = [name for name in root.commands if name not in SHORTCUTS and name not in GROUPS]
    parts.append("## Commands without a group")
    for name in alone:
        parts += _command(f"tsvec {name}", root.commands[name], "###")
    for group in GROUPS:
        parts += [f"## tsvec {group}", _help_of(root.commands[group])]
        for name, command in sorted(root.commands[group].commands.items()):
            parts += _command(f"tsvec {group} {name}", command, "###")
    return page(parts)


def _full_name(root: Any, shortcut: str) -> str:
    """The command of a group that a shortcut stands for."""
    [found] = (
        f"{group} {name}"
        for group in GROUPS
        for name, command in root.commands[group].commands.items()
        if unwrap(command.callback) is SHORTCUTS[shortcut]
    )
    return found


def _command(name: str, command: Any, heading: str) -> Iterator[str]:
    yield f"{heading} {name}"
    yield _help_of(command)
    path = name.removeprefix("tsvec ")
    operations = [f"[{id_}](api.md#{id_})" for id_, found in OPERATIONS.items() if found == path]
    if operations:
        yield f"Operation: {', '.join(operations)}."
    rows = [
        (_spelled(param), _default(param), _help_of(param))
        for param in command.params
        if param.name != "help" and not param.hidden
    ]
    if rows:
        yield table_of(("option", "default", "meaning"), rows)


def _spelled(param: Any) -> str:
    if param.param_type_name == "argument":
        return f"`{param.metavar or param.name.upper()}`"
    names = ", ".join(f"`{name}`" for name in (*param.opts, *param.secondary_opts))
    return names if param.is_flag else f"{names} {_value_of(param)}"


def _value_of(param: Any) -> str:
    """What follows an option."""
    if param.metavar is not None:
        return f"`{param.metavar}`".replace("|", "`, `")
    annotation = param.type_descriptor.annotation
    if choices := get_args(annotation):
        return ", ".join(f"`{choice}`" for choice in choices)
    return f"`{_KINDS[annotation]}`"


def _default(param: Any) -> str:
    if param.required:
        return "required"
    shown = param.default is not None and not getattr(param, "is_flag", False)
    return f"`{param.default}`" if shown else ""


def _help_of(item: Any) -> str:
    return str(item.help or "").replace("\\[", "[")
