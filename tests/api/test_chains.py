"""Requests that follow one another by the links of the description: make, fill, ask, change, drop.

What a link takes from a reply must be right for the request it leads to, wherever in a chain.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from itertools import count
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.errors import FlakyStrategyDefinition
from hypothesis.stateful import get_state_machine_test
from schemathesis import checks
from schemathesis.core.result import Ok
from schemathesis.core.transforms import UNRESOLVABLE
from starlette.applications import Starlette

from tests.api.sensible import (
    COLLECTION,
    DIM,
    POINTS,
    SPEC,
    excused,
    make_sensible,
    never_wait,
)
from tests.crash.processes import IS_LONG
from tsvec.engine.database import Database
from tsvec.server.app import create_app

WAIT_SECONDS = 0.01
RUNS, CHAINS, STEPS = (100, 10, 40) if IS_LONG else (8, 4, 25)
SCHEMA = schemathesis.openapi.from_dict(SPEC)
COMING = {"ingest", "restore_points"}
GOING = {"delete_entity", "delete_collection"}
USE_AFTER_FREE = checks.CHECKS.get_one("use_after_free")
OF_ONE_COLLECTION = {"wait_for_seq", "as_of", "as_of_each", "cursor", "first_seq", "last_seq"}
_NUMBERS = count()
OF_COLLECTIONS = {
    node["operationId"]
    for path, item in SPEC["paths"].items()
    for method, node in item.items()
    if method != "parameters" and path.startswith("/v1/collections")
}


def test_requests_that_follow_links_are_answered_as_described(tmp_path):
    accepted: Counter[str] = Counter()
    with Database(tmp_path / "data") as database:
        app = create_app(database)
        app.state.services.wait_seconds_max = WAIT_SECONDS
        key = database.admin.create_key("chains", scopes=["read", "write", "admin"])
        headers = {"X-Api-Key": key.secret}
        chain = settings(
            max_examples=CHAINS,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        machine = chain_machine(app, database, headers, accepted)
        for number in range(RUNS):
            # Which links there are to follow depends on replies, and those on how far the database
            # got meanwhile, which the tool takes for a fault in its own choices.
            with suppress(FlakyStrategyDefinition):
                seed(None if IS_LONG else number)(get_state_machine_test(machine, settings=chain))()
    missed = OF_COLLECTIONS - accepted.keys()
    assert len(missed) <= (0 if IS_LONG else len(OF_COLLECTIONS) // 3), missed


def chain_machine(
    app: Starlette, database: Database, headers: dict[str, str], accepted: Counter[str]
) -> type:
    """A state machine whose rules are the links; counts the requests that were accepted."""

    class Chain(SCHEMA.as_state_machine()):  # type: ignore[misc]
        def setup(self) -> None:
            self.written: set[str] = set()
            """Collections in which something came, or came back, since an entity was deleted."""
            database.create_collection(COLLECTION, dim=DIM, metric="l2").ingest(POINTS)

        def step(self, input: Any) -> Any:  # noqa: A002
            follow(input)
            return super().step(input)

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"app": app, "headers": headers}

        def validate_response(self, response: Any, case: Any, **transport: Any) -> None:
            name = case.operation.definition.raw["operationId"]
            collection = (case.path_parameters or {}).get("collection")
            if response.status_code < 300:
                accepted[name] += 1
                if name in COMING:
                    self.written.add(collection)
                elif name in GOING:
                    self.written.discard(collection)
            of_the_past = (case.query or {}).get("as_of") is not None
            still_there = of_the_past or collection in self.written
            case.validate_response(
                response,
                excluded_checks=excused(case, response) + [USE_AFTER_FREE] * still_there,
                transport_kwargs=transport,
                recorder=self.recorder,
            )

        def teardown(self) -> None:
            for info in database.list_collections(limit=1_000).items:
                database.delete_collection(info.name)
            super().teardown()

    return Chain


def follow(step: Any) -> None:
    """Make the request of a step right without touching what its link gave it."""
    case, linked = step.case, {name for _, name in step.applied_parameters}
    path = case.path_parameters or {}
    if "collection" not in linked and path:  # what a link says of one is wrong for another
        linked -= OF_ONE_COLLECTION
    if "wait_for_seq" not in linked:
        never_wait(case)
    if not case.meta.generation.mode.is_positive:
        return
    query = linked_query(step)
    if "cursor" in query and ("collection" in linked or not path):
        case.query = query  # the same question as that of the page before
        linked |= query.keys()
    make_sensible(case, linked)
    if step.transition is None and path:
        path["collection"] = COLLECTION  # a chain may begin in the middle
    if case.operation.definition.raw["operationId"] == "create_collection":
        case.body |= {"name": f"c{next(_NUMBERS)}", "dim": DIM, "metric": "l2"}


def linked_query(step: Any) -> dict[str, Any]:
    """What a link says of the query string."""
    found = step.transition.parameters.get("query", {}) if step.transition else {}
    values = {name: each.value.ok() for name, each in found.items() if isinstance(each.value, Ok)}
    return {name: value for name, value in values.items() if is_given(value)}


def is_given(value: Any) -> bool:
    """Whether a link found something; a list may be empty."""
    return value is not None and not isinstance(value, type(UNRESOLVABLE))
