"""The open collection behind a name."""

from __future__ import annotations

from dataclasses import dataclass

from tsvec.engine.store import CollectionStore
from tsvec.engine.stores import Stores
from tsvec.engine.upkeep.maintainer import Maintainer
from tsvec.engine.writing.writer import Writer


@dataclass(frozen=True, slots=True)
class Services:
    """What the handles of a database share; they keep it alive."""

    stores: Stores
    writer: Writer
    maintainer: Maintainer
    database: object = None


class Handle:
    """A collection by name: cheap, and may outlive the collection."""

    def __init__(self, services: Services, name: str) -> None:
        self._services = services
        self.name = name

    def _store(self) -> CollectionStore:
        """The open collection; CollectionNotFoundError if there is none of this name."""
        return self._services.stores.get(self.name)

    @property
    def dim(self) -> int | None:
        """Elements of every vector; None while the collection does not exist."""
        store = self._services.stores.find(self.name)
        return None if store is None else store.windows.config.dim
