"""The masks of a database: evaluated when they are first asked for, kept within a budget."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tsvec.model.bounds.deadline import NEVER, Deadline
from tsvec.model.filters.predicates import Predicate
from tsvec.model.vectors import Int64Array
from tsvec.storage.predicates.runner import PredicateRunner
from tsvec.storage.predicates.sql import CompiledPredicate, compile_predicate
from tsvec.window.masks.documents import (
    DocumentBlock,
    DocumentRun,
    MaskShelf,
    RowMask,
    rows_of_bytes,
)

_FEW = 16
"""Rows that are fewer than one in this many of those that a mask lacks are evaluated by
themselves, and not remembered."""

_PIECE_ROWS = 1 << 18
_PIECE_BYTES = 64 << 20
"""Documents are evaluated so many at a time, which takes about a quarter of a second: between two
pieces a deadline is looked at, and others who want the same mask get to it."""

_KEEP_SHARE = 0.9
"""Of the budget, when it is exceeded: room for the next masks without another look at all."""


@dataclass(slots=True)
class Held:
    """Masks that a question goes on using, whether the cache keeps them or not.

    A question is planned, then asked, and a delete evaluates before the writer does; what was
    evaluated must still be there then.
    """

    masks: dict[tuple[int, CompiledPredicate], tuple[MaskShelf, RowMask]] = field(
        default_factory=dict
    )


class MaskCache:
    """Masks by block and predicate, all of them together at most `bytes_max`, about.

    Second chance: what was used since the last look stays, the next goes. A mask that is there is
    found and read without a lock.
    """

    def __init__(self, bytes_max: int = 64 << 20) -> None:
        self.bytes_max = bytes_max
        self._runner = PredicateRunner()
        self._compiled: weakref.WeakValueDictionary[Predicate, CompiledPredicate] = (
            weakref.WeakValueDictionary()
        )
        self._lock = threading.Lock()
        # Weak: masks live and die with their block.
        self._kept: deque[tuple[weakref.ref[MaskShelf], CompiledPredicate, int]] = deque()
        self._bytes = 0

    @property
    def bytes(self) -> int:
        """What the masks take, those of blocks that are gone left out."""
        with self._lock:
            self._forget_gone()
            return self._bytes

    def compiled(self, predicate: Predicate) -> CompiledPredicate:
        """A predicate that says nothing of entities, compiled; the same object as long as it is
        used anywhere.
        """
        found = self._compiled.get(predicate)
        if found is not None:
            return found
        made = compile_predicate(predicate)
        with self._lock:
            return self._compiled.setdefault(predicate, made)

    def test(
        self,
        predicate: CompiledPredicate,
        run: DocumentRun,
        rows: slice | Int64Array,
        held: Held,
        deadline: Deadline = NEVER,
    ) -> NDArray[np.bool_]:
        """Whether the predicate holds of some documents of a run, by their place in it.

        What was evaluated before the deadline is remembered, so a second try gets further.
        """
        mask, rows = self._mask(predicate, run.block, held), _shifted(rows, run.begin)
        missing = mask.missing(rows, run.end)
        if missing and not isinstance(rows, slice) and len(rows) * _FEW < _count(missing):
            return self._runner.run(predicate, run.block.documents(rows))
        while missing:
            deadline.check()
            with mask.lock:
                for low, high in mask.missing(rows, run.end)[:1]:
                    documents = run.block.documents(slice(low, min(high, low + _PIECE_ROWS)))
                    documents = documents[: rows_of_bytes(documents, _PIECE_BYTES)]
                    mask.fill(low, self._runner.run(predicate, documents))
                missing = mask.missing(rows, run.end)
        return mask.values(rows)

    def count_missing(
        self, predicate: CompiledPredicate, run: DocumentRun, rows: slice | Int64Array, held: Held
    ) -> int:
        """How many documents `test` would have to evaluate."""
        mask, rows = self._mask(predicate, run.block, held), _shifted(rows, run.begin)
        missing = _count(mask.missing(rows, run.end))
        few = not isinstance(rows, slice) and len(rows) * _FEW < missing
        return len(rows) if few and not isinstance(rows, slice) else missing

    def close(self) -> None:
        """Let DuckDB go."""
        self._runner.close()

    def _mask(self, predicate: CompiledPredicate, block: DocumentBlock, held: Held) -> RowMask:
        """The mask that the question holds, or that is kept, or a new one."""
        shelf = block.shelf
        # The shelf is held too, or another one could come to have its id.
        known = held.masks.get((id(shelf), predicate))
        if known is not None:
            known[1].used = True
            return known[1]
        mask = shelf.masks.get(predicate)
        if mask is None:
            made = RowMask(block.capacity)
            mask = shelf.masks.setdefault(predicate, made)
            if mask is made:
                self._admit(shelf, predicate, mask.bytes)
        mask.used = True
        held.masks[id(shelf), predicate] = shelf, mask
        return mask

    def _admit(self, shelf: MaskShelf, predicate: CompiledPredicate, size: int) -> None:
        with self._lock:
            self._kept.append((weakref.ref(shelf), predicate, size))
            self._bytes += size
            if self._bytes > self.bytes_max:
                self._forget_gone()
            if self._bytes > self.bytes_max:
                self._let_go(int(self.bytes_max * _KEEP_SHARE))

    def _forget_gone(self) -> None:
        kept = [entry for entry in self._kept if entry[0]() is not None]
        self._kept = deque(kept)
        self._bytes = sum(size for _, _, size in kept)

    def _let_go(self, bytes_max: int) -> None:
        # One chance each: readers that keep using all of them must not keep this going.
        chances = len(self._kept)
        while self._kept and self._bytes > bytes_max:
            entry = self._kept.popleft()
            reference, predicate, size = entry
            shelf = reference()
            mask = None if shelf is None else shelf.masks.get(predicate)
            if mask is not None and mask.used and chances > 0:
                mask.used = False
                self._kept.append(entry)
            else:
                self._bytes -= size
                if shelf is not None:
                    shelf.masks.pop(predicate, None)
            chances -= 1


def _shifted(rows: slice | Int64Array, by: int) -> slice | Int64Array:
    if isinstance(rows, slice):
        return slice(rows.start + by, rows.stop + by)
    return rows + by if by else rows


def _count(runs: list[tuple[int, int]]) -> int:
    return sum(high - low for low, high in runs)
