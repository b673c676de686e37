"""The open collection behind a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self, TypeVar, cast

from pydantic import BaseModel

from tsvec.engine.store import CollectionStore
from tsvec.engine.stores import TenantStores
from tsvec.engine.upkeep.maintainer import Maintainer
from tsvec.engine.writing.tasks import Answered, Request
from tsvec.engine.writing.writer import Writer
from tsvec.model.bounds.deadline import NEVER, Deadline
from tsvec.model.limits import Limits, in_force
from tsvec.model.retries.once import Once
from tsvec.model.times import AsOf
from tsvec.model.validation import given_record
from tsvec.window.window_set import WindowSet

Record = TypeVar("Record", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Services:
    """What the handles of a tenant share; they keep its database alive."""

    stores: TenantStores
    writer: Writer
    maintainer: Maintainer
    database: object = None

    @property
    def limits(self) -> Limits:
        """The limits of the database."""
        return self.stores.ground.settings.limits

    def commit(self, task: Answered[Record]) -> Record:
        """The reply to a change once it is durable; its first one if it was made before."""
        again = task.store.ledger.find_record(task.once, task.reply)
        if again is not None:
            return cast("Record", again)
        self.writer.submit(cast("Request", task))
        return task.future.result()


class Handle:
    """A collection by name: cheap, and may outlive the collection."""

    def __init__(self, services: Services, name: str, deadline: Deadline = NEVER) -> None:
        self._services = services
        self.name = name
        self.deadline = deadline

    def until(self, deadline: Deadline) -> Self:
        """The same collection, to be read by a deadline: see `DeadlineExceededError`."""
        return type(self)(self._services, self.name, deadline)

    def within(self, seconds: float) -> Self:
        """The same collection, to be read in so many seconds from this moment."""
        return self.until(Deadline.after(seconds, self._services.stores.ground.clock.elapsed_us))

    def _store(self) -> CollectionStore:
        """The open collection; CollectionNotFoundError if there is none of this name."""
        return self._services.stores.get(self.name)

    @property
    def seq(self) -> int:
        """Number of the last change; CollectionNotFoundError if there is no such collection."""
        return self._store().windows.seq

    def _read(self, as_of: AsOf | None = None, wait_for_seq: int | None = None) -> WindowSet:
        """What a read of the collection sees, by the deadline."""
        return self._store().read(as_of, wait_for_seq, self.deadline)

    def _given(self, kind: type[Record], **fields: Any) -> Record:
        """The record of the fields that are not None, under the limits of this database."""
        with in_force(self._services.limits):
            return given_record(kind, **fields)

    def kept_reply(self, once: Once) -> bytes | None:
        """The JSON of the first reply to a request of this collection; None if it is new.

        IdempotencyMismatchError if its key came with another request.
        """
        store = self._services.stores.find(self.name)
        return None if store is None else store.ledger.find(once)

    @property
    def dim(self) -> int | None:
        """Elements of every vector; None while the collection does not exist."""
        store = self._services.stores.find(self.name)
        return None if store is None else store.windows.config.dim
