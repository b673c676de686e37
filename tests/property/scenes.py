"""Data worth trying: ties, duplicates, extremes, late rows; and questions whose bounds hit rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.property.oracle import Question

METRICS = ("cosine", "l2", "dot")
ENTITIES = tuple(f"e{number:02d}" for number in range(24))
TYPES = (None, "ship", "plane")
SCALES = (1.0, 1e30, 1e-30, 1e-40, 1e15)
SECOND = 1_000_000
DAY = 86_400 * SECOND
FAR = 250 * 365 * DAY
"""About 250 years on either side of 1970: beyond every generated row."""


def type_of(entity_id: str) -> str | None:
    return TYPES[int(entity_id[1:]) % len(TYPES)]


@st.composite
def vector_pools(draw: st.DrawFn, dim: int) -> np.ndarray:
    """Vectors to draw from, of shape (n, dim): few make ties, the scales make trouble."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pool = rng.standard_normal((draw(st.sampled_from((2, 5, 300))), dim))
    match draw(st.sampled_from(("unit", "some unit", "scaled", "all scales", "parallel"))):
        case "unit":
            pool /= np.linalg.norm(pool, axis=1, keepdims=True)
        case "some unit":
            pool[::2] /= np.linalg.norm(pool[::2], axis=1, keepdims=True)
        case "scaled":
            pool *= draw(st.sampled_from(SCALES))
        case "all scales":
            pool *= rng.choice(SCALES, (len(pool), 1))
        case _:
            pool = pool[:1] * rng.integers(1, 5, (len(pool), 1))
    vectors = pool.astype(np.float32)
    vectors[~vectors.any(axis=1)] = 1.0
    return vectors


@st.composite
def batches(draw: st.DrawFn, pool: np.ndarray, rows_max: int = 90) -> list[dict[str, Any]]:
    """Points as `Collection.ingest` takes them, in no order of time."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = draw(st.integers(1, rows_max))
    step = draw(st.sampled_from((1, SECOND, 6 * 3_600 * SECOND, 40 * DAY)))
    instants = draw(st.sampled_from((1, 4, 200)))
    base = draw(st.sampled_from((0, -30 * 365 * DAY, 1_750_000_000 * SECOND + 1)))
    entities = ENTITIES[: draw(st.sampled_from((1, 3, len(ENTITIES))))]
    return [
        {
            "entity_id": (entity_id := entities[rng.integers(len(entities))]),
            "timestamp": int(base + step * rng.integers(instants)),
            "vector": pool[rng.integers(len(pool))].tolist(),
            "entity_type": type_of(entity_id),
            "key": (None, None, "a", "b")[rng.integers(4)],
            "metadata": {"row": row} if rng.integers(2) else None,
        }
        for row in range(rows)
    ]


@st.composite
def ranges(draw: st.DrawFn, times: Sequence[int]) -> tuple[int | None, int | None]:
    """Both sides open or not, exactly on rows, a microsecond beside them, far away, or equal."""
    near = sorted({time + offset for time in times for offset in (-1, 0, 1)})
    side = st.none() | st.sampled_from([*near, -FAR, FAR]) if near else st.none()
    start, end = draw(side), draw(side)
    if start is not None and end is not None and start > end:
        start, end = end, start
    return start, end


@st.composite
def questions(draw: st.DrawFn, pool: np.ndarray, points: Sequence[dict[str, Any]]) -> Question:
    """A temporal kNN question about these points."""
    start, end = draw(ranges([point["timestamp"] for point in points]))
    seen = sorted({point["entity_id"] for point in points})
    vector: tuple[float, ...] | None = tuple(pool[draw(st.integers(0, len(pool) - 1))].tolist())
    entity_id = at = None
    if seen and draw(st.booleans()):
        vector, entity_id = None, draw(st.sampled_from(seen))
        mine = [point["timestamp"] for point in points if point["entity_id"] == entity_id]
        at = draw(st.none() | st.sampled_from(mine))
    some = st.lists(st.sampled_from((*ENTITIES, "nobody")), max_size=22).map(tuple)
    return Question(
        vector=vector,
        entity_id=entity_id,
        at=at,
        start=start,
        end=end,
        k=draw(st.sampled_from((1, 2, 7, 30, 1_000))),
        entity_types=draw(
            st.none()
            | st.lists(st.sampled_from(("GENERIC", "ship", "tank")), max_size=3).map(tuple)
        ),
        entity_ids=draw(st.none() | some),
        distinct=draw(st.booleans()),
    )
