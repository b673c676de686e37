"""The description ships with the package."""

from __future__ import annotations

import json

from tsvec.server.description import openapi_json


def test_it_is_json_and_made_once():
    assert json.loads(openapi_json())["openapi"] == "3.1.0"
    assert openapi_json() is openapi_json()
