"""Where replies are shown."""

from __future__ import annotations

import sys
from typing import Any

import orjson
from pydantic import BaseModel
from rich.console import Console, RenderableType

out = Console(markup=False, highlight=False)


def show(document: BaseModel | dict[str, Any], view: RenderableType, *, as_json: bool) -> None:
    """The reply as the API's JSON, or as its view."""
    if not as_json:
        out.print(view)
        return
    if isinstance(document, BaseModel):
        sys.stdout.write(f"{document.model_dump_json()}\n")
    else:
        sys.stdout.write(f"{orjson.dumps(document).decode()}\n")
