"""What runs in the processes that are killed: writing, and opening and checking."""

from __future__ import annotations

import json
import os
import random
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import tsvec
from tests.crash.changes import Model
from tests.crash.changing import (
    PacedClock,
    find_miscounted,
    make_changes,
    open_changes,
    read_all,
)
from tests.crash.content import COLLECTION, DIM, ENTITIES, TYPE, content_of
from tsvec.engine.clock import SystemClock
from tsvec.engine.upkeep import checkpoint
from tsvec.engine.upkeep.maintainer import Maintainer
from tsvec.engine.upkeep.sealer import Sealer
from tsvec.model.errors import TsvecError
from tsvec.storage.failpoints import ENVIRONMENT_VARIABLE
from tsvec.storage.layout import CollectionPaths
from tsvec.storage.manifest import Manifest
from tsvec.storage.retries.requests import FILE_NAME

SIDE_ROW = {"entity_id": "a", "vector": [1.0, 2.0]}
LINE_BYTES_MAX = 4_096
"""What a pipe takes whole or not at all."""


class Voice:
    """Says what happens, a line at a time, so that no kill can tear one."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def say(self, *words: object) -> None:
        line = (json.dumps(words) + "\n").encode()
        assert len(line) <= LINE_BYTES_MAX
        os.write(self._pipe.fileno(), line)

    def fail(self, *_: object) -> None:
        """Say what went wrong and end."""
        self.say("failed", traceback.format_exc()[-3_000:])
        os._exit(1)


def write(
    pipe: Connection, held: Connection | None, directory: str, run: str, options: dict[str, Any]
) -> None:
    """Write until it is killed, or done and released."""
    os.environ[ENVIRONMENT_VARIABLE] = options["failpoints"]
    if options["frugal"]:
        checkpoint._CHANGES_MIN = 0
    voice = Voice(pipe)
    threading.excepthook = voice.fail
    try:
        _write(voice, held, directory, run, options)
    except BaseException:
        voice.fail()
    # The end of an interpreter takes longer than a crash test has time for.
    os._exit(0)


def _write(
    voice: Voice, held: Connection | None, directory: str, run: str, options: dict[str, Any]
) -> None:
    models: list[Model] = options["models"]
    clock = PacedClock(options["now"], [model.writer for model in models])
    settings = tsvec.Settings(**options["settings"])
    with tsvec.Database(directory, settings=settings, clock=clock) as database:
        names = {info.name for info in database.list_collections().items}
        if COLLECTION not in names:
            database.create_collection(COLLECTION, dim=DIM, metric="l2")
        jobs: list[tuple[Callable[..., None], Any]] = [
            (write_batches, (database, f"{run}.{n}", options["batches"], voice))
            for n in range(options["threads"])
        ]
        if models:
            changes, count = open_changes(database), options["changes"]
            jobs += [(make_changes, (changes, model, count, clock, voice.say)) for model in models]
        if options["side"]:
            jobs.append((come_and_go, (database, run, voice)))
        voice.say("ready")
        threads = [threading.Thread(target=job, args=arguments) for job, arguments in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if held is not None:
            held.poll(None)
    voice.say("done")


def write_batches(database: tsvec.Database, writer: str, batches: int, voice: Voice) -> None:
    pause = random.Random(writer)
    collection = database.collection(COLLECTION)
    for n in range(batches):
        content = content_of(f"{writer}.{n}")
        voice.say("sent", content.batch)
        try:
            collection.ingest(**content.columns())
        except TsvecError as error:
            voice.say("refused", content.batch, error.code)
        else:
            voice.say("acked", content.batch)
        time.sleep(pause.random() * 0.02)


def come_and_go(database: tsvec.Database, run: str, voice: Voice) -> None:
    """Make, change, fill and delete small collections."""
    for n in range(12):
        name = f"side-{run}-{n}"
        voice.say("creating", name)
        collection = database.create_collection(name, dim=2, idempotency_key=f"make-{name}")
        voice.say("created", name)
        collection.ingest([SIDE_ROW])
        database.update_collection(name, window_size="2h")
        if n % 3:
            voice.say("deleting", name)
            database.delete_collection(name, idempotency_key=f"drop-{name}")
            voice.say("deleted", name)


def check(pipe: Connection, directory: str, options: dict[str, Any]) -> None:
    """Open twice and send what was found."""
    os.environ[ENVIRONMENT_VARIABLE] = ""
    try:
        pipe.send(_check(Path(directory), options))
    except BaseException:
        pipe.send({"problems": [traceback.format_exc()], "orphans": []})
    os._exit(0)


def _check(directory: Path, options: dict[str, Any]) -> dict[str, Any]:
    settings, problems, rounds = tsvec.Settings(**options["settings"]), [], []
    for _ in range(2):
        clock = PacedClock(options["now"], [])
        with tsvec.Database(directory, settings=settings, clock=clock) as database:
            found = inspect(database)
            found["changes"] = read_all(database, options["entities"], options["moments"])
        problems += found.pop("problems") + found["changes"].pop("problems", [])
        rounds.append(found)
    recover(directory, clock)
    return rounds[1] | {
        "rounds": [found["changes"] for found in rounds],
        "problems": problems + differences(*rounds),
        "orphans": orphans(directory),
    }


def recover(directory: Path, clock: SystemClock) -> None:
    """Open and close without any upkeep.

    What is at work when a database is closed may leave files that nothing names any more; an open
    removes them all.
    """
    with mock.patch.object(Sealer, "start"), mock.patch.object(Maintainer, "start"):
        tsvec.Database(directory, clock=clock).close()


def differences(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """What a second open shows that the first did not. How far the past reaches may shrink."""
    changing = ("oldest", "moments", "deleted")
    one, other = (
        found | {"changes": {k: v for k, v in found["changes"].items() if k not in changing}}
        for found in (first, second)
    )
    if one != other:
        return ["the second open found something else than the first"]
    return []


def inspect(database: tsvec.Database) -> dict[str, Any]:
    """Everything in a database, and what is wrong with it."""
    health = database.get_health()
    names = sorted(info.name for info in database.list_collections(limit=1_000).items)
    problems = [f"health: {health.problems}"] if health.status != "ok" else []
    problems += [
        f"{name} has too many points"
        for name in names
        if name.startswith("side-") and database.collection(name).get_collection_stats().points > 1
    ]
    batches: Counter[str] = Counter()
    if COLLECTION in names:
        problems += check_rows(database.collection(COLLECTION), batches)
    problems += find_miscounted(database)
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
    named = {root / "FORMAT", root / "LOCK", root / "tenants" / "default" / FILE_NAME}
    for directory in filter(Path.is_dir, (root / "tenants" / "default").iterdir()):
        paths = CollectionPaths(directory)
        named.add(paths.manifest)
        named |= {directory / file.path for file in Manifest.read(paths.manifest).live_files()}
        named |= set(paths.log.glob("*.log"))
    return [str(path) for path in root.rglob("*") if path.is_file() and path not in named]
