"""tsvec: a temporal vector database. Start with `tsvec.connect("./data")`."""

from __future__ import annotations

from tsvec.engine.collection import Collection
from tsvec.engine.database import Database, connect
from tsvec.engine.entities import Entities
from tsvec.engine.frames.replies import to_arrow
from tsvec.model.errors import TsvecError
from tsvec.model.points import PointBatch
from tsvec.model.settings import Settings

__all__ = [
    "Collection",
    "Database",
    "Entities",
    "PointBatch",
    "Settings",
    "TsvecError",
    "connect",
    "to_arrow",
]
