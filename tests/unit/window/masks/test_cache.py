"""Masks are evaluated once, remembered within the budget, and gone with their block."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import orjson
import pyarrow as pa
import pytest

from tsvec.model.bounds.deadline import Deadline
from tsvec.model.errors import DeadlineExceededError
from tsvec.model.filters.parser import parse_filter
from tsvec.window.masks import cache as module
from tsvec.window.masks.cache import Held, MaskCache
from tsvec.window.masks.documents import CHUNK_ROWS, DocumentRun, MaskShelf


class Block:
    """Documents {"n": row}, and how many of them were read."""

    def __init__(self, rows, capacity=None):
        self.rows = rows
        self.capacity = capacity or rows
        self.shelf = MaskShelf()
        self.read = 0

    @property
    def run(self):
        return DocumentRun(self, 0, self.rows)

    def documents(self, rows):
        numbers = np.arange(self.rows)[rows].tolist()
        self.read += len(numbers)
        return pa.array([orjson.dumps({"n": number}) for number in numbers], pa.large_binary())


@pytest.fixture
def cache():
    cache = MaskCache(1 << 20)
    yield cache
    cache.close()


def below(cache, bound):
    return cache.compiled(parse_filter({"n": {"$lt": bound}}).predicate)


def every(block):
    return slice(0, block.rows)


def test_a_block_is_read_once(cache):
    block, predicate = Block(1_000), below(cache, 300)
    for _ in range(3):
        found = cache.test(predicate, block.run, every(block), Held())
        assert found.tolist() == [row < 300 for row in range(1_000)]
    assert cache.count_missing(predicate, block.run, every(block), Held()) == 0
    assert block.read == 1_000
    cache.test(below(cache, 301), block.run, every(block), Held())
    assert block.read == 2_000


def test_equal_predicates_are_one_while_they_are_used(cache):
    assert below(cache, 3) is below(cache, 3.0)
    assert below(cache, 3) is not below(cache, 4)
    gc.collect()
    assert len(cache._compiled) == 0


def test_only_the_chunks_that_are_asked_for_are_evaluated(cache):
    block, predicate = Block(5 * CHUNK_ROWS), below(cache, 7)
    rows = slice(CHUNK_ROWS + 5, CHUNK_ROWS + 9)
    assert cache.count_missing(predicate, block.run, rows, Held()) == CHUNK_ROWS
    assert not cache.test(predicate, block.run, rows, Held()).any()
    assert block.read == CHUNK_ROWS


def test_a_few_rows_are_evaluated_alone(cache):
    block, predicate = Block(3 * CHUNK_ROWS), below(cache, 7)
    rows = np.array([2 * CHUNK_ROWS, 3, 9])
    assert cache.count_missing(predicate, block.run, rows, Held()) == 3
    assert cache.test(predicate, block.run, rows, Held()).tolist() == [False, True, False]
    assert block.read == 3


def test_what_comes_to_a_block_is_added(cache):
    block, predicate = Block(10, capacity=100), below(cache, 12)
    before = block.run
    assert cache.test(predicate, before, slice(0, 10), Held()).all()
    block.rows = 20
    assert cache.count_missing(predicate, block.run, slice(0, 20), Held()) == 10
    found = cache.test(predicate, block.run, slice(0, 20), Held())
    assert found.tolist() == [row < 12 for row in range(20)]
    assert block.read == 20
    assert len(cache.test(predicate, before, slice(0, 10), Held())) == 10
    assert block.read == 20


def test_a_run_begins_where_its_part_begins(cache):
    block, predicate = Block(20), below(cache, 12)
    run = DocumentRun(block, 5, 15)
    found = cache.test(predicate, run, slice(0, 10), Held())
    assert found.tolist() == [row < 12 for row in range(5, 15)]
    chosen = cache.test(predicate, run, np.array([9, 0]), Held())
    assert chosen.tolist() == [False, True]
    assert block.read == 15, "a chunk is read as far as the run goes, from its begin on"


def test_the_budget_holds(cache):
    block = Block(10, capacity=10_000)
    for bound in range(400):
        cache.test(below(cache, bound), block.run, slice(0, 10), Held())
        assert cache.bytes <= cache.bytes_max
        assert len(block.shelf.masks) * 10_000 <= cache.bytes_max
    assert len(block.shelf.masks) > 50


def test_what_is_used_again_and_again_stays(cache):
    block, often = Block(10, capacity=10_000), below(cache, 5)
    for bound in range(1_000, 1_400):
        cache.test(often, block.run, slice(0, 10), Held())
        cache.test(below(cache, bound), block.run, slice(0, 10), Held())
    assert cache.count_missing(often, block.run, slice(0, 10), Held()) == 0
    gone = below(cache, 1_000)
    assert cache.count_missing(gone, block.run, slice(0, 10), Held()) == 10


def test_without_a_budget_nothing_stays_but_a_question_has_what_it_needs():
    cache, block = MaskCache(0), Block(100)
    predicate, held = below(cache, 5), Held()
    assert cache.count_missing(predicate, block.run, every(block), held) == 100
    for _ in range(3):
        assert cache.test(predicate, block.run, every(block), held).sum() == 5
    assert block.read == 100
    assert block.shelf.masks == {}
    assert cache.bytes == 0
    assert cache.test(predicate, block.run, every(block), Held()).sum() == 5
    assert block.read == 200


def test_masks_go_with_their_block(cache):
    block = Block(1_000)
    cache.test(below(cache, 5), block.run, every(block), Held())
    assert cache.bytes > 1_000
    del block
    gc.collect()
    assert cache.bytes == 0


def test_blocks_that_are_gone_make_room_first(cache):
    kept, predicate = Block(10, capacity=100_000), below(cache, 5)
    cache.test(predicate, kept.run, slice(0, 10), Held())
    for _ in range(50):
        cache.test(predicate, Block(10, capacity=100_000).run, slice(0, 10), Held())
    assert cache.count_missing(predicate, kept.run, slice(0, 10), Held()) == 0


def test_many_threads_read_a_cold_block_once(cache):
    block, predicate = Block(50_000), below(cache, 77)
    start = threading.Barrier(8)

    def ask(_):
        start.wait()
        return int(cache.test(predicate, block.run, every(block), Held()).sum())

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [77] * 8
    assert block.read == 50_000


def test_many_threads_and_many_predicates_in_little_room(monkeypatch):
    monkeypatch.setattr(module, "_KEEP_SHARE", 0.5)
    cache, blocks = MaskCache(30_000), [Block(4_000) for _ in range(4)]

    def ask(turn):
        bound, block = turn % 13, blocks[turn % 4]
        found = cache.test(below(cache, bound), block.run, every(block), Held())
        return int(found.sum()) == bound

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(400)))
    assert cache.bytes <= 30_000
    cache.close()


@pytest.mark.parametrize("limit", ["_PIECE_ROWS", "_PIECE_BYTES"])
def test_what_was_evaluated_by_a_deadline_is_kept_for_the_next_try(cache, monkeypatch, limit):
    """A piece of ten documents a second; each has at least seven bytes."""
    now = 0
    monkeypatch.setattr(module, limit, 10 if limit == "_PIECE_ROWS" else 79)
    block, predicate = Block(100), below(cache, 55)
    run = cache._runner.run

    def slow(*args):
        nonlocal now
        now += 1_000_000
        return run(*args)

    monkeypatch.setattr(cache._runner, "run", slow)
    tries = 0
    while True:
        begun, tries = now, tries + 1
        try:
            deadline = Deadline.after(3, lambda: now)
            found = cache.test(predicate, block.run, every(block), Held(), deadline)
        except DeadlineExceededError:
            assert now - begun == 3_000_000
        else:
            break
    assert found.tolist() == [row < 55 for row in range(100)]
    assert tries > 3
    if limit == "_PIECE_ROWS":
        assert (now, block.read) == (10_000_000, 100)


def test_a_document_larger_than_a_piece_is_evaluated_alone(cache, monkeypatch):
    monkeypatch.setattr(module, "_PIECE_BYTES", 1)
    block = Block(9)
    found = cache.test(below(cache, 4), block.run, every(block), Held())
    assert found.tolist() == [row < 4 for row in range(9)]
