"""What is done with the collections of one tenant, as far as they are within reach."""

from __future__ import annotations

from tsvec.engine.collection import Collection
from tsvec.engine.facade.handle import Services
from tsvec.engine.retries.fingerprints import parts_of_objects, parts_of_records
from tsvec.engine.store import CollectionStore
from tsvec.engine.writing.quotas import usage_of
from tsvec.engine.writing.tasks import CloseTask, ConfigureTask
from tsvec.model.bounds.usage import Usage
from tsvec.model.collections import (
    DEFAULT_COLLECTION,
    CollectionConfig,
    CollectionInfo,
    CollectionList,
    CollectionPatch,
    Metric,
)
from tsvec.model.errors import ForbiddenError
from tsvec.model.limits import in_force
from tsvec.model.retries.once import IdempotencyKey, Once, once_given
from tsvec.model.validation import check_page_limit, given_record, record_of


class CollectionVerbs:
    """The collections of one tenant: those in `reach`, or all if it is None.

    Any other name is a ForbiddenError, whether there is such a collection or not.
    """

    reach: frozenset[str] | None = None

    @property
    def _services(self) -> Services:
        raise NotImplementedError

    def _reaches(self, name: str) -> bool:
        return self.reach is None or name in self.reach

    def _check_reach(self, name: str) -> None:
        if not self._reaches(name):
            raise ForbiddenError(f"the key given does not reach the collection {name!r}")

    def collection(self, name: str = DEFAULT_COLLECTION) -> Collection:
        """A handle for a collection, which need not exist yet."""
        self._check_reach(name)
        return Collection(self._services, name)

    def create_collection(
        self,
        name: str,
        *,
        dim: int,
        metric: Metric = "cosine",
        idempotency_key: IdempotencyKey = None,
        **options: str | None,
    ) -> Collection:
        """Make a collection; ConflictError if the name is taken.

        Options are the other fields of `CollectionConfig`: `window_size`, `allowed_lateness`,
        `retention`, `history_horizon`, `space`.
        """
        with in_force(self._services.limits):
            config = given_record(CollectionConfig, name=name, dim=dim, metric=metric, **options)
        self._check_reach(name)
        stores = self._services.stores
        once = once_given(idempotency_key, parts_of_records("create_collection", config))
        if once is None:
            stores.create(config)
            return self.collection(name)
        with stores.requests.turn:
            if stores.requests.find(once) is None:
                stores.create(config, once=once)
        return self.collection(name)

    def list_collections(self, *, limit: int = 100, cursor: str | None = None) -> CollectionList:
        """One page of collections by name; `cursor` is the last name of the page before."""
        with in_force(self._services.limits):
            check_page_limit(limit)
        infos = [store.info() for store in self._services.stores.all()]
        found = [
            info
            for info in infos
            if (cursor is None or info.name > cursor) and self._reaches(info.name)
        ]
        page = found[:limit]
        more = len(found) > len(page)
        return CollectionList(items=page, next_cursor=page[-1].name if more else None)

    def get_collection(self, name: str) -> CollectionInfo:
        """A collection as it stands."""
        self._check_reach(name)
        return self._services.stores.get(name).info()

    def update_collection(
        self, name: str, *, idempotency_key: IdempotencyKey = None, **changes: str | None
    ) -> CollectionInfo:
        """Change what may be changed, the fields of `CollectionPatch`; durable when it returns."""
        self._check_reach(name)
        services = self._services
        store = services.stores.get(name)
        with in_force(self._services.limits):
            given = record_of(CollectionPatch, changes).changes
        once = once_given(idempotency_key, parts_of_objects("update_collection", given))
        return services.commit(
            ConfigureTask(store, lambda config: config.changed(given), once=once)
        )

    def get_usage(self) -> Usage:
        """What the tenant holds of all that quotas count, and the quotas."""
        stores = self._services.stores
        return usage_of(stores.tenant, stores.all(), stores.ground.settings)

    def delete_collection(self, name: str, *, idempotency_key: IdempotencyKey = None) -> None:
        """Remove a collection and all its points."""
        self._check_reach(name)
        stores = self._services.stores
        once = once_given(idempotency_key, parts_of_objects("delete_collection", name))
        if once is None:
            self._delete(stores.get(name))
            return
        with stores.requests.turn:
            if stores.requests.find(once) is None:
                self._delete(stores.get(name), once)

    def kept_reply(self, once: Once) -> bytes | None:
        """The JSON of the reply to a request that made or deleted a collection; None if it is new.

        IdempotencyMismatchError if its key came with another request.
        """
        return self._services.stores.requests.find(once)

    def _delete(self, store: CollectionStore, once: Once | None = None) -> None:
        services = self._services
        task = CloseTask(store)
        services.writer.submit(task)
        task.future.result()
        services.stores.remove(store, once)
