"""Who owns something: a tenant exists as long as it has a collection or a key."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tsvec.model.errors import TooLargeError
from tsvec.model.limits import LIMITS


class Tenants:
    """The tenants of a database, told by those who keep what they own."""

    def __init__(self, tenants_max: int = LIMITS.tenants_max) -> None:
        self._tenants_max = tenants_max
        self.sources: list[Callable[[], Iterable[str]]] = []

    def names(self) -> set[str]:
        """Every tenant there is."""
        return {name for source in self.sources for name in source()}

    def check_room(self, name: str) -> None:
        """TooLargeError if this would be one tenant too many."""
        names = self.names()
        if name not in names and len(names) >= self._tenants_max:
            raise TooLargeError(
                f"{self._tenants_max} tenants have collections or keys (tenants_max); "
                "delete what one of them has"
            )
