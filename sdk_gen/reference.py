"""The reference pages in Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel

from sdk_gen.spec import Api, Content, ErrorCode, Field, Operation, Record
from tsvec.model.limits import WIDEST, Limits
from tsvec.model.settings import Settings

NOTE = "<!-- Written by `make gen`; edit its source instead. -->"
_NOT_SHOWN = ("X-Request-Id",)
"""What every operation takes and hardly anyone sends."""

_WIDTH = 88

_ABOUT_ERRORS = """\
Every error of the API has one body, RFC 9457 problem details with the media type
`application/problem+json`. Program against `code`; `message` is for people, and `details` names the
fields and rows at fault, at most 20 of them. A request that is *retryable* may succeed later just
as it is; a reply with `Retry-After` says when.

A row that `on_error=skip_row` left out is listed with one of these codes, or with
`beyond_retention`: its event time has expired by the collection's retention.

In Python each code is an exception class of `tsvec.model.errors`, raised alike by the embedded
database and by commands that talk to a server."""

_ABOUT_CAPABILITIES = """\
`get_info` lists these names. A client that may meet older servers asks for a name before it
relies on what it stands for."""

_ABOUT_LIMITS = """\
Every dimension of a request has a limit. One more than a limit is refused with a 4xx that names it,
never half done. An operator may change each up to its bound, by `[limits]` in `tsvec.toml`,
`TSVEC_LIMITS__K_MAX` or `--set limits.k_max=...`; `GET /v1/info` returns those in force. See
[Limits and load](guides/limits-and-load.md)."""

_ABOUT_SETTINGS = """\
How one database directory is run. Nothing here changes an answer. For commands, the first of these
that names a setting counts:

1. `--set seal_rows=4096`, of `tsvec serve` and `tsvec config`
2. the environment: `TSVEC_SEAL_ROWS=4096`, and for a limit `TSVEC_LIMITS__K_MAX=500`
3. a TOML file: `--config FILE`, else what `TSVEC_CONFIG` names, else `tsvec.toml` in the data
   directory; limits stand under `[limits]`
4. the default

`tsvec config` prints what is in force and where it comes from. A name that is unknown is refused.
In Python these are the fields of `tsvec.Settings`, given to `tsvec.connect(path, settings=...)`,
which reads neither environment nor file."""


def api_page(api: Api) -> str:
    """Every operation and record."""
    parts = [NOTE, f"# The HTTP API, version {api.version}", api.description, _contents_table(api)]
    for tag, description in api.tags:
        parts += [f"## {tag.capitalize()}", description]
        for operation in api.operations:
            if operation.tag == tag:
                parts += _operation(operation, api.server)
    named = [(f"`{name}`", meaning) for name, meaning in api.capabilities]
    parts += ["## Capabilities", _ABOUT_CAPABILITIES, table_of(("name", "what it means"), named)]
    parts += ["## Records", "A field without a default is required unless it says otherwise."]
    for record in api.records:
        parts += _record(record)
    return page(parts)


def errors_page(errors: Sequence[ErrorCode]) -> str:
    """The table of error codes."""
    rows = [
        (f"`{error.code}`", str(error.status), _yes(error.retryable), error.meaning)
        for error in errors
    ]
    table = table_of(("code", "status", "retryable", "meaning"), rows)
    return page([NOTE, "# Errors", _ABOUT_ERRORS, table])


def limits_page() -> str:
    """The limits and their defaults."""
    rows = [
        (
            f"`{name}`",
            _plainly(field.default),
            _plainly(getattr(WIDEST, name)),
            field.description or "",
        )
        for name, field in Limits.model_fields.items()
    ]
    table = table_of(("limit", "default", "bound", "meaning"), rows)
    return page([NOTE, "# Limits", _ABOUT_LIMITS, table])


def settings_page() -> str:
    """The settings and their defaults."""
    return page([NOTE, "# Settings", _ABOUT_SETTINGS, _values_table(Settings, "setting")])


def _contents_table(api: Api) -> str:
    rows = [
        (f"[{op.id}](#{op.id})", f"`{op.method} {op.path}`", op.summary) for op in api.operations
    ]
    return table_of(("operation", "route", "what it is for"), rows)


def _operation(operation: Operation, server: str) -> list[str]:
    parts = [
        f"### {operation.id}",
        f"`{operation.method} {operation.path}`",
        f"**{operation.summary}** {operation.description}",
    ]
    shown = [field for field in operation.parameters if field.name not in _NOT_SHOWN]
    if shown:
        rows = [
            (f"`{field.name}`", field.place, field.type, _default(field), _line(field.description))
            for field in shown
        ]
        parts.append(table_of(("parameter", "in", "type", "default", "meaning"), rows))
    if operation.bodies:
        kinds = [f"`{body.media_type}`{_kind(body)}" for body in operation.bodies]
        parts.append("Body: " + "; ".join(kinds) + ".")
    parts.append(_fenced("sh", _curl(operation, server)))
    replies = [
        (reply.status, ", ".join(body.type for body in reply.contents) or "none", reply.description)
        for reply in operation.replies
    ]
    parts.append(table_of(("status", "body", "meaning"), replies))
    for reply in operation.replies[:1]:
        parts += [_example(content) for content in reply.contents]
    return parts


def _kind(body: Content) -> str:
    return "" if body.type == "any" else f" ({body.type})"


def _example(content: Content) -> str:
    if isinstance(content.example, str):
        return _fenced("", content.example.rstrip())
    return _fenced("json", _pretty(content.example))


def _curl(operation: Operation, server: str) -> str:
    path = operation.path
    for name, value in operation.parameter_examples.items():
        path = path.replace(f"{{{name}}}", str(value))
    implied = "POST" if operation.bodies else "GET"
    method = "" if operation.method == implied else f" -X {operation.method}"
    lines = [f"curl{method} {server}{path}"]
    for body in operation.bodies[:1]:
        lines = [f"curl{method} {server}{path} --json '{_pretty(body.example)}'"]
    return "\n".join(lines)


def _record(record: Record) -> list[str]:
    rows = [
        (f"`{field.name}`", field.type, _default(field), _line(field.description))
        for field in record.fields
    ]
    return [
        f"### {record.name}",
        record.description,
        table_of(("field", "type", "default", "meaning"), rows),
    ]


def _values_table(record: type[BaseModel], what: str) -> str:
    rows = [
        (
            f"`{name}`",
            "" if field.default_factory else _plainly(field.default),
            field.description or "",
        )
        for name, field in record.model_fields.items()
    ]
    return table_of((what, "default", "meaning"), rows)


def _default(field: Field) -> str:
    if field.required:
        return ""
    return "none" if field.default is None else f"`{json.dumps(field.default)}`"


def _plainly(value: Any) -> str:
    return f"`{value}`" if isinstance(value, str) else f"{value:,}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _line(text: str) -> str:
    return " ".join(text.split())


def _pretty(value: Any, indent: int = 0) -> str:
    """JSON with what fits on a line on one line."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) + indent <= _WIDTH or not isinstance(value, dict | list) or not value:
        return flat
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        inner = [
            f"{pad}{json.dumps(key)}: {_pretty(item, indent + 2)}" for key, item in value.items()
        ]
        return "{\n" + ",\n".join(inner) + "\n" + " " * indent + "}"
    inner = [pad + _pretty(item, indent + 2) for item in value]
    return "[\n" + ",\n".join(inner) + "\n" + " " * indent + "]"


def table_of(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_line(cell) for cell in line) + " |" for line in lines)


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"


def page(parts: Iterable[str]) -> str:
    """A page of these paragraphs."""
    return "\n\n".join(parts) + "\n"
