"""Requests with an idempotency key, made in a process that may be killed, and made again."""

from __future__ import annotations

import random
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

import tsvec
from tests.crash.child import Voice
from tsvec.storage.failpoints import FailPoints
from tsvec.storage.files import Files

COLLECTION = "retried"
WRITERS = 3


def rows_of(name: str) -> int:
    """How many points the request of a name brings."""
    return 0 if kind_of(name) != "ingest" else 1 + int(name.rpartition("-")[2]) % 3


def kind_of(name: str) -> str:
    return {3: "attributes", 7: "make", 8: "drop"}.get(int(name.rpartition("-")[2]) % 10, "ingest")


def perform(database: tsvec.Database, name: str) -> str:
    """Carry out the request of a name, with that name as its key; the JSON of the reply.

    Its points have no timestamps: were it carried out twice, they would be there twice.
    """
    collection = database.collection(COLLECTION)
    writer, _, number = name.rpartition("-")
    match kind_of(name):
        case "ingest":
            points = [
                {"entity_id": f"{name}-{row}", "vector": [row, int(number)]}
                for row in range(rows_of(name))
            ]
            return collection.ingest(points, idempotency_key=name).model_dump_json()
        case "attributes":
            entity = f"{writer}-{int(number) - 1}-0"
            change = {"name": name}
            entities = collection.entities
            reply = entities.merge_entity_attributes(entity, change, idempotency_key=name)
            return reply.model_dump_json()
        case "make":
            database.create_collection(f"x-{name}", dim=2, idempotency_key=name)
            return "made"
        case _:
            made = f"x-{writer}-{int(number) - 1}"
            database.delete_collection(made, idempotency_key=name)
            return "dropped"


def open_retried(directory: str, settings: dict[str, Any], rules: str = "") -> tsvec.Database:
    """The database with its collection, made if it is not there."""
    files = Files(FailPoints(rules))
    database = tsvec.Database(directory, settings=tsvec.Settings(**settings), files=files)
    if COLLECTION not in {info.name for info in database.list_collections(limit=1_000).items}:
        database.create_collection(COLLECTION, dim=2, metric="l2")
    return database


def send(
    pipe: Connection, directory: str, run: str, settings: dict[str, Any], rules: str, count: int
) -> None:
    """Send requests from several threads, saying each before it is sent and how it was answered."""
    voice = Voice(pipe)
    threading.excepthook = voice.fail
    database = open_retried(directory, settings, rules)

    def write(writer: str) -> None:
        pause = random.Random(writer)
        for number in range(count):
            name = f"{writer}-{number}"
            voice.say("sent", name)
            voice.say("told", name, perform(database, name))
            time.sleep(pause.random() * 0.003)

    threads = [
        threading.Thread(target=write, args=(f"{run}.{writer}",)) for writer in range(WRITERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    voice.say("done", "")
