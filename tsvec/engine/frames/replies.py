"""Replies as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias, get_args

import pyarrow as pa
from pydantic import BaseModel

from tsvec.engine.frames.schema import TEXT, column_of, schema_of
from tsvec.model.errors import InvalidRequestError
from tsvec.model.nearest.replies import RankedHit, TemporalDiffReply
from tsvec.model.replies import Hit, TemporalKnnBatchReply

_LISTS = ("items", "hits")

Leading: TypeAlias = Sequence[tuple[pa.Field, list[Any]]]
"""Columns that say where in a reply each record was."""


def to_arrow(reply: BaseModel, *, dim: int | None = None) -> pa.Table:
    """A reply as a table: a row a point, hit, entity, window or collection, a column a field.

    The columns are those of the records, whatever they hold. `vector` is of type
    fixed_size_list<float32>; of which size is seen from the vectors there are, and without any is
    taken from `dim`, or the column is of type null. A batch or a walk has the place of the question
    in front, a difference `movement` (entered, left, moved), `range` (before, after), `rank` and
    the deltas; an entity that moved has two rows. What the reply says besides is JSON in the
    schema's metadata, under `tsvec`. InvalidRequestError for what holds no list of records.
    """
    if isinstance(reply, TemporalKnnBatchReply):
        return _batch_table(reply, dim)
    if isinstance(reply, TemporalDiffReply):
        return _diff_table(reply, dim)
    for name in _LISTS:
        field = getattr(type(reply), "model_fields", {}).get(name)
        if field is not None:
            [record] = get_args(field.annotation)
            return _table(reply, {name}, record, getattr(reply, name), dim)
    raise InvalidRequestError(
        "to_arrow takes replies that hold points, hits, entities, windows or collections, "
        f"not {type(reply).__name__}"
    )


def _batch_table(reply: TemporalKnnBatchReply, dim: int | None) -> pa.Table:
    places, hits = [], []
    for place, result in enumerate(reply.results):
        places += [place] * len(result.hits)
        hits += result.hits
    leading: Leading = [(pa.field("query", pa.int64(), nullable=False), places)]
    return _table(reply, {"results": {"__all__": {"hits"}}}, Hit, hits, dim, leading)


def _diff_table(reply: TemporalDiffReply, dim: int | None) -> pa.Table:
    rows = list(_moves(reply))
    names = ("movement", "range", "rank", "rank_delta", "distance_delta")
    kinds = (TEXT, TEXT, pa.int64(), pa.int64(), pa.float64())
    leading: Leading = [
        (pa.field(name, kind, nullable=name.endswith("delta")), [row[place] for row in rows])
        for place, (name, kind) in enumerate(zip(names, kinds, strict=True))
    ]
    hits = [row[-1] for row in rows]
    return _table(reply, {"entered", "left", "moved"}, Hit, hits, dim, leading)


def _moves(reply: TemporalDiffReply) -> Iterator[tuple[Any, ...]]:
    def row(movement: str, side: str, ranked: RankedHit, *deltas: float | None) -> tuple[Any, ...]:
        return movement, side, ranked.rank, *(deltas or (None, None)), ranked.hit

    for ranked in reply.entered:
        yield row("entered", "after", ranked)
    for ranked in reply.left:
        yield row("left", "before", ranked)
    for moved in reply.moved:
        deltas = moved.rank_delta, moved.distance_delta
        yield row("moved", "before", moved.before, *deltas)
        yield row("moved", "after", moved.after, *deltas)


def _table(
    reply: BaseModel,
    lists: Any,
    record: type[BaseModel],
    found: Sequence[Any],
    dim: int | None,
    leading: Leading = (),
) -> pa.Table:
    """The table of the records that `lists` of a reply hold."""
    vectors = (one.vector for one in found if getattr(one, "vector", None) is not None)
    sizes = map(len, vectors)
    schema = schema_of(record, next(sizes, dim))
    columns = [column_of(field, values) for field, values in leading]
    columns += [column_of(field, [getattr(one, field.name) for one in found]) for field in schema]
    said = {"tsvec": reply.model_dump_json(exclude=lists)}
    whole = pa.schema([*(field for field, _ in leading), *schema], metadata=said)
    return pa.Table.from_arrays(columns, schema=whole)
