"""The process that is killed: it writes and says what was acknowledged, or opens and checks.

child write DIRECTORY RUN OPTIONS    prints a line per event until it is killed or done
child check DIRECTORY OPTIONS        opens twice and prints what it found, as JSON
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

import tsvec
from tests.crash.content import COLLECTION, DIM, ENTITIES, TYPE, content_of
from tsvec.model.errors import TsvecError
from tsvec.storage.layout import CollectionPaths
from tsvec.storage.manifest import Manifest

THREADS = 4
SIDE_ROW = {"entity_id": "a", "vector": [1.0, 2.0]}


def say(*words: object) -> None:
    """One line, in one write, so that no kill can tear it."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def write(directory: str, run: str, options: dict[str, Any]) -> None:
    with tsvec.connect(directory, settings=tsvec.Settings(**options["settings"])) as database:
        names = {info.name for info in database.list_collections().items}
        if COLLECTION not in names:
            database.create_collection(COLLECTION, dim=DIM, metric="l2")
        say("ready")
        threads = [
            threading.Thread(
                target=write_batches, args=(database, f"{run}.{n}", options["batches"])
            )
            for n in range(THREADS)
        ]
        if options["side"]:
            threads.append(threading.Thread(target=come_and_go, args=(database, run)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if options["held"]:
            sys.stdin.read()
    say("done")


def write_batches(database: tsvec.Database, writer: str, batches: int) -> None:
    pause = random.Random(writer)
    collection = database.collection(COLLECTION)
    for n in range(batches):
        content = content_of(f"{writer}.{n}")
        say("sent", content.batch)
        try:
            collection.ingest(**content.columns())
        except TsvecError as error:
            say("refused", content.batch, error.code)
        else:
            say("acked", content.batch)
        time.sleep(pause.random() * 0.02)


def come_and_go(database: tsvec.Database, run: str) -> None:
    """Make, change, fill and delete small collections."""
    for n in range(12):
        name = f"side-{run}-{n}"
        say("creating", name)
        collection = database.create_collection(name, dim=2)
        say("created", name)
        collection.ingest([SIDE_ROW])
        database.update_collection(name, window_size="2h")
        if n % 3:
            say("deleting", name)
            database.delete_collection(name)
            say("deleted", name)


def check(directory: str, options: dict[str, Any]) -> None:
    settings = tsvec.Settings(**options["settings"])
    with tsvec.connect(directory, settings=settings) as database:
        found = inspect(database)
    with tsvec.connect(directory, settings=settings) as database:
        again = inspect(database)
    problems = found.pop("problems") + again.pop("problems")
    if found != again:
        problems.append("the second open found something else than the first")
    say(json.dumps(found | {"problems": problems, "orphans": orphans(Path(directory))}))


def inspect(database: tsvec.Database) -> dict[str, Any]:
    """Everything in a database, and what is wrong with it."""
    health = database.get_health()
    names = sorted(info.name for info in database.list_collections(limit=1_000).items)
    problems = [f"health: {health.problems}"] if health.status != "ok" else []
    problems += [
        f"{name} has too many points"
        for name in names
        if name != COLLECTION and database.collection(name).get_collection_stats().points > 1
    ]
    batches: Counter[str] = Counter()
    if COLLECTION in names:
        problems += check_rows(database.collection(COLLECTION), batches)
    return {"collections": names, "batches": dict(batches), "problems": problems}


def check_rows(collection: tsvec.Collection, batches: Counter[str]) -> list[str]:
    """Compare each row with what its batch's id says it is; count the rows of each batch."""
    problems, seqs, seen = [], [], set()
    for number in range(ENTITIES):
        rows = history(collection, f"e{number}")
        seqs += [row.seq for row in rows]
        if rows:
            facts = collection.entities.get_entity(f"e{number}")
            wanted = TYPE if any(row.metadata["typed"] for row in rows) else "GENERIC"
            if (facts.points, facts.entity_type) != (len(rows), wanted):
                problems.append(
                    f"e{number} has {facts.points} points and type {facts.entity_type}, "
                    f"its {len(rows)} rows say {wanted}"
                )
        for row in rows:
            batch, place = row.metadata["batch"], row.metadata["row"]
            batches[batch] += 1
            content = content_of(batch)
            micros = int(np.datetime64(row.timestamp.replace(tzinfo=None), "us").astype(np.int64))
            is_whole = (row.entity_id, micros, row.key, row.vector.tobytes()) == content.row(place)
            if not is_whole or row.metadata != content.metadata(place):
                problems.append(f"row {place} of {batch} differs from what was sent")
            if (batch, place) in seen:
                problems.append(f"row {place} of {batch} is there twice")
            seen.add((batch, place))
    problems += [
        f"{count} of {len(content_of(batch))} rows of {batch}"
        for batch, count in batches.items()
        if count != len(content_of(batch))
    ]
    stats = collection.get_collection_stats()
    if sorted(seqs) != list(range(1, len(seqs) + 1)) or stats.as_of_seq != len(seqs):
        problems.append(f"{len(seqs)} rows do not have seqs 1 to {stats.as_of_seq}")
    if stats.points != len(seqs):
        problems.append(f"{stats.points} points are counted, {len(seqs)} were found")
    if seqs:
        reply = collection.temporal_knn([0.5] * DIM, k=3)
        if reply.eligible.value != len(seqs):
            problems.append(f"a query chooses from {reply.eligible.value} of {len(seqs)} points")
    return problems


def history(collection: tsvec.Collection, entity_id: str) -> list[Any]:
    found: list[Any] = []
    cursor = None
    try:
        while True:
            page = collection.entities.get_history(
                entity_id, limit=1_000, cursor=cursor, include=("metadata", "vector")
            )
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                return found
    except TsvecError as error:
        if error.code != "entity_not_found":
            raise
        return []


def orphans(root: Path) -> list[str]:
    """Files that neither the layout nor a manifest names."""
    named = {root / "FORMAT", root / "LOCK"}
    for directory in (root / "tenants" / "default").iterdir():
        paths = CollectionPaths(directory)
        named.add(paths.manifest)
        named |= {directory / file.path for file in Manifest.read(paths.manifest).live_files()}
        named |= set(paths.log.glob("*.log"))
    return [str(path) for path in root.rglob("*") if path.is_file() and path not in named]


if __name__ == "__main__":
    _, command, directory, *rest = sys.argv
    match command:
        case "write":
            write(directory, rest[0], json.loads(rest[1]))
        case "check":
            check(directory, json.loads(rest[0]))
