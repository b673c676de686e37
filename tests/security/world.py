"""Two tenants, keys of every kind, and a request for every operation of the description."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from sdk_gen.spec import Api, Operation, load
from tests.api.conftest import URL, AppTransport
from tests.unit.engine.rig import SECOND, ManualClock
from tsvec.engine.database import Database
from tsvec.model.access.keys import SCOPES, CreatedKey
from tsvec.server.app import create_app

API: Api = load(Path(__file__).parents[2] / "openapi" / "tsvec.yaml")
OWNER, RIVAL = "owner", "rival"
STORMS, OTHER = "storms", "other"
EXAMPLES = {operation.id: operation for operation in API.operations}
LEFT_OUT = {"key", "cursor", "as_of"}
"""Parameters whose examples are of points, lists and moments that these are not."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request, without who sends it."""

    method: str
    path: str
    query: dict[str, Any] = field(default_factory=dict)
    body: Any = None


def call_of(operation: Operation, **path_values: str) -> Call:
    """The request that the description gives as an example."""
    path, query = operation.path, {}
    for parameter in operation.parameters:
        name = parameter.name
        if parameter.place == "path":
            value = path_values.get(name, operation.parameter_examples[name])
            path = path.replace(f"{{{name}}}", value)
        elif parameter.place == "query" and name in operation.parameter_examples.keys() - LEFT_OUT:
            query[name] = operation.parameter_examples[name]
    body = operation.bodies[0].example if operation.bodies else None
    return Call(operation.method, path, query, body)


class World:
    """A database behind the application, with keys of the owner and of the rival.

    The owner has the collections `storms` and `other`, the rival has none. Without an owner there
    is only the rival.
    """

    def __init__(self, directory: Path, *, has_owner: bool = True) -> None:
        self._open(directory)
        self.rival = self.database.tenant(RIVAL).admin.create_key("rival", scopes=SCOPES)
        if has_owner:
            self._settle()

    def _open(self, directory: Path) -> None:
        self.clock = ManualClock()
        self.database = Database(directory, clock=self.clock)
        self.app = create_app(self.database, clock=self.clock)
        self.client = httpx.Client(transport=AppTransport(self.app), base_url=URL)

    @classmethod
    def again(cls, directory: Path) -> World:
        """What is in a directory, whoever made it."""
        world = cls.__new__(cls)
        world._open(directory)
        return world

    def _settle(self) -> None:
        owner = self.database.tenant(OWNER)
        config = EXAMPLES["create_collection"].bodies[0].example
        for name in (STORMS, OTHER):
            collection = owner.create_collection(**config | {"name": name})
            collection.ingest(EXAMPLES["ingest"].bodies[0].example["points"])
        make = owner.admin.create_key
        self.owner = make("owner", scopes=SCOPES)
        self.of_scope = {scope: make(scope, scopes=[scope]) for scope in SCOPES}
        self.lacking = {
            scope: make(f"no {scope}", scopes=[one for one in SCOPES if one != scope])
            for scope in SCOPES
        }
        self.confined = make("confined", scopes=SCOPES, collections=[OTHER])
        self.revoked = make("revoked", scopes=SCOPES)
        owner.admin.revoke_key(self.revoked.id)
        self.expired = make("expired", scopes=SCOPES, expires_at=self.clock.now + SECOND)
        self.clock.now += SECOND

    def send(
        self,
        call: Call,
        key: CreatedKey | str | None = None,
        headers: Iterable[tuple[str, str | bytes]] = (),
    ) -> httpx.Response:
        secret = key.secret if isinstance(key, CreatedKey) else key
        sent = [("authorization", f"Bearer {secret}")] if secret else []
        return self.client.request(
            call.method, call.path, params=call.query, json=call.body, headers=[*sent, *headers]
        )

    def close(self) -> None:
        self.client.close()
        self.database.close()

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
