"""Single points, and lists of what a collection holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from tsvec.engine.facade.handle import Handle
from tsvec.engine.facade.paging import read_page
from tsvec.engine.frames.points import points_reader
from tsvec.model.collections import WindowList
from tsvec.model.lists.replies import PointList
from tsvec.model.lists.requests import PointRequest, PointsRequest, ReadPointsRequest
from tsvec.model.queries import DeletedPointsRequest, Include, WindowsRequest
from tsvec.model.replies import DeletedPointList, Point
from tsvec.query.deleted import page_deleted
from tsvec.query.lists.point import describe_point
from tsvec.query.lists.points import page_points
from tsvec.query.windows import page_windows


class PointReads(Handle):
    """Single points, and lists of points and windows. Each takes `as_of` and `wait_for_seq`.

    All pages of a list are read as of the change after which the first one was.
    """

    def list_points(self, **request: Any) -> PointList:
        """One page of points by event time, entity id and key.

        Keywords are the fields of `PointsRequest`: `start_time`, `end_time`, `entity_ids`,
        `entity_types`, `filter`, `order`, `include`, `limit`, `cursor`, `as_of`, `wait_for_seq`.
        """
        return self.points(self._given(PointsRequest, **request))

    def points(self, request: PointsRequest) -> PointList:
        """`list_points` for a request record."""
        return page_points(read_page(self._store(), request, self.deadline), request)

    def read_points(self, **request: Any) -> pa.RecordBatchReader:
        """All points of a time range as columns, in order of event time and then of seq.

        Keywords are the fields of `ReadPointsRequest`: `start_time`, `end_time`, `entity_ids`,
        `entity_types`, `filter`, `include`, `as_of`, `wait_for_seq`. The columns are those that
        `ingest` takes, unless `include` adds `recorded_at` or `seq`. What is read is fixed by this
        call. The reader hands out batches of a few MB as they are asked for, and keeps the files of
        that moment until it is read to its end or let go; it ends with the database.
        """
        wanted = self._given(ReadPointsRequest, **request)
        store = self._store()
        windows = self._read(wanted.as_of, wanted.wait_for_seq)
        return points_reader(windows, wanted, store.check_open)

    def get_point(
        self,
        entity_id: str,
        timestamp: Any,
        *,
        key: str | None = None,
        include: Sequence[Include] = ("metadata",),
        as_of: Any = None,
        wait_for_seq: int | None = None,
    ) -> Point:
        """One point, by what identifies it; NotFoundError if it is not there."""
        request = self._given(
            PointRequest,
            entity_id=entity_id,
            timestamp=timestamp,
            key=key,
            include=list(include),
            as_of=as_of,
            wait_for_seq=wait_for_seq,
        )
        return self.point(request)

    def point(self, request: PointRequest) -> Point:
        """`get_point` for a request record."""
        return describe_point(self._read(request.as_of, request.wait_for_seq), request)

    def list_windows(self, **request: Any) -> WindowList:
        """One page of the windows that hold points of a time range, oldest first.

        Keywords are the fields of `WindowsRequest`: `start_time`, `end_time`, `limit`, `cursor`,
        `as_of`, `wait_for_seq`.
        """
        return self.windows(self._given(WindowsRequest, **request))

    def windows(self, request: WindowsRequest) -> WindowList:
        """`list_windows` for a request record."""
        return page_windows(read_page(self._store(), request, self.deadline), request)

    def list_deleted_points(self, **request: Any) -> DeletedPointList:
        """One page of the deleted points that can be brought back, the newest deletion first.

        Keywords are the fields of `DeletedPointsRequest`: `entity_ids`, `start_time`, `end_time`,
        `limit`, `cursor`, `as_of`, `wait_for_seq`.
        """
        return self.deleted(self._given(DeletedPointsRequest, **request))

    def deleted(self, request: DeletedPointsRequest) -> DeletedPointList:
        """`list_deleted_points` for a request record."""
        store = self._store()
        windows = read_page(store, request, self.deadline)
        return page_deleted(windows, store.oldest_as_of(), request)
