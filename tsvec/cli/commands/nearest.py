"""Ask what is near: the k nearest, all within a radius, the difference of two ranges."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tsvec.cli import render
from tsvec.cli.console import show
from tsvec.cli.options import (
    AsOfOption,
    AtOption,
    CollectionOption,
    DataOption,
    EndOption,
    EntityOption,
    IdsOption,
    JsonOption,
    StartOption,
    TypesOption,
    UrlOption,
    VectorOption,
    VectorsOption,
    instant,
)
from tsvec.cli.target import open_target
from tsvec.model.collections import DEFAULT_COLLECTION
from tsvec.model.limits import LIMITS
from tsvec.model.nearest.requests import TemporalDiffRequest, TemporalRangeRequest
from tsvec.model.queries import TemporalKnnRequest
from tsvec.model.validation import record_of

_K = Annotated[int, typer.Option("-k", min=1, help="How many neighbours.")]
_Explain = Annotated[bool, typer.Option("--explain", help="Show the plan that was run.")]
_Space = Annotated[
    str | None,
    typer.Option("--space", metavar="MODEL", help="Refuse vectors of another embedding model."),
]
_HalfLife = Annotated[
    str | None,
    typer.Option(
        "--half-life", metavar="DURATION", help="Let points of this age count half: 90s, 1h, 7d."
    ),
]
_DecayAt = Annotated[
    int | None,
    typer.Option(
        "--decay-at",
        parser=instant,
        metavar="TIME",
        help="With --half-life: ages count from here. [default: --end, --as-of or the last change]",
    ),
]


def knn(
    vector: VectorOption = None,
    entity: EntityOption = None,
    at: AtOption = None,
    start: StartOption = None,
    end: EndOption = None,
    k: _K = 10,
    types: TypesOption = None,
    ids: IdsOption = None,
    distinct: Annotated[
        bool, typer.Option("--distinct", help="Only the best point of each entity.")
    ] = False,
    half_life: _HalfLife = None,
    decay_at: _DecayAt = None,
    space: _Space = None,
    vectors: VectorsOption = False,
    explain: _Explain = False,
    as_of: AsOfOption = None,
    url: UrlOption = None,
    data: DataOption = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Find the points of a time range that are nearest to a vector."""
    if decay_at is not None and half_life is None:
        raise typer.BadParameter("--decay-at goes with --half-life")
    decay = None if half_life is None else _given(half_life=half_life, decay_at=decay_at)
    request = record_of(
        TemporalKnnRequest,
        _subject(vector, entity, at)
        | _given(
            start_time=start,
            end_time=end,
            k=k,
            entity_types=types,
            entity_ids=ids,
            distinct="entity" if distinct else None,
            time_decay=decay,
            space=space,
            include=["metadata", "vector"] if vectors else None,
            explain=explain,
            as_of=as_of,
        ),
    )
    with open_target(url, data) as target:
        reply = target.collection(collection).answer(request)
    show(reply, render.knn(reply), as_json=as_json)


def within(
    radius: Annotated[float, typer.Argument(help="The largest distance.")],
    vector: VectorOption = None,
    entity: EntityOption = None,
    at: AtOption = None,
    start: StartOption = None,
    end: EndOption = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=LIMITS.k_max, help="Points shown at most.")
    ] = 100,
    types: TypesOption = None,
    ids: IdsOption = None,
    space: _Space = None,
    vectors: VectorsOption = False,
    explain: _Explain = False,
    as_of: AsOfOption = None,
    url: UrlOption = None,
    data: DataOption = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Find all points of a time range within a distance of a vector."""
    request = record_of(
        TemporalRangeRequest,
        _subject(vector, entity, at)
        | _given(
            radius=radius,
            start_time=start,
            end_time=end,
            limit=limit,
            entity_types=types,
            entity_ids=ids,
            space=space,
            include=["metadata", "vector"] if vectors else None,
            explain=explain,
            as_of=as_of,
        ),
    )
    with open_target(url, data) as target:
        reply = target.collection(collection).answer_range(request)
    show(reply, render.within(reply), as_json=as_json)


def diff(
    vector: VectorOption = None,
    entity: EntityOption = None,
    at: AtOption = None,
    before_start: Annotated[
        int | None,
        typer.Option(parser=instant, metavar="TIME", help="First instant compared with."),
    ] = None,
    before_end: Annotated[
        int | None, typer.Option(parser=instant, metavar="TIME", help="First instant after that.")
    ] = None,
    after_start: Annotated[
        int | None, typer.Option(parser=instant, metavar="TIME", help="First instant asked about.")
    ] = None,
    after_end: Annotated[
        int | None, typer.Option(parser=instant, metavar="TIME", help="First instant after that.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many entities of each range.")] = 10,
    types: TypesOption = None,
    ids: IdsOption = None,
    space: _Space = None,
    as_of: AsOfOption = None,
    url: UrlOption = None,
    data: DataOption = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Tell which entities came near a vector, went away or moved between two time ranges."""
    request = record_of(
        TemporalDiffRequest,
        _subject(vector, entity, at)
        | _given(
            before=_given(start_time=before_start, end_time=before_end),
            after=_given(start_time=after_start, end_time=after_end),
            k=k,
            entity_types=types,
            entity_ids=ids,
            space=space,
            as_of=as_of,
        ),
    )
    with open_target(url, data) as target:
        reply = target.collection(collection).answer_diff(request)
    show(reply, render.difference(reply), as_json=as_json)


def _subject(vector: Any, entity: str | None, at: int | None) -> dict[str, Any]:
    """What to compare with."""
    if (vector is None) == (entity is None):
        raise typer.BadParameter("give either --vector or --entity")
    if at is not None and entity is None:
        raise typer.BadParameter("--at goes with --entity")
    return _given(query_vector=vector, entity_id=entity, at=at)


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
