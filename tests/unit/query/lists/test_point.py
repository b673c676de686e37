"""One point, by what identifies it."""

from __future__ import annotations

import pytest

from tests.contract.parts import Sample
from tsvec.model.errors import EntityNotFoundError, NotFoundError
from tsvec.model.lists.requests import PointRequest
from tsvec.query.lists.point import describe_point, find_point

VECTOR = (1.0, 0.0)


def ask(windows, entity_id="a", timestamp=5, **fields):
    request = PointRequest(entity_id=entity_id, timestamp=timestamp, **fields)
    return describe_point(windows, request)


@pytest.fixture(params=["hot", "sealed"])
def holding(request, shelf):
    made = shelf(metric="l2", dim=2)
    made.commit([Sample("a", 5, VECTOR), Sample("a", 5, VECTOR, key="k", metadata=b'{"n":1}')])
    made.commit([Sample("b", 5, VECTOR)])
    if request.param == "sealed":
        made.seal_all()
    return made


def test_a_point_is_found_by_entity_time_and_key(holding):
    assert ask(holding.windows).seq == 1
    keyed = ask(holding.windows, key="k")
    assert (keyed.seq, keyed.key, keyed.metadata, keyed.vector) == (2, "k", {"n": 1}, None)
    bare = ask(holding.windows, "b", include=["vector"])
    assert (bare.seq, bare.metadata, tuple(bare.vector.tolist())) == (3, None, VECTOR)


def test_it_is_the_version_of_the_moment(holding):
    holding.replace(holding.stored, [1])
    assert ask(holding.windows).seq == 4
    assert ask(holding.seen(3)).seq == 1
    holding.delete(holding.stored, [4])
    assert ask(holding.seen(4)).seq == 4
    with pytest.raises(NotFoundError):
        ask(holding.windows)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"entity_id": "nobody"}, "'nobody' has no point at 1970-01-01T00:00:00.000005"),
        ({"timestamp": 6}, "'a' has no point at"),
        ({"key": "x"}, "no point of key 'x'"),
        ({"entity_id": "b", "key": "k"}, "'b' has no point of key 'k'"),
    ],
)
def test_a_point_that_is_not_there(holding, fields, said):
    with pytest.raises(NotFoundError, match=said) as caught:
        ask(holding.windows, **fields)
    assert not isinstance(caught.value, EntityNotFoundError)


def test_what_is_not_yet_or_no_longer_to_be_seen_is_not_there(holding):
    for windows in (holding.seen(0), holding.seen(cutoff=6)):
        with pytest.raises(NotFoundError):
            ask(windows)
    request = PointRequest(entity_id="a", timestamp=5)
    part, row = find_point(holding.seen(cutoff=5), request)
    assert part.seqs(slice(row, row + 1)).tolist() == [1]
