"""Who asks."""

from __future__ import annotations

from dataclasses import dataclass

from tsvec.model.access.keys import SCOPES, Scope
from tsvec.model.collections import DEFAULT_TENANT
from tsvec.model.errors import ForbiddenError


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: whose collections they see, and what they may do with which of them.

    `key_id` is None where no keys are required; `collections` is None for all of the tenant.
    """

    tenant: str = DEFAULT_TENANT
    key_id: str | None = None
    scopes: frozenset[Scope] = frozenset(SCOPES)
    collections: frozenset[str] | None = None

    def check_scope(self, scope: Scope | None) -> None:
        """ForbiddenError unless the caller has a scope; None is what everyone has."""
        if scope is not None and scope not in self.scopes:
            raise ForbiddenError(
                f"this takes a key with the scope {scope!r}; "
                f"the one given has {', '.join(sorted(self.scopes))}"
            )

    def check_unconfined(self) -> None:
        """ForbiddenError for a key that is confined to some collections."""
        if self.collections is not None:
            raise ForbiddenError(
                "this concerns the whole tenant; the key given is confined to some collections"
            )
