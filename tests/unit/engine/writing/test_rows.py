"""The fate of each row of a request: new, equal, replacing, superseded or refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.engine.rig import NOON
from tests.unit.engine.workshop import check_counts, kept, points, values
from tsvec.engine.writing.rows import event_times, resolve_rows
from tsvec.model.errors import ConflictError
from tsvec.model.points import PointBatch
from tsvec.window.entities import EntityDraft

RULES = ("replace", "error", "ignore")


@pytest.fixture(params=["hot", "sealed", "both"])
def shop(workshop, request):
    """(a, 1) is 10, (a, 1, k) is 20, (b, 2) is 30; all hot, all sealed, or one of them hot."""
    made = workshop()
    made.put(("a", 1, 10), ("a", 1, 20, "k"))
    if request.param != "hot":
        made.seal()
    made.put(("b", 2, 30))
    if request.param == "sealed":
        made.seal()
    return made


def resolve(shop, batch, rule="replace", retyped=frozenset()):
    numbers, *_ = shop.store.registry.resolve(batch, EntityDraft())
    times = event_times(batch, NOON)
    found = resolve_rows(
        shop.store.windows, batch, np.array(numbers, np.uint32), times, rule, retyped
    )
    fates = len(found.stored) + found.superseded + found.unchanged
    refused = {error.index for error in found.refused}
    assert fates + len(refused) == len(batch)
    return found


def fate(found):
    return (
        found.stored.tolist(),
        found.replaces.tolist(),
        found.superseded,
        found.unchanged,
        [error.index for error in found.refused],
    )


@pytest.mark.parametrize("rule", RULES)
def test_new_rows_are_stored_under_every_rule(shop, rule):
    batch = points(("a", 2, 1), ("a", 1, 1, "other"), ("b", 1, 1), ("z", 1, 1), ("b", 9, 1))
    assert fate(resolve(shop, batch, rule)) == ([0, 1, 2, 3, 4], [0] * 5, 0, 0, [])


@pytest.mark.parametrize("rule", RULES)
def test_equal_rows_change_nothing_under_every_rule(shop, rule):
    batch = points(("a", 1, 20, "k"), ("b", 2, 30), ("a", 1, 10))
    assert fate(resolve(shop, batch, rule)) == ([], [], 0, 3, [])


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("replace", ([0, 2], [3, 2], 0, 1, [])),
        ("error", ([], [], 0, 1, [0, 2])),
        ("ignore", ([], [], 0, 3, [])),
    ],
)
def test_other_content_is_treated_by_the_rule(shop, rule, expected):
    batch = points(("b", 2, 31), ("a", 1, 10), ("a", 1, 21, "k"))
    assert fate(resolve(shop, batch, rule)) == expected


@pytest.mark.parametrize(
    ("rows", "rule", "expected"),
    [
        # Nothing there: the last of three wins, an equal one before it counts as unchanged.
        ([("z", 1, 1), ("z", 1, 2), ("z", 1, 3)], "replace", ([2], [0], 2, 0, [])),
        ([("z", 1, 3), ("z", 1, 2), ("z", 1, 3)], "replace", ([2], [0], 1, 1, [])),
        ([("z", 1, 1), ("z", 1, 2)], "error", ([1], [0], 1, 0, [])),
        ([("z", 1, 1), ("z", 1, 2)], "ignore", ([1], [0], 1, 0, [])),
        # Other keys and instants are other points.
        ([("z", 1, 1), ("z", 1, 2, "k"), ("z", 2, 1)], "replace", ([0, 1, 2], [0] * 3, 0, 0, [])),
        # Something there.
        ([("b", 2, 8), ("b", 2, 9)], "replace", ([1], [3], 1, 0, [])),
        ([("b", 2, 8), ("b", 2, 30)], "replace", ([], [], 1, 1, [])),
        ([("b", 2, 30), ("b", 2, 30)], "replace", ([], [], 0, 2, [])),
        ([("b", 2, 30), ("b", 2, 9)], "replace", ([1], [3], 1, 0, [])),
        ([("b", 2, 8), ("b", 2, 9)], "error", ([], [], 0, 0, [0, 1])),
        ([("b", 2, 8), ("z", 1, 1), ("b", 2, 9)], "error", ([1], [0], 0, 0, [0, 2])),
        ([("b", 2, 8), ("b", 2, 9)], "ignore", ([], [], 0, 2, [])),
    ],
)
def test_of_rows_for_one_point_the_last_counts(shop, rows, rule, expected):
    assert fate(resolve(shop, points(*rows), rule)) == expected


@pytest.mark.parametrize(
    "other",
    [
        np.array([[30.0, -1.0]], np.float32),
        np.array([[np.nextafter(np.float32(30), np.float32(31)), 1.0]], np.float32),
    ],
)
def test_equal_means_every_bit_of_the_vector(shop, other):
    batch = replace(points(("b", 2, 30)), vector=other)
    assert fate(resolve(shop, batch)) == ([0], [3], 0, 0, [])


def test_minus_zero_is_another_vector(workshop):
    shop = workshop()
    shop.put(("a", 1, 0.0))
    assert shop.put(("a", 1, -0.0)).replaced == 1
    reply = shop.put(("b", 1, 0.0), ("b", 1, -0.0))
    assert (reply.ingested, reply.replaced, reply.unchanged) == (2, 1, 0)


def test_equal_means_the_metadata_too(workshop):
    shop = workshop()

    def put(*texts):
        batch = replace(points(*[("a", 1, 1)] * len(texts)), metadata=list(texts))
        [reply] = shop.group(shop.ingesting_batch(batch))
        return reply.ingested, reply.replaced, reply.unchanged

    assert put(b'{"a":1}') == (1, 0, 0)
    assert put(b'{"a":1}') == (0, 0, 1)
    assert put(b'{"a":2}') == (1, 1, 0)
    assert put(b'{"a":3}', b'{"a":2}') == (1, 1, 1)
    assert put(b"{}", b"{}") == (1, 1, 1)
    shop.seal()
    assert put(b"{}") == (0, 0, 1)


def test_rows_of_an_entity_that_changes_its_type_are_never_unchanged(shop):
    number = shop.store.registry.number_of("b")
    batch = points(("b", 2, 30), ("a", 1, 10))
    assert fate(resolve(shop, batch, retyped=frozenset([number]))) == ([0], [3], 0, 1, [])
    assert fate(resolve(shop, batch, "ignore", frozenset([number]))) == ([], [], 0, 2, [])


def test_a_type_that_comes_with_an_equal_point_is_not_lost(shop):
    reply = shop.put(("b", 2, 30, None, "ship"))
    assert (reply.ingested, reply.replaced, reply.unchanged) == (1, 1, 0)
    number = shop.store.registry.number_of("b")
    types = [shop.store.registry.type_of(number, seq) for seq in (3, 4)]
    assert types == ["GENERIC", "ship"]
    assert shop.put(("b", 2, 30, None, "ship")).unchanged == 1


def test_what_was_replaced_or_deleted_is_not_in_the_way(shop):
    shop.delete(entity_ids=["a"])
    assert shop.put(("a", 1, 10), on_conflict="error").ingested == 1
    shop.put(("b", 2, 31))
    assert shop.put(("b", 2, 30), on_conflict="replace").replaced == 1
    with pytest.raises(ConflictError):
        shop.put(("b", 2, 31), on_conflict="error")
    check_counts(shop.store)


def test_a_conflict_says_where_and_what_to_do(shop):
    with pytest.raises(ConflictError) as caught:
        shop.put(("z", 1, 1), ("b", 2, 31), on_conflict="error")
    assert caught.value.message == (
        "points[1].timestamp: entity 'b' has another point at 1970-01-01T00:00:02+00:00; replace "
        "it with on_conflict=replace, or tell the two apart by `key`; nothing was stored"
    )
    assert [(one.field, one.row) for one in caught.value.details] == [("points[1].timestamp", 1)]
    assert "z" not in {row[0] for row in values(shop.store.windows)}


def test_conflicting_rows_may_be_skipped(shop):
    rows = [("z", 1, 1), ("b", 2, 31), ("a", 1, 10), ("b", 2, 32), ("z", 1, 2)]
    reply = shop.put(*rows, on_conflict="error", on_error="skip_row")
    assert (reply.ingested, reply.replaced, reply.unchanged, reply.rejected) == (2, 1, 1, 2)
    assert [(one.index, one.code) for one in reply.errors] == [(1, "conflict"), (3, "conflict")]
    assert values(shop.store.windows)["b", 2.0, None] == 30.0
    assert values(shop.store.windows)["z", 1.0, None] == 2.0


def test_a_row_skipped_for_its_type_leaves_the_one_before_it_to_count(shop):
    shop.put(("s", 1, 1, None, "ship"))
    rows = [("s", 2, 5, None, "ship"), ("s", 2, 6, None, "plane")]
    reply = shop.put(*rows, on_error="skip_row")
    assert (reply.ingested, reply.replaced, reply.rejected) == (1, 0, 1)
    assert values(shop.store.windows)["s", 2.0, None] == 5.0


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", range(3))
def test_the_counts_add_up_whatever_comes(workshop, rule, seed):
    """Against a dictionary: who is new, who is equal, who wins, how many live."""
    shop, rng, model = workshop(), np.random.default_rng(seed), {}
    for turn in range(25):
        rows = [
            (f"e{rng.integers(3)}", int(rng.integers(3)), int(rng.integers(3)))
            for _ in range(rng.integers(1, 8))
        ]
        reply = shop.put(*rows, on_conflict=rule, on_error="skip_row")
        before = len(model)
        wanted = {row[:2]: float(row[2]) for row in rows}
        if rule == "replace":
            model |= wanted
        else:
            model = wanted | model
        assert reply.ingested + reply.unchanged + reply.rejected == len(rows)
        assert reply.ingested - reply.replaced == len(model) - before
        assert values(shop.store.windows) == {(*key, None): v for key, v in model.items()}
        assert (reply.rejected == 0) or rule == "error"
        if turn % 8 == 7:
            shop.seal()
    check_counts(shop.store)
    assert len(kept(shop.store.windows)) == shop.store.windows.rows


def test_many_rows_are_told_apart_exactly(workshop):
    """Enough of them that a hash of entity and time would meet another."""
    shop, rng = workshop(), np.random.default_rng(4)
    count = 30_000
    times = rng.integers(0, 2_000, count)
    entities = rng.integers(0, 40, count)
    batch = PointBatch.of_columns(
        entity_id=[f"e{number}" for number in entities.tolist()],
        vector=np.stack([np.arange(count), np.ones(count)], axis=1).astype(np.float32),
        timestamp=times.astype(np.int64),
    )
    expected = len(set(zip(entities.tolist(), times.tolist(), strict=True)))
    [reply] = shop.group(shop.ingesting_batch(batch))
    assert reply.ingested - reply.replaced == expected == shop.store.windows.rows
    [again] = shop.group(shop.ingesting_batch(batch.take(np.arange(count)[::-1])))
    assert again.ingested + again.unchanged == count
    assert again.ingested - again.replaced == 0
