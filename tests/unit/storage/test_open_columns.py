"""How many columns files are mapped at once."""

from __future__ import annotations

import errno
import gc
import os
import resource
import sys
import threading
import weakref

import numpy as np
import pytest

from tests.unit.storage.samples import encoded_columns, points_table
from tsvec.model.errors import CorruptError, UnavailableError
from tsvec.storage.columns import ColumnsFile, Section
from tsvec.storage.open_columns import LazyColumns, OpenColumns

SOURCE = "00" * 32
ROWS = 20


@pytest.fixture
def paths(tmp_path):
    """Eight columns files, of different points."""
    found = []
    for seed in range(8):
        path = tmp_path / f"{seed}.bin"
        table = points_table(ROWS, seed=seed)
        path.write_bytes(encoded_columns(table, 3, cosine=False, source=SOURCE))
        found.append(path)
    return found


class Opener:
    """Opens one file and counts how often."""

    def __init__(self, path) -> None:
        self.path = path
        self.count = 0

    def __call__(self) -> ColumnsFile:
        self.count += 1
        return ColumnsFile.open(self.path)


def lazy_columns(open_columns: OpenColumns, paths) -> tuple[list[LazyColumns], list[Opener]]:
    openers = [Opener(path) for path in paths]
    return [LazyColumns(open_columns, opener) for opener in openers], openers


def mapped_files(directory) -> set[str]:
    """The columns files that are really mapped into this process."""
    with open("/proc/self/maps") as maps:
        found = {line.rsplit("/", 1)[-1].strip() for line in maps if str(directory) in line}
    return {name for name in found if name.endswith(".bin")}


def test_a_file_is_opened_when_it_is_first_asked_for_and_once(paths):
    lazy, openers = lazy_columns(OpenColumns(8), paths)
    assert not any(columns.is_mapped for columns in lazy)
    for _ in range(3):
        for columns in lazy:
            assert columns.get() is columns.get()
    assert [opener.count for opener in openers] == [1] * 8


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_no_more_than_the_limit_are_mapped(paths, limit):
    open_columns = OpenColumns(limit)
    lazy, _ = lazy_columns(open_columns, paths)
    chance = np.random.default_rng(limit)
    for at in chance.integers(0, 8, 300).tolist():
        lazy[at].get()
        assert lazy[at].is_mapped
        assert sum(columns.is_mapped for columns in lazy) == open_columns.mapped <= limit
        assert len(mapped_files(paths[0].parent)) <= limit


def test_at_least_one_must_be_allowed():
    with pytest.raises(ValueError, match="at least one"):
        OpenColumns(0)


def test_those_used_lately_stay(paths):
    lazy, openers = lazy_columns(OpenColumns(3), paths)
    for at in (1, 2, 3, 4, 5, 6, 7):
        lazy[0].get()
        lazy[0].get()
        lazy[at].get()
    assert [opener.count for opener in openers] == [1] * 8


def test_those_not_used_go_first(paths):
    lazy, _ = lazy_columns(OpenColumns(3), paths)
    for at in (0, 1, 2):
        lazy[at].get()
    lazy[0].get()
    lazy[2].get()
    lazy[3].get()
    assert [columns.is_mapped for columns in lazy[:4]] == [True, False, True, True]


def test_arrays_outlive_their_file(paths):
    open_columns = OpenColumns(1)
    lazy, _ = lazy_columns(open_columns, paths)
    arrays = [columns.get().slice(Section.VECTOR, 0, ROWS) for columns in lazy]
    sound = [array.copy() for array in arrays]
    open_columns.let_go()
    gc.collect()
    for path in paths:
        os.unlink(path)
    assert open_columns.mapped == 0
    for array, expected in zip(arrays, sound, strict=True):
        assert array.tobytes() == expected.tobytes()
    assert len({array.tobytes() for array in arrays}) == 8


def test_what_was_let_go_comes_back(paths):
    open_columns = OpenColumns(8)
    lazy, openers = lazy_columns(open_columns, paths)
    first = lazy[0].get()
    open_columns.let_go()
    assert not lazy[0].is_mapped
    assert lazy[0].get() is not first
    assert (openers[0].count, open_columns.mapped) == (2, 1)


def test_a_part_that_is_gone_is_unmapped_at_once(paths):
    """Else the disk space of a dropped partition would be held until others push it out."""
    open_columns = OpenColumns(8)
    lazy, _ = lazy_columns(open_columns, paths)
    for columns in lazy:
        columns.get()
    gone = weakref.ref(lazy[3])
    del lazy[3], columns
    assert gone() is None
    assert "3.bin" not in mapped_files(paths[0].parent)
    assert open_columns.mapped == 7


def test_readers_of_many_threads(paths):
    """Every answer is right, nothing deadlocks, and the limit holds again in the end."""
    open_columns = OpenColumns(3)
    lazy, _ = lazy_columns(open_columns, paths)
    expected = [ColumnsFile.open(path).slice(Section.VECTOR, 0, ROWS).tobytes() for path in paths]
    wrong = []
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)

    def read(seed: int) -> None:
        chance = np.random.default_rng(seed)
        for at in chance.integers(0, 8, 1_500).tolist():
            found = lazy[at].get().slice(Section.VECTOR, 0, ROWS).tobytes()
            if found != expected[at] or open_columns.mapped > 3 + 8:
                wrong.append(at)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        sys.setswitchinterval(interval)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []
    assert open_columns.mapped <= 3
    assert len(mapped_files(paths[0].parent)) <= 3


def test_threads_that_ask_together_open_once(paths):
    inside, go_on = threading.Event(), threading.Event()
    opener = Opener(paths[0])

    def slow() -> ColumnsFile:
        inside.set()
        assert go_on.wait(30)
        return opener()

    lazy = LazyColumns(OpenColumns(2), slow)
    found = []
    threads = [threading.Thread(target=lambda: found.append(lazy.get())) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert inside.wait(30)
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert opener.count == 1
    assert len(found) == 4
    assert len(set(map(id, found))) == 1


def test_a_slow_opening_holds_up_nobody_else(paths):
    inside, go_on = threading.Event(), threading.Event()
    open_columns = OpenColumns(2)

    def slow() -> ColumnsFile:
        inside.set()
        assert go_on.wait(30)
        return ColumnsFile.open(paths[0])

    thread = threading.Thread(target=LazyColumns(open_columns, slow).get)
    thread.start()
    try:
        assert inside.wait(30)
        lazy, _ = lazy_columns(open_columns, paths)
        assert all(columns.get().rows == ROWS for columns in lazy)
        assert thread.is_alive()
    finally:
        go_on.set()
        thread.join()


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_when_files_run_out_the_others_are_let_go(paths, code):
    open_columns = OpenColumns(8)
    lazy, _ = lazy_columns(open_columns, paths)
    for columns in lazy[1:]:
        columns.get()
    tries = []

    def scarce() -> ColumnsFile:
        tries.append(open_columns.mapped)
        if len(tries) == 1:
            raise OSError(code, "too many")
        return ColumnsFile.open(paths[0])

    assert LazyColumns(open_columns, scarce).get().rows == ROWS
    assert tries == [7, 0]


@pytest.mark.parametrize(("code", "times"), [(errno.EMFILE, 2), (errno.EIO, 1)])
def test_what_cannot_be_opened_is_unavailable_and_may_be_tried_again(paths, code, times):
    tries = []

    def refuse() -> ColumnsFile:
        tries.append(1)
        if len(tries) <= times:
            raise OSError(code, "no")
        return ColumnsFile.open(paths[0])

    lazy = LazyColumns(OpenColumns(2), refuse)
    with pytest.raises(UnavailableError, match="cannot open the columns of a partition: "):
        lazy.get()
    assert len(tries) == times
    assert lazy.get().rows == ROWS


def test_damage_is_told_as_it_is(paths):
    paths[0].write_bytes(b"x")
    lazy = LazyColumns(OpenColumns(2), Opener(paths[0]))
    for _ in range(2):
        with pytest.raises(CorruptError, match=r"0\.bin"):
            lazy.get()


def test_files_are_found_again_when_the_process_may_open_few(paths):
    """With the real limit of the system, and a bound above it."""
    open_columns = OpenColumns(1_000)
    lazy, _ = lazy_columns(open_columns, paths)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = [os.open("/", os.O_RDONLY) for _ in range(4)]
    for handle in free:
        os.close(handle)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(free) + 1, hard))
    try:
        for _ in range(3):
            for at, columns in enumerate(lazy):
                assert columns.get().path == paths[at]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert 0 < open_columns.mapped < 4


def test_asking_again_takes_no_lock(paths):
    open_columns = OpenColumns(2)
    lazy = LazyColumns(open_columns, Opener(paths[0]))
    columns = lazy.get()
    with open_columns._lock, lazy._lock:
        assert lazy.get() is columns
