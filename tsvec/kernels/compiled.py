"""Loops compiled to machine code, kept on disk between runs where that is possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
Result = TypeVar("Result")

REORDER = {"reassoc", "contract"}
"""Lets a sum be kept in several parts that are added at the end, which is what makes it quick.

NaN, infinities and the sign of zero keep their meaning. In which order the terms of a sum are added
is settled when the loop is compiled, and depends on nothing but how many they are.
"""


def compiled(*signatures: str) -> Callable[[Callable[P, Result]], Callable[P, Result]]:
    """Compile a function for arguments of these types when it is defined; it runs without the GIL.

    The machine code is kept beside the module, in the user's cache directory or in
    `NUMBA_CACHE_DIR`; where none of them can be written to, every process compiles anew.
    """

    def compile_one(function: Callable[P, Result]) -> Callable[P, Result]:
        options: dict[str, Any] = {"nogil": True, "fastmath": REORDER, "error_model": "numpy"}
        try:
            made = numba.njit(list(signatures), cache=True, **options)(function)
        except RuntimeError:  # no directory for the cache
            made = numba.njit(list(signatures), **options)(function)
        return cast("Callable[P, Result]", made)

    return compile_one
