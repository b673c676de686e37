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
    FilterOption,
    IdsOption,
    JsonOption,
    SpaceOption,
    StartOption,
    TypesOption,
    UrlOption,
    VectorOption,
    VectorsOption,
    WaitOption,
    WithoutMetadata,
    given,
    include,
    instant,
)
from tsvec.cli.target import open_target
from tsvec.model.collections import DEFAULT_COLLECTION
from tsvec.model.nearest.requests import TemporalDiffRequest, TemporalRangeRequest
from tsvec.model.queries import TemporalKnnRequest
from tsvec.model.validation import record_of

KOption = Annotated[int, typer.Option("-k", min=1, help="How many neighbours.")]
ExplainOption = Annotated[bool, typer.Option("--explain", help="Show the plan that was run.")]
DistinctOption = Annotated[
    bool, typer.Option("--distinct", help="Only the best point of each entity.")
]
HalfLifeOption = Annotated[
    str | None,
    typer.Option(
        "--half-life", metavar="DURATION", help="Let points of this age count half: 90s, 1h, 7d."
    ),
]
DecayAtOption = Annotated[
    int | None,
    typer.Option(
        "--decay-at",
        parser=instant,
        metavar="TIME",
        help="With --half-life: ages count from here. "
        "\\[default: --end, --as-of or the last change]",
    ),
]


def knn(
    vector: VectorOption = None,
    entity: EntityOption = None,
    at: AtOption = None,
    start: StartOption = None,
    end: EndOption = None,
    k: KOption = 10,
    types: TypesOption = None,
    ids: IdsOption = None,
    filter_: FilterOption = None,
    distinct: DistinctOption = False,
    half_life: HalfLifeOption = None,
    decay_at: DecayAtOption = None,
    space: SpaceOption = None,
    vectors: VectorsOption = False,
    no_metadata: WithoutMetadata = False,
    explain: ExplainOption = False,
    as_of: AsOfOption = None,
    wait_for_seq: WaitOption = None,
    url: UrlOption = None,
    data: DataOption = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Find the points of a time range that are nearest to a vector."""
    request = record_of(
        TemporalKnnRequest,
        subject(vector, entity, at)
        | given(
            start_time=start,
            end_time=end,
            k=k,
            entity_types=types,
            entity_ids=ids,
            filter=filter_,
            distinct="entity" if distinct else None,
            time_decay=decay_of(half_life, decay_at),
            space=space,
            include=include(vectors=vectors, no_metadata=no_metadata),
            explain=explain,
            as_of=as_of,
            wait_for_seq=wait_for_seq,
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
    limit: Annotated[int, typer.Option("--limit", min=1, help="Points shown at most.")] = 100,
    types: TypesOption = None,
    ids: IdsOption = None,
    filter_: FilterOption = None,
    space: SpaceOption = None,
    vectors: VectorsOption = False,
    no_metadata: WithoutMetadata = False,
    explain: ExplainOption = False,
    as_of: AsOfOption = None,
    wait_for_seq: WaitOption = None,
    url: UrlOption = None,
    data: DataOption = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Find all points of a time range within a distance of a vector."""
    request = record_of(
        TemporalRangeRequest,
        subject(vector, entity, at)
        | given(
            radius=radius,
            start_time=start,
            end_time=end,
            limit=limit,
            entity_types=types,
            entity_ids=ids,
            filter=filter_,
            space=space,
            include=include(vectors=vectors, no_metadata=no_metadata),
            explain=explain,
            as_of=as_of,
            wait_for_seq=wait_for_seq,
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
    filter_: FilterOption = None,
    space: SpaceOption = None,
    vectors: VectorsOption = False,
    no_metadata: WithoutMetadata = False,
    explain: ExplainOption = False,
    as_of: AsOfOption = None,
    wait_for_seq: WaitOption = None,
    url: UrlOption = None,
    data: DataOption = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Tell which entities came near a vector, went away or moved between two time ranges."""
    request = record_of(
        TemporalDiffRequest,
        subject(vector, entity, at)
        | given(
            before=given(start_time=before_start, end_time=before_end),
            after=given(start_time=after_start, end_time=after_end),
            k=k,
            entity_types=types,
            entity_ids=ids,
            filter=filter_,
            space=space,
            include=include(vectors=vectors, no_metadata=no_metadata),
            explain=explain,
            as_of=as_of,
            wait_for_seq=wait_for_seq,
        ),
    )
    with open_target(url, data) as target:
        reply = target.collection(collection).answer_diff(request)
    show(reply, render.difference(reply), as_json=as_json)


def decay_of(half_life: str | None, decay_at: int | None) -> dict[str, Any] | None:
    """How age weighs, None if it does not."""
    if decay_at is not None and half_life is None:
        raise typer.BadParameter("--decay-at goes with --half-life")
    return None if half_life is None else given(half_life=half_life, decay_at=decay_at)


def subject(vector: Any, entity: str | None, at: int | None) -> dict[str, Any]:
    """What to compare with."""
    if (vector is None) == (entity is None):
        raise typer.BadParameter("give either --vector or --entity")
    if at is not None and entity is None:
        raise typer.BadParameter("--at goes with --entity")
    return given(query_vector=vector, entity_id=entity, at=at)
