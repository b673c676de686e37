"""Delete points, bring them back, list those that can be."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tsvec.cli import render
from tsvec.cli.console import show
from tsvec.cli.options import (
    AsOfOption,
    CollectionOption,
    CursorOption,
    DataOption,
    DryRunOption,
    EndOption,
    FilterOption,
    IdempotencyKeyOption,
    IdsOption,
    JsonOption,
    LimitOption,
    PointOption,
    PointsFileOption,
    StartOption,
    UrlOption,
    WaitOption,
    YesOption,
    given,
    json_lines,
)
from tsvec.cli.target import open_target
from tsvec.model.collections import DEFAULT_COLLECTION
from tsvec.model.errors import InvalidRequestError
from tsvec.model.queries import (
    DeletedPointsRequest,
    DeletePointsRequest,
    PointRef,
    RestorePointsRequest,
)
from tsvec.model.validation import given_record, record_of


def delete(
    point: PointOption = None,
    points: PointsFileOption = None,
    ids: IdsOption = None,
    start: StartOption = None,
    end: EndOption = None,
    filter_: FilterOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    idempotency_key: IdempotencyKeyOption = None,
    url: UrlOption = None,
    data: DataOption = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Delete points: some by name, or those of entities, a time range, a filter, or of all."""
    fields = _selector(point, points, ids, start, end)
    if filter_ is not None:
        fields["filter"] = filter_
    counted = record_of(DeletePointsRequest, fields | {"dry_run": True})
    with open_target(url, data) as target:
        where = target.collection(collection)
        reply = where.delete(counted)
        if not dry_run and (reply.deleted or idempotency_key):
            ask_first(f"delete {render.plural(reply.deleted, 'point')} of {collection!r}?", yes=yes)
            reply = where.delete(counted.model_copy(update={"dry_run": False}), idempotency_key)
    show(reply, render.deletion(reply, asked=dry_run), as_json=as_json)


def restore(
    point: PointOption = None,
    points: PointsFileOption = None,
    ids: IdsOption = None,
    start: StartOption = None,
    end: EndOption = None,
    first_seq: Annotated[
        int | None, typer.Option(min=0, help="Only deletions with this seq or a later one.")
    ] = None,
    last_seq: Annotated[
        int | None, typer.Option(min=0, help="Only deletions with this seq or an earlier one.")
    ] = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    idempotency_key: IdempotencyKeyOption = None,
    url: UrlOption = None,
    data: DataOption = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Bring deleted points back: those of one delete by its seqs, or as delete selects them."""
    fields = _selector(point, points, ids, start, end)
    fields |= given(first_seq=first_seq, last_seq=last_seq)
    counted = record_of(RestorePointsRequest, fields | {"dry_run": True})
    with open_target(url, data) as target:
        where = target.collection(collection)
        reply = where.restore(counted)
        if not dry_run and (reply.restored or idempotency_key):
            ask_first(
                f"restore {render.plural(reply.restored, 'point')} of {collection!r}?", yes=yes
            )
            reply = where.restore(counted.model_copy(update={"dry_run": False}), idempotency_key)
    show(reply, render.restoration(reply, asked=dry_run), as_json=as_json)


def deleted(
    ids: IdsOption = None,
    start: StartOption = None,
    end: EndOption = None,
    limit: LimitOption = 100,
    cursor: CursorOption = None,
    as_of: AsOfOption = None,
    wait_for_seq: WaitOption = None,
    url: UrlOption = None,
    data: DataOption = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """List the deleted points that can be brought back."""
    request = given_record(
        DeletedPointsRequest,
        entity_ids=ids,
        start_time=start,
        end_time=end,
        limit=limit,
        cursor=cursor,
        as_of=as_of,
        wait_for_seq=wait_for_seq,
    )
    with open_target(url, data) as target:
        reply = target.collection(collection).deleted(request)
    show(reply, render.deleted(reply), as_json=as_json)


def _selector(
    point: list[PointRef] | None,
    file: Path | None,
    ids: list[str] | None,
    start: int | None,
    end: int | None,
) -> dict[str, Any]:
    named = [*(point or ()), *(json_lines(file, PointRef) if file else ())]
    if file and not named:
        raise typer.BadParameter(f"{file} names no point")
    return given(points=named or None, entity_ids=ids or None, start_time=start, end_time=end)


def ask_first(question: str, *, yes: bool) -> None:
    """Go on if the answer is yes; the question goes to stderr, it is no part of the output."""
    if yes:
        return
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer:
        sys.stderr.write("\n")
        raise InvalidRequestError("nobody answers; --yes goes on without asking")
    if answer.strip().lower() not in {"y", "yes"}:
        raise typer.Exit(1)
