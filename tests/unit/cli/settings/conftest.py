"""An environment without settings."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in os.environ:
        if name.startswith("TSVEC_"):
            monkeypatch.delenv(name)
