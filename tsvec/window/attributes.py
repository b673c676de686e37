"""Attributes of entities: every version inside the horizon, so that a past one can be read."""

from __future__ import annotations

import bisect
from dataclasses import dataclass

import pyarrow as pa

from tsvec.storage.state import STATE_SCHEMAS
from tsvec.window.masks.journal import AttributeJournal


@dataclass(frozen=True, slots=True)
class AttributesVersion:
    """What an entity's attributes became with change `seq`: compact JSON, None if none are left."""

    seq: int
    recorded_at: int
    value: bytes | None


class AttributeHistory:
    """The versions of all entities of a collection, by entity number, oldest first.

    `journal` has the same versions in the order of their changes, for filters.
    """

    def __init__(self) -> None:
        self._versions: dict[int, tuple[AttributesVersion, ...]] = {}
        self.journal = AttributeJournal(())

    def put(self, number: int, version: AttributesVersion) -> None:
        """Add the newest version of one entity."""
        self._versions[number] = (*self._versions.get(number, ()), version)
        if not self.journal.append(number, version.seq, version.value):
            self._begin_journal()

    def at(self, number: int, seq: int) -> AttributesVersion | None:
        """The version in force after change `seq`; None if there was none yet."""
        versions = self._versions.get(number, ())
        place = bisect.bisect_right(versions, seq, key=lambda version: version.seq)
        return versions[place - 1] if place else None

    def before_reset(self, number: int, after: int = 0) -> bytes | None:
        """What a deletion of the entity after change `after` took, if nothing was set since."""
        versions = self._versions.get(number, ())
        held = [place for place, version in enumerate(versions) if version.value is not None]
        last = held[-1] if held else len(versions)
        if last + 1 < len(versions) and versions[last + 1].seq > after:
            return versions[last].value
        return None

    def last_seq_by(self, time: int) -> int:
        """The last change of attributes recorded by a time (µs); 0 if there is none."""
        seqs = (
            version.seq
            for versions in list(self._versions.values())
            for version in versions
            if version.recorded_at <= time
        )
        return max(seqs, default=0)

    def times(self) -> list[tuple[int, int]]:
        """The seq and recorded time (µs) of every version."""
        every = list(self._versions.values())
        return [(one.seq, one.recorded_at) for versions in every for one in versions]

    def purge(self, seq: int) -> None:
        """Forget what was already another value after change `seq`."""
        forgotten = False
        for number, versions in list(self._versions.items()):
            kept = bisect.bisect_right(versions, seq, key=lambda version: version.seq)
            left = versions[max(kept - 1, 0) :]
            if len(left) == 1 and left[0].value is None and left[0].seq <= seq:
                del self._versions[number]
            elif len(left) < len(versions):
                self._versions[number] = left
            else:
                continue
            forgotten = True
        if forgotten:
            self._begin_journal()

    def to_table(self) -> pa.Table:
        """All versions, a row each."""
        rows = [
            (number, version.seq, version.recorded_at, version.value)
            for number, versions in sorted(self._versions.items())
            for version in versions
        ]
        schema = STATE_SCHEMAS["attributes"]
        columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in schema]
        columns[3] = [None if value is None else value.decode() for value in columns[3]]
        arrays = [
            pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)
        ]
        return pa.Table.from_arrays(arrays, schema=schema)

    def load(self, table: pa.Table) -> None:
        """Take the versions that `to_table` wrote."""
        for row in table.to_pylist():
            value = None if row["value"] is None else row["value"].encode()
            version = AttributesVersion(row["seq"], row["recorded_at"], value)
            number = row["number"]
            self._versions[number] = (*self._versions.get(number, ()), version)
        self._begin_journal()

    def _begin_journal(self) -> None:
        """Another journal, of all versions that are left and with room for more."""
        entries = [
            (version.seq, number, version.value)
            for number, versions in self._versions.items()
            for version in versions
        ]
        entries.sort(key=lambda entry: entry[:2])
        self.journal = AttributeJournal(entries)
