"""As whom a command asks: the options `--tenant` and `--token` of all that have a database."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from tsvec.model.errors import InvalidRequestError

TENANT_VARIABLE = "TSVEC_TENANT"
KEY_VARIABLE = "TSVEC_API_KEY"


@dataclass(frozen=True, slots=True)
class Access:
    """As whom a command asks; `token` is the secret of an API key, for a server."""

    tenant: str | None = None
    token: str | None = None


TenantOption = Annotated[
    str | None,
    typer.Option(
        "--tenant",
        metavar="TENANT",
        help=f"Whose collections. \\[env: {TENANT_VARIABLE}, default: the key's, or `default`]",
    ),
]
TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token",
        metavar="KEY|@FILE",
        help=f"With --url: the API key, better in a file or \\[env: {KEY_VARIABLE}], since other "
        "users of a machine see the options of a command.",
    ),
]

_NOT_SAID = Access()
_ACCESS: ContextVar[Access] = ContextVar("tsvec_access", default=_NOT_SAID)


def access() -> Access:
    """As whom the running command asks: by its options, else by the environment."""
    given = _ACCESS.get()
    return Access(
        tenant=given.tenant or os.environ.get(TENANT_VARIABLE) or None,
        token=given.token or os.environ.get(KEY_VARIABLE) or None,
    )


def check_no_token() -> None:
    """InvalidRequestError if the command was given a key, though it asks no server."""
    if _ACCESS.get().token is not None:
        raise InvalidRequestError("--token goes with --url; a directory is open to its owner")


def give_access(app: typer.Typer) -> None:
    """Let every command that takes a URL or a directory take these options too."""
    for command in app.registered_commands:
        if command.callback is not None and _asks(command.callback):
            command.callback = _with_access(command.callback)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            give_access(group.typer_instance)


def _asks(command: Callable[..., Any]) -> bool:
    names = inspect.signature(command).parameters.keys()
    return {"url", "data"} <= names and "tenant" not in names


@cache
def _with_access(command: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(command)
    def run(*, tenant: str | None, token: str | None, **options: Any) -> Any:
        _ACCESS.set(Access(tenant, None if token is None else _read_token(token)))
        return command(**options)

    hints = get_type_hints(command, include_extras=True)
    parameters = [
        parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in inspect.signature(command).parameters.items()
    ]
    for name, hint in (("tenant", TenantOption), ("token", TokenOption)):
        hints[name] = hint
        parameters.append(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hint)
        )
    run.__annotations__ = hints
    vars(run)["__signature__"] = inspect.Signature(parameters)
    return run


def _read_token(text: str) -> str:
    """The key itself, or the first line of the file that `@FILE` names."""
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text().partition("\n")[0].strip()
    except OSError as error:
        raise typer.BadParameter(f"{text[1:]}: {error.strerror}") from None
