"""temporal_diff: the set difference of two exact searches, one hit an entity.

What is near in each range is the answer of `temporal_knn` with `distinct="entity"`; who is in which
of the two answers, and where, is the difference.
"""

from __future__ import annotations

from tsvec.model.nearest.replies import (
    DiffExplain,
    MovedEntity,
    RankedHit,
    TemporalDiffReply,
)
from tsvec.model.nearest.requests import TemporalDiffRequest
from tsvec.model.queries import TemporalKnnRequest, TimeRange
from tsvec.model.replies import TemporalKnnReply
from tsvec.query.knn import answer_knn, prepare_knn
from tsvec.window.window_set import WindowSet


def answer_diff(windows: WindowSet, request: TemporalDiffRequest) -> TemporalDiffReply:
    """How what is near differs between two ranges; raises what is wrong with the question."""
    ranges = (request.before, request.after)
    before, after = answer_knn([prepare_knn(windows, _search(request, one)) for one in ranges])
    then, now = _ranked(before), _ranked(after)
    both = [(then[name], hit) for name, hit in now.items() if name in then]
    moved = [_moved(old, new) for old, new in both if _place(old) != _place(new)]
    return TemporalDiffReply(
        entered=[hit for name, hit in now.items() if name not in then],
        left=[hit for name, hit in then.items() if name not in now],
        moved=moved,
        stayed=len(both) - len(moved),
        exact=before.exact and after.exact,
        as_of_seq=windows.seq,
        explain=_explain(before, after),
    )


def _search(request: TemporalDiffRequest, within: TimeRange) -> TemporalKnnRequest:
    fields = dict(request) | dict(within)
    shared = {name: fields[name] for name in TemporalKnnRequest.model_fields if name in fields}
    return TemporalKnnRequest.model_construct(**shared, distinct="entity")


def _ranked(reply: TemporalKnnReply) -> dict[str, RankedHit]:
    """The hits by entity, nearest first."""
    return {
        hit.entity_id: RankedHit.model_construct(rank=rank, hit=hit)
        for rank, hit in enumerate(reply.hits, 1)
    }


def _place(ranked: RankedHit) -> tuple[int, float]:
    return ranked.rank, ranked.hit.distance


def _moved(old: RankedHit, new: RankedHit) -> MovedEntity:
    return MovedEntity.model_construct(
        entity_id=new.hit.entity_id,
        before=old,
        after=new,
        rank_delta=new.rank - old.rank,
        distance_delta=new.hit.distance - old.hit.distance,
    )


def _explain(before: TemporalKnnReply, after: TemporalKnnReply) -> DiffExplain | None:
    if before.explain is None or after.explain is None:
        return None
    return DiffExplain(before=before.explain, after=after.explain)
