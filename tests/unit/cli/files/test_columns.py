from __future__ import annotations

import pytest

from tsvec.cli.files.columns import NOW, plan_columns
from tsvec.model.errors import InvalidRequestError


def test_columns_are_found_by_their_usual_names():
    plan = plan_columns(["Timestamp", "speed", "id", "entity_id", "embedding", "type", "key"])
    assert (plan.entity, plan.time, plan.vector) == ("entity_id", "Timestamp", ("embedding",))
    assert (plan.type, plan.key) == ("type", "key")
    assert plan.metadata == ("speed", "id")


def test_named_columns_win():
    plan = plan_columns(
        ["entity_id", "ship", "ts", "seen", "vec", "a", "b", "kind", "x"],
        entity="ship",
        time="seen",
        vector="a, b",
        type="kind",
        metadata="x,ts",
    )
    assert (plan.entity, plan.time, plan.vector) == ("ship", "seen", ("a", "b"))
    assert (plan.type, plan.metadata) == ("kind", ("x", "ts"))
    assert plan.wanted == {
        "seen": False, "a": False, "b": False, "x": False, "ts": False, "ship": True, "kind": True
    }  # fmt: skip


def test_no_metadata_keeps_none():
    plan = plan_columns(["entity_id", "ts", "vec", "speed"], no_metadata=True)
    assert plan.metadata == ()
    assert str(plan) == "entity entity_id, time ts, vector vec, metadata none"


def test_numbered_columns_are_a_vector():
    assert plan_columns(["id", "ts", "v0", "v1", "v2", "w"]).vector == ("v0", "v1", "v2")
    assert plan_columns(["id", "ts", "v0", "v1", "vector"]).vector == ("vector",)


def test_now_needs_no_column_of_times():
    plan = plan_columns(["id", "vec"], time=NOW)
    assert plan.time is None
    assert plan.wanted == {"vec": False, "id": True}
    assert NOW in plan_columns(["id", "vec", "now"], time=NOW).wanted


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (["ts", "vec"], {}, "no column for the entity; name it with --entity. .* ts, vec"),
        (["id", "vec"], {}, "no column for the time"),
        (["id", "ts", "v0"], {}, "no column for the vector"),
        (["id", "ts", "vec"], {"entity": "ship"}, "no column 'ship'"),
        (["id", "ts", "vec"], {"vector": "a,b"}, "no column 'a'; name it with --vector"),
        (["id", "ts", "vec"], {"type": "kind"}, "no column 'kind'; name it with --type"),
        (["id", "ts", "vec"], {"metadata": "x"}, "no column 'x'; name it with --metadata"),
    ],
)
def test_a_missing_column_is_told_with_those_there_are(names, options, message):
    with pytest.raises(InvalidRequestError, match=message):
        plan_columns(names, **options)
