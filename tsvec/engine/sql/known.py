"""What the state and the log know beside the partitions: entities, deaths, points still hot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import orjson
import pyarrow as pa

from tsvec.engine.replay import draft_entities
from tsvec.model.collections import CollectionConfig
from tsvec.model.errors import CorruptError
from tsvec.storage.log.frames import Frame, Operation
from tsvec.storage.manifest import Manifest
from tsvec.storage.overlay import DeathCause
from tsvec.storage.schema import decode_deletions, decode_points, times_from_arrow
from tsvec.storage.sql.session import DEATHS_SCHEMA, ENTITIES_SCHEMA
from tsvec.window.attributes import AttributesVersion
from tsvec.window.entities import EntityRegistry

_NO_ATTRIBUTES = b"{}"


@dataclass(slots=True)
class Known:
    """What `read_known` found; `hot` are the (seqs, event times) of points that are not sealed."""

    config: CollectionConfig
    registry: EntityRegistry
    last_seq: int
    hot: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    deaths: list[pa.RecordBatch] = field(default_factory=list)

    def deaths_table(self) -> pa.Table:
        """Versions that died after the manifest's place in the log."""
        return pa.Table.from_batches(self.deaths, DEATHS_SCHEMA)

    def entities_table(self, seq: int) -> pa.Table:
        """Every entity with its type and attributes after change `seq`."""
        registry = self.registry
        numbers = range(len(registry))
        attributes = (registry.attributes.at(number, seq) for number in numbers)
        texts = [
            _NO_ATTRIBUTES if one is None else one.value or _NO_ATTRIBUTES for one in attributes
        ]
        columns = [
            [registry.id_of(number) for number in numbers],
            [registry.type_of(number, seq) for number in numbers],
            [text.decode() for text in texts],
        ]
        arrays = [
            pa.array(column, kind.type)
            for column, kind in zip(columns, ENTITIES_SCHEMA, strict=True)
        ]
        return pa.Table.from_arrays(arrays, schema=ENTITIES_SCHEMA)

    def count_hot(self, seq: int, cutoff: int) -> int:
        """Living points after change `seq`, from the event time `cutoff` (µs) on, not sealed."""
        deaths = self.deaths_table()
        dead = deaths["victim"].to_numpy()[deaths["dead_seq"].to_numpy() <= seq]
        return sum(
            int(np.count_nonzero((seqs <= seq) & (times >= cutoff) & ~np.isin(seqs, dead)))
            for seqs, times in self.hot
        )


def read_known(manifest: Manifest, registry: EntityRegistry, frames: Iterable[Frame]) -> Known:
    """Follow the log from the manifest's place on top of the registry of its state."""
    known = Known(manifest.config, registry, max(manifest.sealed_seq, manifest.state_seq))
    for frame in frames:
        match frame.operation:
            case Operation.CONFIGURE:
                known.config = CollectionConfig.model_validate_json(bytes(frame.payload))
            case Operation.INSERT_POINTS:
                _insert(known, frame, manifest)
            case Operation.DELETE_POINTS:
                _delete(known, frame, manifest)
            case Operation.SET_ATTRIBUTES if frame.last_seq > manifest.state_seq:
                document = orjson.loads(bytes(frame.payload))
                value = orjson.dumps(document["attributes"])
                _put_attributes(known, document["entity_id"], frame.last_seq, frame, value)
        known.last_seq = max(known.last_seq, frame.last_seq)
    return known


def _insert(known: Known, frame: Frame, manifest: Manifest) -> None:
    batch = decode_points(frame.payload, known.config.dim)
    is_new = frame.last_seq > manifest.state_seq
    _, draft = draft_entities(known.registry, batch, is_new=is_new)
    known.registry.apply(draft)
    seqs = _seqs_of(frame)
    hot = seqs > manifest.sealed_seq
    known.hot.append((seqs[hot], times_from_arrow(batch.column("timestamp"))[hot]))
    _bury(known, frame, batch.column("replaces").to_numpy(), DeathCause.REPLACED)


def _delete(known: Known, frame: Frame, manifest: Manifest) -> None:
    batch = decode_deletions(frame.payload)
    victims = batch.column("victim").to_numpy()
    _bury(known, frame, victims, DeathCause.DELETED)
    if frame.last_seq <= manifest.state_seq:
        return
    ids, seqs = batch.column("entity_id").to_pylist(), _seqs_of(frame)
    for row in np.flatnonzero(victims == 0).tolist():
        known.registry.reset_type(_number_of(known, ids[row]), int(seqs[row]))
        _put_attributes(known, ids[row], int(seqs[row]), frame, None)


def _bury(known: Known, frame: Frame, victims: np.ndarray, cause: DeathCause) -> None:
    """Note the versions that a frame ends; a victim of 0 is none."""
    rows = np.flatnonzero(victims)
    at = pa.scalar(frame.recorded_at, pa.timestamp("us", "UTC"))
    columns = [
        pa.array(victims[rows]),
        pa.array(_seqs_of(frame)[rows]),
        pa.repeat(at, len(rows)),
        pa.repeat(pa.scalar(cause.name.lower(), pa.large_string()), len(rows)),
    ]
    known.deaths.append(pa.RecordBatch.from_arrays(columns, schema=DEATHS_SCHEMA))


def _put_attributes(
    known: Known, entity_id: str, seq: int, frame: Frame, value: bytes | None
) -> None:
    version = AttributesVersion(seq, frame.recorded_at, value)
    known.registry.attributes.put(_number_of(known, entity_id), version)


def _number_of(known: Known, entity_id: str) -> int:
    number = known.registry.number_of(entity_id)
    if number is None:
        name = known.config.name
        raise CorruptError(f"the log of {name!r} changes entity {entity_id!r}, which nothing made")
    return number


def _seqs_of(frame: Frame) -> np.ndarray:
    return np.arange(frame.first_seq, frame.last_seq + 1, dtype=np.uint64)
