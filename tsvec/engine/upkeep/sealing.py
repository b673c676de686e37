"""Sealing: hot points become a partition; readers see no difference but the part's name."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from tsvec.engine.store import CollectionStore
from tsvec.engine.upkeep.checkpoint import Arrangement, FreshPart, commit_manifest
from tsvec.storage.files import SyncFailedError
from tsvec.storage.manifest import PartitionEntry
from tsvec.window.hot import HotSlice
from tsvec.window.merge import MergedRun
from tsvec.window.seal import choose_sealable


def find_sealable(store: CollectionStore, now_us: int) -> tuple[HotSlice, ...]:
    """The leading hot slices worth sealing now."""
    hot = store.windows.hot
    chosen = choose_sealable(hot, store.hot_block_rows, now_us, store.ground.settings)
    # However few they are, rows that fill the memory must go, or writers would wait for ever.
    return chosen or (hot if store.is_full else ())


def seal(store: CollectionStore, parts: Sequence[HotSlice], now_us: int) -> None:
    """Make leading hot slices a partition.

    A failure leaves everything as it was and the next try begins anew, except SyncFailedError,
    after which nobody knows which manifest is on disk.
    """
    files, config = store.ground.files, store.windows.config
    name = store.name_partition()
    try:
        files.failpoints.hit("seal.start")
        run = MergedRun(parts, store.registry, config.dim)
        entry = store.partitions.write(name, run.table(), config)
        fresh = FreshPart(store.open_partition(entry), run, slice(0, len(run)))
        with store.arranging:
            sealed_seq = parts[-1].seq_max
            commit_manifest(
                store,
                Arrangement(
                    fresh=[fresh], sealed_seq=sealed_seq, sealed_bytes=partition_bytes(entry)
                ),
            )
            store.rearrange(
                lambda sealed: (*sealed, fresh.part), sealed_seq=sealed_seq, before=fresh.transfer
            )
    except Exception as error:
        store.deny_room(error)
        if not isinstance(error, SyncFailedError):
            with contextlib.suppress(OSError):
                files.remove(store.paths.partitions / name)
        raise
    files.failpoints.hit("seal.window_set_swapped")
    truncate_log(store, now_us)


def partition_bytes(entry: PartitionEntry) -> int:
    """Bytes of a partition's files."""
    return entry.points.size + entry.columns.size


def truncate_log(store: CollectionStore, now_us: int) -> None:
    """Let segments go whose changes are all in partitions and state, once they are old."""
    settings = store.ground.settings
    # Seals and drops come here from their own threads, and the log lets only one cut it at a time.
    with store.arranging:
        store.log.truncate(
            store.manifest.log.position,
            bytes_kept=settings.feed_bytes_max,
            created_before=now_us - int(settings.feed_age_seconds * 1_000_000),
        )
