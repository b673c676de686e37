"""Nearest neighbours in time."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tsvec.engine.collection import Collection, PreparedKnn
from tsvec.model.nearest.requests import (
    TemporalDiffRequest,
    TemporalKnnWalkRequest,
    TemporalRangeRequest,
)
from tsvec.model.queries import TemporalKnnBatchRequest, TemporalKnnRequest
from tsvec.server.body import read_json
from tsvec.server.parameters import refuse_query
from tsvec.server.replies import EncodedReply, JsonReply
from tsvec.server.services import INLINE_US_MAX, collection_of, services_of


async def temporal_knn(request: Request) -> Response:
    """The nearest points of a time range."""
    refuse_query(request)
    collection = collection_of(request)
    question = await read_json(request, TemporalKnnRequest)
    services = services_of(request)
    await services.wait_for(collection, question.wait_for_seq)
    planned = await _prepare(request, collection, question)
    if planned.plan.cost_us < INLINE_US_MAX:
        return EncodedReply(await services.queries.ask(collection, planned))
    return EncodedReply((await services.read(request, collection.encode_answers, [planned]))[0])


async def temporal_knn_batch(request: Request) -> Response:
    """Many such questions, answered from one window set."""
    refuse_query(request)
    collection = collection_of(request)
    questions = await read_json(request, TemporalKnnBatchRequest)
    services = services_of(request)
    seqs = [each.wait_for_seq for each in questions.queries if each.wait_for_seq is not None]
    await services.wait_for(collection, max(seqs, default=None))
    return EncodedReply(await services.read(request, collection.encode_batch, questions))


async def temporal_knn_walk(request: Request) -> Response:
    """One such question, asked of many states of the collection."""
    refuse_query(request)
    collection = collection_of(request)
    question = await read_json(request, TemporalKnnWalkRequest)
    services = services_of(request)
    await services.wait_for(collection, question.wait_for_seq)
    return EncodedReply(await services.read(request, collection.encode_batch, question))


async def temporal_range(request: Request) -> Response:
    """All points of a time range within a radius."""
    refuse_query(request)
    collection = collection_of(request)
    question = await read_json(request, TemporalRangeRequest)
    services = services_of(request)
    await services.wait_for(collection, question.wait_for_seq)
    return JsonReply(await services.read(request, collection.answer_range, question))


async def temporal_diff(request: Request) -> Response:
    """How what is near differs between two time ranges."""
    refuse_query(request)
    collection = collection_of(request)
    question = await read_json(request, TemporalDiffRequest)
    services = services_of(request)
    await services.wait_for(collection, question.wait_for_seq)
    return JsonReply(await services.read(request, collection.answer_diff, question))


async def _prepare(
    request: Request, collection: Collection, question: TemporalKnnRequest
) -> PreparedKnn:
    """Plan a question, in a thread if it is of the past, which has to be found first."""
    if question.as_of is not None:
        return await services_of(request).read(request, collection.prepare, question)
    return collection.prepare(question)


_QUERY = "/v1/collections/{collection}/query"

ROUTES = [
    Route(f"{_QUERY}/temporal-knn", temporal_knn, methods=["POST"]),
    Route(f"{_QUERY}/temporal-knn/batch", temporal_knn_batch, methods=["POST"]),
    Route(f"{_QUERY}/temporal-knn/walk", temporal_knn_walk, methods=["POST"]),
    Route(f"{_QUERY}/temporal-range", temporal_range, methods=["POST"]),
    Route(f"{_QUERY}/temporal-diff", temporal_diff, methods=["POST"]),
]
