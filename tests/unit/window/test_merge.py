"""Parts merged into one run: complete, in order, in pieces, and with the deaths of its making."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from tests.contract.parts import Holding, Sample, random_samples
from tsvec.storage.overlay import DeathCause
from tsvec.storage.schema import partition_schema
from tsvec.window import merge
from tsvec.window.merge import MergedRun

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(time):
    return None if time is None else EPOCH + timedelta(microseconds=time)


def expected_rows(holding, seqs, *, until=None):
    """The rows of a table of these versions, with deaths up to a seq."""
    rows = []
    for seq in sorted(seqs, key=lambda seq: (holding.given[seq].timestamp, seq)):
        one, death = holding.given[seq], holding.deaths.get(seq)
        if death is not None and until is not None and death.seq > until:
            death = None
        rows.append(
            {
                "entity_id": one.entity_id,
                "entity_type": one.entity_type or "GENERIC",
                "timestamp": moment(one.timestamp),
                "key": one.key,
                "seq": seq,
                "recorded_at": moment(holding.recorded[seq]),
                "vector": list(one.vector),
                "metadata": one.metadata.decode(),
                "dead_seq": None if death is None else death.seq,
                "dead_at": moment(None if death is None else death.at),
                "dead_by": None if death is None else DeathCause(death.by).name.lower(),
            }
        )
    return rows


def kill(holding, parts, rng):
    living = rng.permutation(sorted(holding.living())).tolist()
    holding.delete(parts, living[:7])
    mine = {seq for part in parts for seq in part.seqs(slice(0, part.rows)).tolist()}
    holding.replace(parts, [seq for seq in living[7:] if seq in mine][:4])


class Life:
    """Two partitions, one that holds deaths, one with deaths since; and two hot slices."""

    def __init__(self, directory):
        holding = self.holding = Holding(directory, block_rows=60)
        rng = self.rng = np.random.default_rng(2)
        self.sealed = []
        for turn in range(2):
            holding.commit(random_samples(50, seed=turn))
            kill(holding, [*self.sealed, *holding.hot.slices()], rng)
            self.sealed.append(holding.seal(holding.hot.slices()))
            holding.hot.drop_sealed(holding.seq)
        holding.commit(random_samples(90, seed=5))
        kill(holding, self.parts, rng)

    @property
    def parts(self):
        return [*self.sealed, *self.holding.hot.slices()]

    def run(self, **options):
        return MergedRun(self.parts, self.holding.registry, 4, **options)


@pytest.fixture
def life(tmp_path):
    return Life(tmp_path)


def test_the_table_holds_every_version_in_order(life):
    run = life.run()
    table = run.table()
    assert table.schema == partition_schema(4)
    assert len(run) == len(table) == len(life.holding.given)
    assert table.to_pylist() == expected_rows(life.holding, life.holding.given)
    assert run.times.tolist() == table["timestamp"].cast(pa.int64()).to_pylist()
    table.validate(full=True)


def test_the_order_of_the_parts_does_not_matter(life):
    """Of equal times the earlier seq comes first, also where a later part holds it."""
    table = life.run().table().to_pylist()
    parts = life.parts
    for order in (parts[::-1], [*parts[2:], *parts[:2]], [parts[1], parts[0], *parts[2:]]):
        run = MergedRun(order, life.holding.registry, 4)
        assert run.table().to_pylist() == table


@pytest.mark.parametrize("step", [1, 7, 64, 1_000])
def test_pieces_tile_the_run(life, step):
    run = life.run()
    pieces = [run.table(slice(begin, begin + step)) for begin in range(0, len(run), step)]
    assert [len(piece) for piece in pieces[:-1]] == [step] * (len(pieces) - 1)
    assert pa.concat_tables(pieces).to_pylist() == run.table().to_pylist()


@pytest.mark.parametrize("gathered", [1, 3, 64, 100_000])
def test_vectors_are_gathered_some_rows_at_a_time(life, gathered, monkeypatch):
    whole = life.run().table()
    monkeypatch.setattr(merge, "_GATHER_ROWS", gathered)
    run = life.run()
    table = run.table()
    assert [len(chunk) for chunk in table["vector"].chunks][:-1] == [gathered] * (
        -(-len(run) // gathered) - 1
    )
    assert table.to_pylist() == whole.to_pylist()
    assert run.table(slice(5, 18)).to_pylist() == whole.to_pylist()[5:18]


def test_a_run_longer_than_is_gathered_at_a_time(tmp_path):
    holding = Holding(tmp_path, block_rows=3_000)
    count = 2 * merge._GATHER_ROWS + 5
    rng = np.random.default_rng(0)
    times = rng.integers(-999, 999, count).tolist()
    holding.commit([Sample("a", time, (float(n), 1.0, 1.0, 1.0)) for n, time in enumerate(times)])
    table = MergedRun(holding.hot.slices(), holding.registry, 4).table()
    vectors = np.array(table["vector"].to_pylist())[:, 0].astype(int)
    assert vectors.tolist() == np.argsort(times, kind="stable").tolist()
    assert (table["seq"].to_numpy() == vectors + 1).all()


def test_the_dead_that_nobody_asks_for_are_left_out(life):
    holding = life.holding
    ends = sorted(death.seq for death in holding.deaths.values())
    for purge in (0, ends[0] - 1, ends[0], ends[len(ends) // 2], ends[-1], holding.seq + 5):
        dead = {seq for seq, death in holding.deaths.items() if death.seq <= purge}
        run = life.run(purge_seq=purge)
        assert len(run) == len(holding.given) - len(dead)
        assert run.table().to_pylist() == expected_rows(holding, holding.given.keys() - dead)


def test_a_run_of_which_nothing_is_left_is_empty(tmp_path):
    holding = Holding(tmp_path)
    seqs = holding.commit(random_samples(5))
    holding.delete(holding.hot.slices(), seqs)
    run = MergedRun(holding.hot.slices(), holding.registry, 4, purge_seq=holding.seq)
    assert (len(run), len(run.times)) == (0, 0)
    assert run.table().schema == partition_schema(4)
    assert run.table().to_pylist() == []
    assert len(run.deaths_since(slice(0, 0)).row) == 0


def test_who_dies_after_a_run_was_made_is_told_by_the_number_in_the_piece(life):
    holding, run = life.holding, life.run(purge_seq=life.holding.seq // 2)
    until, table = holding.seq, run.table()
    assert len(run.deaths_since(slice(0, len(run))).row) == 0
    for _ in range(3):
        kill(holding, life.parts, life.rng)
    seqs = table["seq"].to_pylist()
    assert run.table().to_pylist() == expected_rows(holding, seqs, until=until)
    later = {n: death for n, death in holding.deaths.items() if death.seq > until and n in seqs}
    assert len(later) > 20
    for begin in range(0, len(run), 50):
        piece = slice(begin, begin + 50)
        found = run.deaths_since(piece)
        assert (np.diff(found.row) > 0).all()
        told = zip(found.row.tolist(), found.seq.tolist(), found.at.tolist(), found.by, strict=True)
        assert list(told) == [
            (row, later[seq].seq, later[seq].at, later[seq].by)
            for row, seq in enumerate(seqs[piece])
            if seq in later
        ]


def test_the_first_deaths_of_all_are_told_too(tmp_path):
    holding = Holding(tmp_path)
    holding.commit([Sample("a", time, (1.0,) * 4) for time in (3, 1, 2)])
    run = MergedRun(holding.hot.slices(), holding.registry, 4)
    assert run.table()["dead_seq"].null_count == 3
    holding.delete(holding.hot.slices(), [1])
    found = run.deaths_since(slice(1, 3))
    assert (found.row.tolist(), found.seq.tolist()) == ([1], [4])
    assert len(run.deaths_since(slice(0, 2)).row) == 0


def test_texts_come_through_unchanged(tmp_path):
    """No key at all, some keys, every key; sealed and hot, and sealed again."""
    holding = Holding(tmp_path, block_rows=3)
    keys = [None, None, None, "a", None, "é", "x", "y", "\U0001f300" * 9]
    texts = [b"{}", b'{"z": 1.50}', '{"s":"漢"}'.encode()] * 3
    holding.commit(
        [
            Sample(f"e{n}", -n, (float(n), 0.0, 0.0, 0.0), key=key, metadata=text)
            for n, (key, text) in enumerate(zip(keys, texts, strict=True))
        ]
    )
    first, second, third = holding.hot.slices()
    parts = [holding.seal([first]), second, holding.seal([third])]
    for _ in range(2):
        table = MergedRun(parts, holding.registry, 4).table()
        assert table.to_pylist() == expected_rows(holding, holding.given)
        parts = [holding.seal(parts)]


def test_the_type_is_that_of_the_newest_version(tmp_path):
    holding = Holding(tmp_path)
    holding.commit([Sample("a", 0, (1.0,) * 4), Sample("b", 1, (1.0,) * 4)])
    early = MergedRun(holding.hot.slices(), holding.registry, 4)
    holding.commit([Sample("a", 2, (1.0,) * 4, entity_type="ship")])
    late = MergedRun(holding.hot.slices(), holding.registry, 4)
    assert late.table()["entity_type"].to_pylist() == ["ship", "GENERIC", "ship"]
    assert early.table()["entity_type"].to_pylist() == ["GENERIC", "GENERIC"]


def test_a_partition_of_partitions_reads_as_they_do(life):
    """Sealed and merged again, deaths of the overlays become deaths of the files."""
    holding = life.holding
    merged = holding.seal(life.parts)
    assert merged.entry.dead_rows == len(holding.deaths)
    holding.hot.drop_sealed(holding.seq)
    kill(holding, [merged], life.rng)
    again = MergedRun([merged, *holding.hot.slices()], holding.registry, 4)
    assert again.table().to_pylist() == expected_rows(holding, holding.given)
