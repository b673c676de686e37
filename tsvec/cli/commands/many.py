"""`tsvec query`: what is near, asked once, many times, or at many moments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from tsvec.cli import render
from tsvec.cli.commands.nearest import (
    DecayAtOption,
    DistinctOption,
    ExplainOption,
    HalfLifeOption,
    KOption,
    decay_of,
    diff,
    knn,
    subject,
    within,
)
from tsvec.cli.console import show
from tsvec.cli.options import (
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
    json_lines,
    moment,
)
from tsvec.cli.target import open_target
from tsvec.model.collections import DEFAULT_COLLECTION
from tsvec.model.limits import WIDEST
from tsvec.model.nearest.requests import TemporalKnnWalkRequest
from tsvec.model.queries import TemporalKnnBatchRequest, TemporalKnnRequest
from tsvec.model.replies import TemporalKnnBatchReply
from tsvec.model.times import AsOf
from tsvec.model.validation import record_of

query = typer.Typer(no_args_is_help=True, help="Find what is near, in time ranges and in the past.")
query.command("knn")(knn)
query.command("range")(within)
query.command("diff")(diff)

_EachOption = Annotated[
    list[AsOf],
    typer.Option(
        "--as-of-each",
        parser=moment,
        metavar="SEQ|TIME",
        help="Ask at this seq or recorded time; repeatable.",
    ),
]


@query.command("batch")
def batch(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="JSON lines, a TemporalKnnRequest each; -: those of stdin."
        ),
    ],
    url: UrlOption = None,
    data: DataOption = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Answer many kNN questions from one state of the collection."""
    request = record_of(TemporalKnnBatchRequest, {"queries": _questions_of(file)})
    with open_target(url, data) as target:
        reply = target.collection(collection).answer_batch(request)
    titles = [f"query {number}" for number in range(len(reply.results))]
    show(reply, _replies_view(reply, titles), as_json=as_json)


@query.command("walk")
def walk(
    as_of_each: _EachOption,
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
    wait_for_seq: WaitOption = None,
    url: UrlOption = None,
    data: DataOption = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Ask one kNN question at many moments of the past."""
    request = record_of(
        TemporalKnnWalkRequest,
        subject(vector, entity, at)
        | given(
            as_of_each=as_of_each,
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
            wait_for_seq=wait_for_seq,
        ),
    )
    with open_target(url, data) as target:
        reply = target.collection(collection).answer_walk(request)
    show(reply, _replies_view(reply, [f"as of {each}" for each in as_of_each]), as_json=as_json)


def _questions_of(file: Path) -> list[TemporalKnnRequest]:
    questions = []
    for question in json_lines(file, TemporalKnnRequest):
        questions.append(question)
        if len(questions) > WIDEST.queries_max:
            raise typer.BadParameter(
                f"{file} has more than {WIDEST.queries_max} questions (queries_max)"
            )
    return questions


def _replies_view(reply: TemporalKnnBatchReply, titles: list[str]) -> RenderableType:
    parts: list[RenderableType] = []
    for title, one in zip(titles, reply.results, strict=True):
        parts += [Text(title, style="bold"), render.knn(one)]
    return Group(*parts)
