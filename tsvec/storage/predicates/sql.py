"""The SQL of a predicate. No text of a caller is ever part of it: paths and values are parameters.

The value at each path is taken out of a document once, as the JSON text that DuckDB writes of it,
whose first sign tells its kind, and whose other forms are columns of their own. So a test is a
comparison of columns, and every test is true or false, never null.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from tsvec.model.filters.predicates import (
    Equal,
    Every,
    Exists,
    Not,
    Number,
    OfEntity,
    Order,
    Ordered,
    Path,
    Predicate,
    Some,
)

DOCUMENTS: Final = "documents"
"""The relation that the SQL reads: one column `document`, of JSON texts."""

_SIGNS: Final[dict[Order, str]] = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_EXACT_MAX: Final = 2**53
"""Below it every integer is a double, and integers beyond it are never rounded into that range."""
_HUGE: Final = 2**65
"""Beyond every integer in a document."""
_FEW: Final = 8
"""Up to so many values are compared with the elements of a list one by one, without a lambda."""

Parameters: TypeAlias = Sequence[Any]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class CompiledPredicate:
    """A query over `DOCUMENTS` for one boolean a row, and the values of $1, $2 and so on.

    `paths` is how many values of each document it looks at. Compared by identity.
    """

    predicate: Predicate
    sql: str
    parameters: Parameters
    paths: int


def compile_predicate(predicate: Predicate) -> CompiledPredicate:
    """The SQL of a predicate over one kind of document; ValueError if it holds an `OfEntity`."""
    made = _Sql()
    test = made.test(predicate)
    sql = f"SELECT {test} AS holds FROM {made.source()}"
    parameters = tuple(made.parameters) if made.values else ()
    return CompiledPredicate(predicate, sql, parameters, len(made.values))


@dataclass(slots=True)
class _Value:
    """The value at one path: the number of its columns, and which of its forms are needed."""

    number: int
    forms: set[str] = field(default_factory=set)

    @property
    def json(self) -> str:
        """The column of its JSON text, null where there is nothing at the path."""
        return f"v{self.number}"

    def form(self, kind: str) -> str:
        """The column of another form of it, null where it has none."""
        self.forms.add(kind)
        return f"{kind}{self.number}"


# The first sign of a JSON text tells its kind: `"` of a text, `-` or a digit of a number, `[` of a
# list. What follows `-` in ASCII up to the digits (`.` and `/`) begins no JSON.
_IS_TEXT: Final = "v{n} < '#'"
_IS_NUMBER: Final = "v{n} >= '-' AND v{n} < ':'"
_IS_LIST: Final = "v{n} >= '[' AND v{n} < '\\'"
# DuckDB writes every double with a point or an exponent.
_IS_REAL: Final = "(contains({0}, '.') OR contains({0}, 'e'))"

_ELEMENTS: Final = "CAST(TRY_CAST(v{n} AS JSON[]) AS VARCHAR[])"

_FORMS: Final = {
    "text": (_IS_TEXT, "json_extract_string(v{n}, '$')"),
    "number": (_IS_NUMBER, "TRY_CAST(v{n} AS DOUBLE)"),
    "real": (f"{_IS_NUMBER} AND {_IS_REAL.format('v{n}')}", "TRY_CAST(v{n} AS DOUBLE)"),
    "whole": (f"{_IS_NUMBER} AND NOT {_IS_REAL.format('v{n}')}", "TRY_CAST(v{n} AS HUGEINT)"),
    "list": (_IS_LIST, _ELEMENTS),
    "numbers": (_IS_LIST, f"TRY_CAST({_ELEMENTS} AS DOUBLE[])"),
}
"""When a value has a form, and what it is then. A CASE looks at the others' rows only."""


class _Sql:
    """Collects the paths and parameters of one query while its tests are written."""

    def __init__(self) -> None:
        # Filled in by `source`, once all paths are known.
        self.parameters: list[Any] = [[]]
        self.values: dict[Path, _Value] = {}

    def test(self, predicate: Predicate) -> str:
        """A boolean expression over the columns of `source`, never null."""
        match predicate:
            case Equal():
                return self._equal(predicate)
            case Ordered(path, order, value):
                return self._ordered(self._value(path), order, value)
            case Exists(path):
                return f"({self._value(path).json} IS NOT NULL)"
            case Every(parts):
                return f"({' AND '.join(map(self.test, parts)) or 'true'})"
            case Some(parts):
                return f"({' OR '.join(map(self.test, parts)) or 'false'})"
            case Not(part):
                return f"(NOT {self.test(part)})"
            case OfEntity():
                raise ValueError("metadata and attributes are documents of two kinds")

    def source(self) -> str:
        """The columns that the tests use, one row a document."""
        self.parameters[0] = [_pointer(path) for path in self.values]
        if not self.values:
            return DOCUMENTS
        values = self.values.values()
        texts = [
            f"CAST(found[{value.number + 1}] AS VARCHAR) AS v{value.number}" for value in values
        ]
        forms = [
            f"CASE WHEN {when.format(n=value.number)} THEN {then.format(n=value.number)} END "
            f"AS {kind}{value.number}"
            for value in values
            for kind, (when, then) in _FORMS.items()
            if kind in value.forms
        ]
        found = f"SELECT json_extract(document, CAST($1 AS VARCHAR[])) AS found FROM {DOCUMENTS}"
        inner = f"SELECT {', '.join(texts)} FROM ({found})"
        return f"(SELECT {', '.join([*(value.json for value in values), *forms])} FROM ({inner}))"

    def _value(self, path: Path) -> _Value:
        return self.values.setdefault(path, _Value(len(self.values)))

    def _bind(self, value: Any, kind: str) -> str:
        self.parameters.append(value)
        return f"CAST(${len(self.parameters)} AS {kind})"

    def _ordered(self, value: _Value, order: Order, bound: str | Number) -> str:
        sign = _SIGNS[order]
        if isinstance(bound, str):
            return f"coalesce({value.form('text')} {sign} {self._bind(bound, 'VARCHAR')}, false)"
        if abs(bound) < _EXACT_MAX:
            number = self._bind(float(bound), "DOUBLE")
            return f"coalesce({value.form('number')} {sign} {number}, false)"
        # Doubles of this size are whole.
        whole = self._bind(max(-_HUGE, min(int(bound), _HUGE)), "HUGEINT")
        sign_of_real, nearest = _nearest_bound(order, bound)
        real = self._bind(nearest, "DOUBLE")
        return (
            f"coalesce({value.form('whole')} {sign} {whole}, "
            f"{value.form('real')} {sign_of_real} {real}, false)"
        )

    def _equal(self, predicate: Equal) -> str:
        """One of some values is at the path, or in the list that is there."""
        value = self._value(predicate.path)
        tests: list[str] = [f"{value.json} IS NULL"] if predicate.null else []
        texts = [encoded_text(text) for text in predicate.texts]
        texts += ["true" if truth else "false" for truth in predicate.truths]
        texts += ["null"] if predicate.null else []
        if texts:
            tests += self._among(value.json, value.form("list"), texts, "VARCHAR")
        numbers = predicate.numbers
        if any(abs(number) >= _EXACT_MAX for number in numbers):
            tests += self._among_large(value, numbers)
        elif numbers:
            floats = [float(number) for number in numbers]
            tests += self._among(value.form("number"), value.form("numbers"), floats, "DOUBLE")
        return f"({' OR '.join(tests) or 'false'})"

    def _among(self, one: str, elements: str, values: list[Any], kind: str) -> list[str]:
        """Tests whether a column is one of some values, or has one of them among its elements."""
        if len(values) > _FEW:
            bound = self._bind(values, f"{kind}[]")
            chosen = f"list_filter({elements}, lambda one: list_contains({bound}, one))"
            return [
                f"coalesce(list_contains({bound}, {one}), false)",
                f"coalesce(len({chosen}) > 0, false)",
            ]
        tests = []
        for value in values:
            bound = self._bind(value, kind)
            tests.append(f"coalesce({one} = {bound}, false)")
            tests.append(f"coalesce(list_contains({elements}, {bound}), false)")
        return tests

    def _among_large(self, value: _Value, numbers: tuple[Number, ...]) -> list[str]:
        """The same of numbers so large that integers and doubles must be told apart."""
        wholes = [
            int(number) for number in numbers if number == int(number) and abs(number) < _HUGE
        ]
        reals = [float(number) for number in numbers if float(number) == number]
        whole, real = self._bind(wholes, "HUGEINT[]"), self._bind(reals, "DOUBLE[]")
        is_one = (
            f"CASE WHEN NOT (one >= '-' AND one < ':') THEN false WHEN {_IS_REAL.format('one')} "
            f"THEN list_contains({real}, TRY_CAST(one AS DOUBLE)) "
            f"ELSE list_contains({whole}, TRY_CAST(one AS HUGEINT)) END"
        )
        return [
            f"coalesce(list_contains({whole}, {value.form('whole')}), false)",
            f"coalesce(list_contains({real}, {value.form('real')}), false)",
            f"coalesce(len(list_filter({value.form('list')}, lambda one: {is_one})) > 0, false)",
        ]


def _nearest_bound(order: Order, bound: Number) -> tuple[str, float]:
    """The comparison of doubles that is the same as this one, whose bound may not be a double."""
    nearest = float(bound)
    if nearest == bound:
        return _SIGNS[order], nearest
    if order in ("gt", "gte"):
        return (">=" if nearest > bound else ">"), nearest
    return ("<" if nearest > bound else "<="), nearest


def _pointer(path: Path) -> str:
    """The JSON pointer (RFC 6901) of a path."""
    return "".join("/" + member.replace("~", "~0").replace("/", "~1") for member in path)


_ESCAPES: Final = str.maketrans(
    {chr(code): f"\\u{code:04X}" for code in range(32)}
    | {"\b": r"\b", "\t": r"\t", "\n": r"\n", "\f": r"\f", "\r": r"\r", '"': r"\"", "\\": r"\\"}
)


def encoded_text(text: str) -> str:
    """The JSON text of a text, sign for sign as DuckDB writes it."""
    return f'"{text.translate(_ESCAPES)}"'
