"""Expiry: partitions of which every point has expired are dropped whole."""

from __future__ import annotations

from collections.abc import Callable

from tsvec.engine.store import CollectionStore
from tsvec.engine.upkeep.checkpoint import Arrangement, commit_manifest
from tsvec.engine.writing.tasks import ExpireTask


def drop_expired(store: CollectionStore, submit: Callable[[ExpireTask], None]) -> int:
    """Drop what has expired; how many partitions that were.

    First the log says so, which takes the points out of the counts; then the manifest lets the
    partitions go. A crash between the two is made good at the next open.
    """
    cutoff = store.cutoff(store.windows.config)
    if any(part.time_max < cutoff for part in store.windows.sealed):
        store.ground.files.failpoints.hit("drop.start")
        task = ExpireTask(store, cutoff)
        submit(task)
        task.future.result()
        store.ground.files.failpoints.hit("drop.logged")
    with store.arranging:
        shown = {part.name for part in store.windows.sealed}
        names = frozenset(entry.name for entry in store.manifest.partitions) - shown
        if names:
            commit_manifest(store, Arrangement())
    return len(names)


def unlink_gone(store: CollectionStore) -> None:
    """Remove the files of partitions that no manifest names and no reader holds any more."""
    if store.is_doubtful:
        return
    live = {entry.name for entry in store.manifest.partitions}
    for _ in range(len(store.gone)):
        name = store.gone.popleft()
        if name not in live:
            store.ground.files.remove(store.paths.partitions / name)
            store.ground.files.failpoints.hit("drop.unlinked")
