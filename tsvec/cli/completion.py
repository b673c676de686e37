"""What the shell offers when TAB is pressed: names of collections and ids of entities.

Nothing is locked and nothing is told: where the database cannot be read at once, there is no offer.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import typer

from tsvec.engine.sql.reader import collection_names, entity_ids
from tsvec.model.collections import DEFAULT_COLLECTION

SECONDS_MAX = 1.0
_OFFERED_MAX = 100
_DEFAULT_DIRECTORY = Path("tsvec-data")


def complete_collection(context: typer.Context, incomplete: str) -> list[str]:
    """Names of collections that begin so."""
    try:
        url, data = _place(context)
        names = _ask(url, "v1/collections", "name") if url else collection_names(data)
        return [name for name in names if name.startswith(incomplete)][:_OFFERED_MAX]
    except Exception:  # noqa: BLE001 - no offer is the only answer to any trouble
        return []


def complete_entity(context: typer.Context, incomplete: str) -> list[str]:
    """Ids of entities of the collection that begin so."""
    try:
        url, data = _place(context)
        collection = context.params.get("collection") or DEFAULT_COLLECTION
        if not url:
            return entity_ids(data, collection, incomplete, _OFFERED_MAX)
        path = f"v1/collections/{quote(collection, safe='')}/entities"
        prefix = {"prefix": incomplete} if incomplete else {}
        return _ask(url, path, "entity_id", **prefix)
    except Exception:  # noqa: BLE001 - no offer is the only answer to any trouble
        return []


def _place(context: typer.Context) -> tuple[str | None, Path]:
    """The server, else the directory, that the line typed so far or the environment names."""
    url, data = context.params.get("url"), context.params.get("data")
    if not data:
        url = url or os.environ.get("TSVEC_URL")
    return url, Path(data or os.environ.get("TSVEC_DATA") or _DEFAULT_DIRECTORY)


def _ask(url: str, path: str, field: str, **params: Any) -> list[str]:
    with httpx.Client(timeout=SECONDS_MAX, trust_env=False) as http:
        page = http.get(f"{url.rstrip('/')}/{path}", params={"limit": _OFFERED_MAX} | params)
    return [item[field] for item in page.raise_for_status().json()["items"]]
