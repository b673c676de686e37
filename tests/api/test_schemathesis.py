"""Requests made up from the description: every operation, every check, nothing left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.generation.meta import TestPhase

from tests.api.sensible import (
    COLLECTION,
    DIM,
    POINTS,
    SPEC,
    excused,
    make_sensible,
    never_wait,
    send_anew,
)
from tests.crash.processes import IS_LONG
from tsvec.engine.database import Database
from tsvec.model.errors import ConflictError
from tsvec.server.app import create_app

WAIT_SECONDS = 0.01
EXAMPLES = 1_000 if IS_LONG else 15
"""Made up for each operation, besides those of the tool's coverage phase."""

schema = schemathesis.openapi.from_dict(SPEC)


@pytest.fixture(scope="module")
def database(tmp_path_factory) -> Iterator[Database]:
    with Database(tmp_path_factory.mktemp("api") / "data") as database:
        yield database


@pytest.fixture(scope="module")
def app(database):
    app = create_app(database)
    app.state.services.wait_seconds_max = WAIT_SECONDS
    return app


@pytest.fixture(scope="module")
def headers(database):
    """Of a key that may do everything."""
    made = database.admin.create_key("fuzz", scopes=["read", "write", "admin"])
    return {"X-Api-Key": made.secret}


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=not IS_LONG,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_every_operation(case, app, database, headers):
    with suppress(ConflictError):  # it is there unless it was deleted
        collection = database.create_collection(COLLECTION, dim=DIM, metric="l2")
        collection.ingest(POINTS)  # the changes that the examples wait for
    prepare(case)
    reply = case.call(app=app, headers=headers)
    case.validate_response(
        reply,
        headers=headers,
        excluded_checks=excused(case, reply),
        transport_kwargs={"app": app, "headers": headers},
    )


def prepare(case: Any) -> None:
    """See to what no schema says; what the tool expects to be refused stays as it is."""
    never_wait(case)
    if case.meta.phase.name is TestPhase.EXAMPLES:
        (case.query or {}).pop("cursor", None)  # right only where it was given out
        send_anew(case)
    elif case.meta.generation.mode.is_positive:
        if case.path_parameters and case.operation.method != "delete":
            case.path_parameters["collection"] = COLLECTION
        make_sensible(case)
