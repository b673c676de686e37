from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from tsvec.cli import render
from tsvec.engine.verify import VerifyReport
from tsvec.model.collections import CollectionInfo, CompactionStatus
from tsvec.model.replies import (
    DeletedPoint,
    DeletedPointList,
    DeleteReply,
    Eligible,
    Explain,
    HistoryReply,
    Hit,
    IngestError,
    IngestReply,
    PlanStep,
    Point,
    RestoreReply,
    TemporalKnnReply,
)

TIME = datetime(2026, 1, 31, 12, tzinfo=UTC)


def shown(view, width=120):
    out = io.StringIO()
    Console(file=out, width=width, markup=False, highlight=False).print(view)
    return out.getvalue()


def point(kind=Point, **more):
    known = {
        "entity_id": "a",
        "entity_type": "SHIP",
        "timestamp": TIME,
        "recorded_at": TIME,
        "seq": 7,
    }
    return kind(**known | more)


def reply(*hits, **more):
    eligible = Eligible(value=1_234, relation="eq")
    known = {"hits": hits, "returned": len(hits), "exact": True, "eligible": eligible}
    return TemporalKnnReply(**known | {"as_of_seq": 20_524} | more)


def hit(**more):
    return point(Hit, distance=0.25, similarity=0.8, **more)


def test_hits_are_a_table_with_what_they_have():
    text = shown(render.knn(reply(hit(metadata={"wind": 150, "name": "K"}))))
    assert "2026-01-31 12:00 " in text
    assert "wind=150 name=K" in text
    assert "1 of 1,234 to choose from, exact, as of seq 20,524" in text
    assert "key" not in text
    assert "vector" not in text


def test_keys_and_vectors_get_columns_when_there_are_some():
    text = shown(render.knn(reply(hit(key="k1", vector=np.arange(9, dtype=np.float32)), hit())))
    assert "k1" in text
    assert "[0, 1, 2, 3, …]" in text


def test_a_plan_is_shown_when_asked_for():
    explain = Explain(
        steps=[PlanStep(part="hot-1", method="exact", rows=5, rows_scanned=5, rows_decayed=0)],
        parts_pruned=1,
        parts_decayed=0,
        parts_exact=1,
        rows_scanned=5,
        rows_decayed=0,
        rows_rescored=2,
        planning_us=500,
        scanning_us=700,
        reading_us=300,
        microseconds=1_500,
    )
    text = shown(render.knn(reply(explain=explain)))
    assert "hot-1" in text
    assert "5 rows scanned, 2 measured again, 1 part pruned, 1.50 ms" in text
    assert "too old" not in text
    decayed = explain.model_copy(update={"rows_decayed": 1_234})
    assert "1,234 rows too old to count" in shown(render.knn(reply(explain=decayed)))


def test_stored_text_cannot_steer_the_terminal():
    text = shown(render.knn(reply(hit(metadata={"x": "\x1b[2J[bold]y"}))))
    assert "\x1b" not in text
    assert "[bold]y" in text


def test_a_history_names_the_next_page():
    items = HistoryReply(items=[point(), point()], next_cursor="abc", as_of_seq=9)
    text = shown(render.history("a", items))
    assert "2 points, as of seq 9\nmore with --cursor abc\n" in text


def ingest_reply(**counts):
    known = {"ingested": 0, "unchanged": 0, "replaced": 0, "late": 0, "rejected": 0, "errors": []}
    return IngestReply(**known | counts, seq=5, recorded_at=TIME, durable=True)


def test_what_became_of_rows_is_told_where_it_matters():
    counts = {"unchanged": 1_000, "late": 3}
    assert "1,000 unchanged, 3 late\n" in shown(render.ingest(ingest_reply(**counts), 1.0))
    assert shown(render.ingest(ingest_reply(ingested=1), 1.0)).count("\n") == 1


CHANGED = {"missing": 0, "first_seq": 11, "seq": 12, "recorded_at": TIME, "durable": True}


def test_a_delete_tells_how_to_undo_it():
    reply = DeleteReply(**CHANGED, deleted=2, dry_run=False)
    text = shown(render.deletion(reply, asked=False))
    assert text == "2 points deleted\nundo with `tsvec restore --first-seq 11 --last-seq 12`\n"
    counted = DeleteReply(**CHANGED | {"missing": 1}, deleted=2, dry_run=True)
    text = shown(render.deletion(counted, asked=True))
    assert text == "2 points would be deleted\n1 of those named not there\n"


def test_a_restore_tells_what_it_left():
    fields = CHANGED | {"missing": 3, "occupied": 4, "restored": 1}
    text = shown(render.restoration(RestoreReply(**fields, dry_run=False), asked=False))
    assert text.splitlines() == [
        "1 point came back",
        "4 left out: a live point has the place",
        "3 of those named not kept",
    ]
    asked = RestoreReply(**fields, dry_run=True)
    assert "would come back" in shown(render.restoration(asked, asked=True))


def test_deleted_points_tell_when_they_were_deleted():
    found = point(DeletedPoint, deleted_at=TIME, deleted_seq=1_234)
    text = shown(render.deleted(DeletedPointList(items=[found], next_cursor="c", as_of_seq=9)))
    assert "2026-01-31 12:00     1,234" in text
    assert "1 point, as of seq 9\nmore with --cursor c\n" in text


def test_a_collection_is_shown_with_what_goes_without_saying():
    found = CollectionInfo(
        name="c", dim=3, metric="l2", window_size="1d", allowed_lateness=None, retention=None,
        history_horizon="7d", space=None, history="h", created_at=TIME, seq=5,
    )  # fmt: skip
    text = shown(render.collection(found))
    assert "space" not in text
    named = found.model_copy(update={"space": "model-1"})
    assert "space             model-1" in shown(render.collection(named))
    assert "allowed lateness  1d (a window)" in text
    assert "retention         none" in text


def test_a_compaction_tells_what_is_left():
    known = {"state": "idle", "started_at": TIME, "problem": None}
    status = CompactionStatus(**known, merges=1, rows=20_000, bytes=2_048, partitions=3, waiting=0)
    text = shown(render.compaction(status))
    assert text == "1 merge, 20,000 rows, 2.0 KiB written; 3 partitions now\n"
    left = status.model_copy(update={"waiting": 2})
    assert "3 partitions now, 2 still waiting" in shown(render.compaction(left))


def test_refused_rows_are_listed_up_to_ten():
    errors = [IngestError(index=i, code="invalid_request", message=f"bad {i}") for i in range(12)]
    ingested = ingest_reply(ingested=5, rejected=12, errors=errors)
    text = shown(render.ingest(ingested, 0.5))
    assert "5 points stored and on disk in 0.5 s (10 a second), seq 5" in text
    assert "row 9: bad 9" in text
    assert "… and 2 more; --json lists them" in text


def test_a_verification_names_what_is_damaged():
    good = VerifyReport(files=3, bytes=2_048, repaired=["y.bin"])
    bad = VerifyReport(files=3, bytes=2_048, problems=["x.duckdb: checksum"])
    assert "3 files, 2.0 KiB reread in d: every checksum holds\n  repaired: y.bin" in shown(
        render.verification(Path("d"), good)
    )
    assert "  x.duckdb: checksum" in shown(render.verification(Path("d"), bad))


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1_023, "1023 B"), (1_536, "1.5 KiB"), (5 << 40, "5.0 TiB")]
)
def test_sizes_have_the_unit_a_person_would_choose(count, text):
    assert render.size(count) == text


@pytest.mark.parametrize(
    ("count", "word", "text"),
    [(1, "row", "1 row"), (2_000, "row", "2,000 rows")],
)
def test_plurals(count, word, text):
    assert render.plural(count, word) == text
