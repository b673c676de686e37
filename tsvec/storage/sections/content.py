"""What each section of columns.bin holds: streams of arrays made from a partition's table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tsvec.model.vectors import Float32Array
from tsvec.storage.columns import Section, are_unit, block_rows, scaled_to_unit, vector_norms
from tsvec.storage.overlay import DeathCause
from tsvec.storage.schema import times_from_arrow, vectors_from_arrow

Stream: TypeAlias = Iterator[NDArray[Any]]
"""The content of one section, in order; the arrays may be large if they exist anyway."""

_TEXT_ROWS = 16_384
"""Rows whose texts are looked at together."""


@dataclass(slots=True)
class VectorFacts:
    """What is known of the vectors once they were streamed."""

    norm_max: float = 0.0


def content_of(
    table: pa.Table, dim: int, facts: VectorFacts, *, cosine: bool
) -> Iterator[tuple[Section, Stream]]:
    """The sections of a table of `partition_schema(dim)`, in the order of the file.

    Each stream must be exhausted before the next section is asked for. `facts` are filled in while
    the vectors go by. ValueError if the vectors have another dimension or a death lacks a part.
    """
    norms = np.empty(len(table))
    yield Section.VECTOR, _vectors(table["vector"], dim, norms)
    facts.norm_max = float(norms.max())
    if cosine and not are_unit(norms):
        yield Section.UNIT, _units(table["vector"], dim, norms)
    yield Section.TIMESTAMP, _times(table["timestamp"])
    yield Section.SEQ, _numbers(table["seq"])
    yield Section.RECORDED_AT, _times(table["recorded_at"])
    yield from _entities(table["entity_id"])
    yield Section.METADATA_OFFSETS, _text_offsets(table["metadata"])
    yield Section.METADATA, _text_bytes(table["metadata"])
    if table["key"].null_count < len(table):
        yield Section.KEY_OFFSETS, _text_offsets(table["key"])
        yield Section.KEYS, _text_bytes(table["key"])
    deaths = [table[name] for name in ("dead_seq", "dead_at", "dead_by")]
    alive = [column.is_null() for column in deaths]
    if not alive[0].equals(alive[1]) or not alive[0].equals(alive[2]):
        raise ValueError("dead_seq, dead_at and dead_by must be null in the same rows")
    if deaths[0].null_count < len(table):
        yield from _deaths(*deaths)


def _vector_blocks(column: pa.ChunkedArray, dim: int) -> Iterator[tuple[slice, Float32Array]]:
    """The vectors, a block at a time, with the rows they belong to. (rows, dim)."""
    row, step = 0, block_rows(dim)
    for chunk in column.chunks:
        vectors = vectors_from_arrow(chunk, dim)
        if len(vectors) != len(chunk):
            raise ValueError(f"{len(vectors)} vectors of {dim} elements for {len(chunk)} rows")
        for low in range(0, len(vectors), step):
            block = vectors[low : low + step]
            yield slice(row, row + len(block)), block
            row += len(block)


def _vectors(column: pa.ChunkedArray, dim: int, norms: NDArray[np.float64]) -> Stream:
    """The vectors as they are; their norms are noted in passing."""
    for rows, block in _vector_blocks(column, dim):
        norms[rows] = vector_norms(block)
        yield block


def _units(column: pa.ChunkedArray, dim: int, norms: NDArray[np.float64]) -> Stream:
    for rows, block in _vector_blocks(column, dim):
        yield scaled_to_unit(block, norms[rows])


def _times(column: pa.ChunkedArray) -> Stream:
    return (times_from_arrow(chunk) for chunk in column.chunks)


def _numbers(column: pa.ChunkedArray) -> Stream:
    return (chunk.to_numpy() for chunk in column.chunks)


def _entities(column: pa.ChunkedArray) -> Iterator[tuple[Section, Stream]]:
    """Each row's place in the dictionary, the rows of each entity, and the dictionary."""
    encoded = column.cast(pa.large_binary()).dictionary_encode().unify_dictionaries()
    names = encoded.chunk(0).dictionary
    order = pc.sort_indices(names).to_numpy()
    rank = np.empty(len(names), np.uint32)
    rank[order] = np.arange(len(names), dtype=np.uint32)
    entity = np.concatenate([rank[chunk.indices.to_numpy()] for chunk in encoded.chunks])
    yield Section.ENTITY, iter([entity])
    starts = np.zeros(len(names) + 1, np.uint32)
    starts[1:] = np.cumsum(np.bincount(entity, minlength=len(names)))
    yield Section.ENTITY_STARTS, iter([starts])
    yield Section.ENTITY_ROWS, iter([np.argsort(entity, kind="stable")])
    dictionary = pa.chunked_array([names.take(pa.array(order))])
    yield Section.DICTIONARY_OFFSETS, _text_offsets(dictionary)
    yield Section.DICTIONARY, _text_bytes(dictionary)


def _texts(column: pa.ChunkedArray) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
    """Runs of a text column: where each text begins and the last ends, and their bytes."""
    for chunk in column.chunks:
        for low in range(0, len(chunk), _TEXT_ROWS):
            run = chunk.slice(low, _TEXT_ROWS).cast(pa.large_binary()).fill_null(b"")
            _, offsets, values = run.buffers()
            begins = np.frombuffer(offsets, np.int64, len(run) + 1, run.offset * 8)
            text = np.frombuffer(values, np.uint8) if values else np.empty(0, np.uint8)
            yield begins - begins[0], text[begins[0] : begins[-1]]


def _text_offsets(column: pa.ChunkedArray) -> Stream:
    """Where each text begins, and behind all where the last one ends."""
    end = 0
    for begins, _ in _texts(column):
        yield begins[:-1] + end
        end += int(begins[-1])
    yield np.array([end])


def _text_bytes(column: pa.ChunkedArray) -> Stream:
    return (text for _, text in _texts(column))


def _deaths(
    seqs: pa.ChunkedArray, times: pa.ChunkedArray, causes: pa.ChunkedArray
) -> Iterator[tuple[Section, Stream]]:
    yield Section.DEAD_SEQ, (chunk.fill_null(0).to_numpy() for chunk in seqs.chunks)
    yield (
        Section.DEAD_AT,
        (chunk.cast(pa.int64()).fill_null(0).to_numpy() for chunk in times.chunks),
    )
    yield Section.DEAD_BY, (_causes(chunk) for chunk in causes.chunks)


def _causes(chunk: pa.Array) -> NDArray[np.uint8]:
    """`DeathCause`s of their names, 0 where there is none."""
    found = np.zeros(len(chunk), np.uint8)
    for cause in DeathCause:
        is_this = pc.equal(chunk, cause.name.lower()).fill_null(False)
        found[is_this.to_numpy(zero_copy_only=False)] = cause
    if np.count_nonzero(found) != len(chunk) - chunk.null_count:
        raise ValueError("dead_by must be 'replaced' or 'deleted'")
    return found
