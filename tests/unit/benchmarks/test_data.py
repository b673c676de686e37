from __future__ import annotations

import numpy as np

import tsvec
from benchmarks.data import (
    COLLECTION,
    HOT_ROWS,
    Datasets,
    make_columns,
    make_questions,
    make_vectors,
    stored_vectors,
)

ROWS = 3_000


def test_data_are_the_same_on_every_run():
    first, second = (make_columns(10, 5)["vector"] for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, make_columns(11, 5)["vector"])


def test_vectors_have_unit_length_or_not():
    assert np.allclose(np.linalg.norm(make_vectors(50, seed=1), axis=1), 1)
    assert np.linalg.norm(make_vectors(50, seed=1, unit=False), axis=1).std() > 0.1


def test_questions_cover_their_share_from_end_to_end():
    questions = make_questions(11, ROWS, 0.1, seed=1)
    assert {asked.high - asked.low for asked in questions} == {300}
    assert sorted(asked.low for asked in questions) == list(range(0, 2_701, 270))


def test_a_data_set_is_sealed_but_for_its_hot_rows_and_built_once(tmp_path):
    datasets = Datasets(tmp_path)
    path = datasets.directory(ROWS)
    made = path.stat().st_ino
    assert datasets.directory(ROWS).stat().st_ino == made
    with tsvec.connect(path) as database:
        collection = database.collection(COLLECTION)
        stats = collection.get_collection_stats()
        assert (stats.sealed_points, stats.hot_points) == (ROWS, HOT_ROWS)
        asked = make_questions(3, ROWS, 0.1, seed=1)[0]
        reply = collection.temporal_knn(**asked.request)
    assert reply.eligible.value == 300
    scores = stored_vectors(ROWS)[asked.low : asked.high] @ asked.vector
    assert np.allclose([hit.similarity for hit in reply.hits], np.sort(scores)[::-1][:10])
