"""Applying the frames of the log again, as their commits did, on top of what the files hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import orjson
import pyarrow as pa

from tsvec.engine.store import Burial, Changes, CollectionStore
from tsvec.model.collections import CollectionConfig
from tsvec.model.errors import CorruptError
from tsvec.storage.log.frames import Frame, Operation
from tsvec.storage.overlay import DeathCause
from tsvec.storage.schema import (
    decode_deletions,
    decode_points,
    times_from_arrow,
    vectors_from_arrow,
)
from tsvec.window.attributes import AttributesVersion
from tsvec.window.entities import EntityDraft, EntityRegistry
from tsvec.window.hot import HotRows
from tsvec.window.part import Numbers


def replay_frame(store: CollectionStore, frame: Frame) -> None:
    """Apply one frame as its commit did, leaving out what is sealed or in the state.

    Deaths are marked wherever their rows are now; one that is marked already stays as it is.
    """
    windows = store.windows
    seq, recorded_at = max(windows.seq, frame.last_seq), max(windows.recorded_at, frame.recorded_at)
    match frame.operation:
        case Operation.CONFIGURE:
            config = CollectionConfig.model_validate_json(bytes(frame.payload))
            known = any(change == frame.last_seq for change, _ in store.configured)
            configured = [] if known else [(frame.last_seq, frame.recorded_at)]
            store.apply(Changes(config, seq, recorded_at, configured=configured))
        case Operation.INSERT_POINTS:
            store.apply(_insert(store, frame, seq, recorded_at))
        case Operation.DELETE_POINTS:
            store.apply(_delete(store, frame, seq, recorded_at))
        case Operation.SET_ATTRIBUTES:
            store.apply(_set_attributes(store, frame, seq, recorded_at))
        case Operation.EXPIRE:
            dropped = _expired(store, frame)
            store.apply(Changes(windows.config, seq, recorded_at, dropped=dropped, ticks=1))
        case _:
            pass


def _insert(store: CollectionStore, frame: Frame, seq: int, recorded_at: int) -> Changes:
    """The entities a frame adds, what the state has not counted, and what is not sealed."""
    manifest, config = store.manifest, store.windows.config
    batch = decode_points(frame.payload, config.dim)
    seqs = np.arange(frame.first_seq, frame.last_seq + 1, dtype=np.uint64)
    times = times_from_arrow(batch.column("timestamp"))
    is_new = frame.last_seq > manifest.state_seq
    numbers, draft = draft_entities(store.registry, batch, is_new=is_new)
    unseen = seqs > manifest.state_seq
    hot = np.flatnonzero(seqs > manifest.sealed_seq)
    keys, metadata = batch.column("key").to_pylist(), batch.column("metadata").to_pylist()
    rows = HotRows(
        number=numbers[hot],
        timestamp=times[hot],
        seq=seqs[hot],
        recorded_at=frame.recorded_at,
        vector=vectors_from_arrow(batch.column("vector"), config.dim)[hot],
        metadata=[metadata[row] for row in hot.tolist()],
        key=[keys[row] for row in hot.tolist()],
    )
    replaces = batch.column("replaces").to_numpy()
    ends = np.flatnonzero(replaces)
    burials = []
    if len(ends):
        burials.append(
            Burial(
                number=numbers[ends],
                timestamp=times[ends],
                victim=replaces[ends],
                seq=seqs[ends],
                at=frame.recorded_at,
                by=DeathCause.REPLACED,
                counted=is_new,
            )
        )
    return Changes(
        config,
        seq,
        recorded_at,
        entities=draft,
        seen=[(numbers[unseen], times[unseen])],
        rows=[rows] if len(rows) else [],
        burials=burials,
    )


def draft_entities(
    registry: EntityRegistry, batch: pa.RecordBatch, *, is_new: bool
) -> tuple[Numbers, EntityDraft]:
    """The numbers of a frame's entities, and those that the registry does not know yet.

    Types are drafted if the frame `is_new` to the registry.
    """
    draft = EntityDraft()
    ends = batch.column("commit").to_pylist()
    types = batch.column("entity_type").to_pylist()
    known = []
    for name, kind, end in zip(batch.column("entity_id").to_pylist(), types, ends, strict=True):
        number = registry.number_of(name)
        if number is None:
            fresh = len(registry) + len(draft.numbers)
            number = draft.numbers.setdefault(name, fresh)
            draft.births.setdefault(number, end)
        if is_new and registry.type_in(number, draft) != kind:
            draft.types[number] = kind
            draft.since[number] = end
        known.append(number)
    return np.array(known, np.uint32), draft


def _delete(store: CollectionStore, frame: Frame, seq: int, recorded_at: int) -> Changes:
    config, is_new = store.windows.config, frame.last_seq > store.manifest.state_seq
    batch = decode_deletions(frame.payload)
    numbers = _numbers_of(store, batch.column("entity_id").to_pylist())
    victims = batch.column("victim").to_numpy()
    seqs = np.arange(frame.first_seq, frame.last_seq + 1, dtype=np.uint64)
    points = np.flatnonzero(victims)
    times = times_from_arrow(batch.column("timestamp").take(pa.array(points)))
    burial = Burial(
        number=numbers[points],
        timestamp=times,
        victim=victims[points],
        seq=seqs[points],
        at=frame.recorded_at,
        by=DeathCause.DELETED,
        counted=is_new,
    )
    resets, attributes = [], []
    for row in np.flatnonzero(victims == 0).tolist() if is_new else []:
        number = int(numbers[row])
        resets.append((number, int(seqs[row])))
        gone = AttributesVersion(int(seqs[row]), frame.recorded_at, None)
        attributes.append((number, gone))
    return Changes(config, seq, recorded_at, burials=[burial], resets=resets, attributes=attributes)


def _expired(store: CollectionStore, frame: Frame) -> frozenset[str]:
    """The partitions that a tick dropped and a manifest still names.

    A name may have been given again, but not to older points.
    """
    document = orjson.loads(bytes(frame.payload))
    names, cutoff = set(document["partitions"]), document["cutoff"]
    return frozenset(
        part.name
        for part in store.windows.sealed
        if part.name in names and part.time_max < cutoff and part.seq_max <= frame.first_seq
    )


def _set_attributes(store: CollectionStore, frame: Frame, seq: int, recorded_at: int) -> Changes:
    document = orjson.loads(bytes(frame.payload))
    changes = []
    if frame.last_seq > store.manifest.state_seq:
        number = int(_numbers_of(store, [document["entity_id"]])[0])
        value = orjson.dumps(document["attributes"])
        changes.append((number, AttributesVersion(frame.last_seq, frame.recorded_at, value)))
    return Changes(store.windows.config, seq, recorded_at, attributes=changes)


def _numbers_of(store: CollectionStore, names: Sequence[str]) -> Numbers:
    numbers = [store.registry.number_of(name) for name in names]
    if None in numbers:
        name = names[numbers.index(None)]
        raise CorruptError(f"{store.paths.log} changes entity {name!r}, which nothing made")
    return np.array(numbers, np.uint32)
