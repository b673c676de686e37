"""Which points of a window set a list is about, however it is read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tsvec.model.lists.requests import PointsChoice
from tsvec.query.lists.pages import Located
from tsvec.query.lists.sweep import Chunk, Sweep
from tsvec.window.part import keep_rows
from tsvec.window.window_set import WindowSet

_POSTINGS_ENTITIES_MAX = 16
"""Up to this many named entities are found by their own row lists instead of a mask."""


class Selection:
    """The points that a choice selects, with event times in [start, end)."""

    def __init__(
        self,
        windows: WindowSet,
        choice: PointsChoice,
        start: int,
        end: int,
        *,
        newest_first: bool = False,
    ) -> None:
        ids, types = choice.entity_ids, choice.entity_types
        few = ids is not None and types is None and len(ids) <= _POSTINGS_ENTITIES_MAX
        names = sorted(set(ids)) if ids is not None and few else None
        parts = windows.overlapping(start, end)
        self.sweep = Sweep(parts, start, end, newest_first, names, windows.deadline)
        self._windows = windows
        self._filter = windows.row_filter(choice.filter)
        self._allowed: NDArray[np.bool_] | None = None
        if not few and (ids is not None or types is not None):
            self._allowed = windows.registry.allowed(types, ids, windows.seq)

    def chosen(self, chunk: Chunk) -> Located:
        """The selected rows of a chunk of the sweep."""
        parts, rows = self.sweep.parts, chunk.rows
        if self._allowed is not None:
            rows = keep_rows(rows, self._allowed[parts[chunk.source].entities(rows)])
        if self._filter is not None:
            rows = self._filter.keep(self._windows, parts[chunk.source], rows)
        return Located.of(parts, chunk.source, rows)
