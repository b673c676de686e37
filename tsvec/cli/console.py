"""Where replies are shown."""

from __future__ import annotations

import os
import sys
from typing import Any

import orjson
from pydantic import BaseModel
from rich.console import Console, RenderableType

_WIDE = 4_000
"""Columns of what is no terminal: another program, or a file."""


def tell(what: RenderableType, style: str | None = None) -> None:
    """Print to stdout: as wide as the terminal or COLUMNS, elsewhere nothing is cut or wrapped."""
    console = Console(markup=False, highlight=False)
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console.width = _WIDE
    console.print(what, style=style)


def warn(text: str) -> None:
    """Tell people something beside the output: one line on stderr."""
    sys.stderr.write(f"{' '.join(text.split())}\n")


def show(document: BaseModel | dict[str, Any], view: RenderableType, *, as_json: bool) -> None:
    """The reply as the API's JSON, or as its view."""
    if not as_json:
        tell(view)
        return
    if isinstance(document, BaseModel):
        sys.stdout.write(f"{document.model_dump_json()}\n")
    else:
        sys.stdout.write(f"{orjson.dumps(document).decode()}\n")
