from __future__ import annotations

from benchmarks.data import Datasets
from benchmarks.measure import Context, timed


def test_each_side_runs_once_a_block_and_the_order_turns_round(tmp_path):
    said, ran = [], []
    context = Context(
        rows=1, blocks=3, scratch=tmp_path, datasets=Datasets(tmp_path), data=None, say=said.append
    )

    def side(name):
        return lambda block: ran.append(name) or f"{name}{block}"

    found = context.interleave({"a": side("a"), "b": side("b")})
    assert ran == ["a", "b", "b", "a", "a", "b"]
    assert found == {"a": ["a0", "a1", "a2"], "b": ["b0", "b1", "b2"]}
    assert said[:2] == ["block 1 of 3: a", "block 1 of 3: b"]


def test_the_stopwatch_stops():
    with timed() as watch:
        pass
    assert 0 < watch.seconds < 1
