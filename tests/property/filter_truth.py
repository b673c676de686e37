"""What a filter means, in plain Python over decoded JSON; and filters and documents to try."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

MISSING = object()


def holds(given: dict[str, Any], metadata: Any, attributes: Any = None) -> bool:
    """Whether a filter, as it is sent, lets a point pass."""
    documents = {} if attributes is None else attributes
    return all(_member(key, value, metadata, documents) for key, value in given.items())


def _member(key: str, value: Any, metadata: Any, attributes: Any) -> bool:
    match key:
        case "$and":
            return all(holds(one, metadata, attributes) for one in value)
        case "$or":
            return any(holds(one, metadata, attributes) for one in value)
        case "$not":
            return not holds(value, metadata, attributes)
        case "$attributes":
            return holds(value, attributes, attributes)
    found = follow(metadata, members(key))
    operators = value if isinstance(value, dict) else {"$eq": value}
    return all(operates(name, operand, found) for name, operand in operators.items())


def members(path: str) -> list[str]:
    """The names in a dotted path, where a backslash takes the next sign as it is."""
    found, rest = [""], path
    while rest:
        if rest[0] == "\\" and len(rest) > 1:
            found[-1] += rest[1]
            rest = rest[2:]
        elif rest[0] == ".":
            found.append("")
            rest = rest[1:]
        else:
            found[-1] += rest[0]
            rest = rest[1:]
    return found


def follow(document: Any, names: list[str]) -> Any:
    """What is at a path, `MISSING` if nothing is."""
    for name in names:
        if isinstance(document, dict):
            document = document.get(name, MISSING)
        elif isinstance(document, list) and name in map(str, range(len(document))):
            document = document[int(name)]
        else:
            return MISSING
    return document


def operates(name: str, operand: Any, found: Any) -> bool:
    match name:
        case "$eq":
            return _equals(found, operand)
        case "$ne":
            return not _equals(found, operand)
        case "$in":
            return any(_equals(found, one) for one in operand)
        case "$nin":
            return not any(_equals(found, one) for one in operand)
        case "$exists":
            return (found is not MISSING) == operand
        case "$not":
            return not all(operates(inner, value, found) for inner, value in operand.items())
    if kind(found) != kind(operand) or kind(found) not in ("number", "text"):
        return False
    # Python compares integers and floats exactly, and texts by code point.
    return {
        "$gt": found > operand,
        "$gte": found >= operand,
        "$lt": found < operand,
        "$lte": found <= operand,
    }[name]


def _equals(found: Any, operand: Any) -> bool:
    if found is MISSING:
        return operand is None
    if isinstance(found, list) and any(_same(one, operand) for one in found):
        return True
    return _same(found, operand)


def _same(found: Any, operand: Any) -> bool:
    return kind(found) == kind(operand) and found == operand


def kind(value: Any) -> str:
    match value:
        case bool():
            return "truth"
        case None:
            return "null"
        case int() | float():
            return "number"
        case str():
            return "text"
        case _:
            return type(value).__name__


NAMES = (
    "a",
    "b",
    "0",
    "1",
    "x.y",
    "a/b",
    "~",
    "~1",
    "$ref",
    'q"',
    "ß",
    "\U0001f300",
    " ",
    "\\",
    "-",
)
"""Few, so that paths meet something, and all that could be taken for syntax somewhere."""

NUMBERS = (
    *(0, 1, -1, 2, 0.5, -0.0, 1.0, 1.5, -1.5, 1e22, 1e300, -1e300, 5e-324, 0.1),
    *(2**53 - 1, 2**53, 2**53 + 1, 2.0**53, -(2**53) - 1, 2**63 - 1, 2**63, 2.0**63, 2**64 - 1),
    *(2.0**64, -(2**63), -(2.0**63), 2**60 + 1, 2.0**60, 2**60, 9007199254740994, 123456789012.5),
)

TEXTS = (
    *("", "a", "b", "1", "true", "null", "[1]", '{"a":1}', '"', "\\", "/", "a\0b", "\x1f", "\x7f"),
    *("\b\f\n\r\t", "ß", "\U0001f300", "\ue000", "\u2028", "'; DROP TABLE documents; --", "$1"),
    *("x" * 3_000, "x" * 3_001, "%", "_"),
)

numbers = (
    st.sampled_from(NUMBERS)
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
)
texts = st.sampled_from(TEXTS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
scalars = st.none() | st.booleans() | numbers | texts
names = st.sampled_from(NAMES)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Metadata or attributes."""
    values = st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=3),
        max_leaves=6,
    )
    return draw(st.dictionaries(names, values, max_size=4))


def written(path: list[str]) -> str:
    """A path as a filter has it."""
    escaped = [
        "".join("\\" + sign if sign in ".\\" else sign for sign in member) for member in path
    ]
    text = ".".join(escaped)
    return "\\" + text if text.startswith("$") else text


paths = st.lists(names, min_size=1, max_size=3).map(written)


@st.composite
def conditions(draw: st.DrawFn, depth: int = 2) -> Any:
    """What a filter says of one path."""
    if draw(st.booleans()):
        return draw(scalars)
    comparable = numbers | texts
    operators = {
        "$eq": scalars,
        "$ne": scalars,
        "$gt": comparable,
        "$gte": comparable,
        "$lt": comparable,
        "$lte": comparable,
        "$in": st.lists(scalars, max_size=12),
        "$nin": st.lists(scalars, max_size=4),
        "$exists": st.booleans(),
    }
    chosen = draw(st.lists(st.sampled_from([*operators, "$not"]), min_size=1, max_size=3))
    made = {}
    for name in chosen:
        if name != "$not":
            made[name] = draw(operators[name])
        elif depth:
            inner = draw(conditions(depth - 1))
            made[name] = inner if isinstance(inner, dict) else {"$eq": inner}
    return made or {"$exists": True}


@st.composite
def filters(draw: st.DrawFn, depth: int = 2, *, of_entities: bool = True) -> dict[str, Any]:
    """Filters that are right, of every operator, nested."""
    made: dict[str, Any] = {}
    for _ in range(draw(st.integers(0, 3))):
        choices = ["path"] * 3 + ["$and", "$or", "$not"] * bool(depth)
        choices += ["$attributes"] * bool(depth and of_entities)
        match draw(st.sampled_from(choices)):
            case "path":
                made[draw(paths)] = draw(conditions())
            case ("$and" | "$or") as name:
                inner = filters(depth - 1, of_entities=of_entities)
                made[name] = draw(st.lists(inner, min_size=1, max_size=3))
            case "$not":
                made["$not"] = draw(filters(depth - 1, of_entities=of_entities))
            case "$attributes":
                made["$attributes"] = draw(filters(depth - 1, of_entities=False))
    return made
