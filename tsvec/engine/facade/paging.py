"""What a page of a list is read from."""

from __future__ import annotations

from tsvec.engine.published import Published
from tsvec.model.bounds.deadline import NEVER, Deadline
from tsvec.model.errors import GoneError
from tsvec.model.queries import PageRequest
from tsvec.model.times import AsOf
from tsvec.model.validation import invalid_field
from tsvec.query.lists.cursors import read_cursor
from tsvec.window.window_set import WindowSet


def read_page(collection: Published, request: PageRequest, deadline: Deadline = NEVER) -> WindowSet:
    """The window set of the moment a list was begun at, which is now on its first page.

    InvalidRequestError for a cursor of another question, GoneError once that moment lies beyond the
    horizon.
    """
    cursor = read_cursor(collection.windows.history, request)
    if cursor is None:
        return collection.read(request.as_of, request.wait_for_seq, deadline)
    last = collection.windows.seq
    if cursor.seq > last:
        raise invalid_field("cursor", f"names change {cursor.seq}, but the last one is {last}")
    try:
        return collection.read(AsOf(seq=cursor.seq), request.wait_for_seq, deadline)
    except GoneError:
        horizon = collection.windows.config.history_horizon
        raise GoneError(
            f"cursor: the list was begun after change {cursor.seq}, beyond the history_horizon of "
            f"{horizon} for which the past is kept; begin it again"
        ) from None
