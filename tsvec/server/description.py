"""The OpenAPI description that the server ships with and serves."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any, cast

import orjson
import yaml


@cache
def description() -> dict[str, Any]:
    """`openapi/tsvec.yaml`, decoded; not to be changed."""
    text = files("tsvec.server").joinpath("tsvec.yaml").read_text(encoding="utf-8")
    return cast("dict[str, Any]", yaml.safe_load(text))


@cache
def openapi_json() -> bytes:
    """The same as JSON."""
    return orjson.dumps(description())
