"""Vectors on their way in: finite float32, told apart from everything that only looks like one."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, cast

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, PlainSerializer, Strict, ValidatorFunctionWrapHandler
from pydantic.functional_validators import WrapValidator

from tsvec.model.limits import LIMITS, WIDEST, AtMost

Float32Array: TypeAlias = NDArray[np.float32]
Int64Array: TypeAlias = NDArray[np.int64]

_DIM = AtMost("dim_max", is_list=True)


class ElementError(ValueError):
    """One element of a vector is at fault; `element` is its place, counted from 0."""

    def __init__(self, element: int, message: str) -> None:
        super().__init__(message)
        self.element = element


def vector_from_numbers(numbers: Any) -> Float32Array:
    """A 1-d float32 vector of finite numbers; a ValueError names the first element at fault.

    Values beyond the range of float32 are refused, because they would be stored as infinity.
    """
    with np.errstate(over="ignore"):
        vector = np.asarray(numbers, dtype=np.float32)
    if vector.ndim != 1 or len(vector) == 0:
        raise ValueError("a vector is a non-empty, flat list of numbers")
    _DIM.check(vector)
    return _finite(vector)


def _finite(vector: Float32Array) -> Float32Array:
    finite = np.isfinite(vector)
    if not finite.all():
        element = int(np.argmin(finite))
        raise ElementError(
            element,
            f"element {element} is not a finite float32 number; "
            "NaN, infinity and values beyond 3.4e38 cannot be stored",
        )
    return vector


def shortest_numbers(vector: Float32Array) -> list[float]:
    """The shortest decimals that give the same float32 numbers: 17.3, not 17.299999237060547."""
    text = orjson.dumps(np.ascontiguousarray(vector), option=orjson.OPT_SERIALIZE_NUMPY)
    return cast("list[float]", orjson.loads(text))


def _validate_vector(value: Any, parse: ValidatorFunctionWrapHandler) -> Float32Array:
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "fiu":
            raise ValueError(f"an array of numbers is expected, not of {value.dtype}")
        return vector_from_numbers(value)
    if isinstance(value, set | frozenset):
        raise ValueError("a list of numbers is expected; a set has no order")
    # Of a list that was checked, an array of C floats is the quickest way to float32.
    return _finite(np.frombuffer(array("f", _DIM.check(parse(value))), dtype=np.float32))


if TYPE_CHECKING:
    Vector: TypeAlias = Float32Array
else:
    Vector = Annotated[
        list[Annotated[float, Strict()]],
        Field(
            min_length=1,
            max_length=WIDEST.dim_max,
            fail_fast=True,
            json_schema_extra={"maxItems": LIMITS.dim_max},
        ),
        WrapValidator(_validate_vector),
        PlainSerializer(shortest_numbers, return_type=list[float]),
    ]

RECORD = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, arbitrary_types_allowed=True)
"""Configuration of every record decoded from a request: unknown fields and NaN are refused."""
