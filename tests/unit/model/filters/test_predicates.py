"""Predicates are put together in their simplest form."""

from __future__ import annotations

from tsvec.model.filters.predicates import (
    ALWAYS,
    Equal,
    Every,
    Exists,
    Not,
    OfEntity,
    Some,
    every,
    is_of_entity,
    negated,
    some,
)

A, B, C = (Exists((name,)) for name in "abc")


def test_all_of_some():
    assert every([]) == ALWAYS
    assert every([A]) == A
    assert every([A, B, A]) == Every((A, B))
    assert every([Every((A, B)), C, ALWAYS]) == Every((A, B, C))
    assert every([Some((A, B)), C]) == Every((Some((A, B)), C))


def test_one_of_some():
    assert some([]) == Some(())
    assert some([A]) == A
    assert some([A, A]) == A
    assert some([Some((A, B)), C]) == Some((A, B, C))
    assert some([A, ALWAYS, B]) == ALWAYS
    assert some([Every((A, B)), C]) == Some((Every((A, B)), C))


def test_the_opposite_of_the_opposite():
    assert negated(A) == Not(A)
    assert negated(Not(A)) == A
    assert negated(ALWAYS) == Not(ALWAYS)


def test_what_is_about_attributes():
    of_entity = OfEntity(A)
    for predicate in (of_entity, Not(of_entity), Every((A, Some((B, Not(of_entity)))))):
        assert is_of_entity(predicate)
    for predicate in (A, Not(A), Every((A, Some((B,)))), ALWAYS, Equal(("$attributes",))):
        assert not is_of_entity(predicate)
