"""The OpenAPI description that the server ships with and serves."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import orjson
import yaml


@cache
def openapi_json() -> bytes:
    """`openapi/tsvec.yaml` as JSON."""
    text = files("tsvec.server").joinpath("tsvec.yaml").read_text(encoding="utf-8")
    return orjson.dumps(yaml.safe_load(text))
