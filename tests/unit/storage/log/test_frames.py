"""Records of the log."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.storage.samples import data_frame, fingerprint, flipped
from tsvec.storage.log.frames import (
    HEADER_BYTES,
    Frame,
    Kind,
    Operation,
    decode_frame,
    encode_frame,
    frame_bytes,
)

U32 = st.integers(0, (1 << 32) - 1)
U64 = st.integers(0, (1 << 64) - 1)
FRAMES = st.builds(
    Frame,
    kind=st.sampled_from(Kind),
    operation=st.sampled_from(Operation),
    history=U64,
    first_seq=U64,
    count=U32,
    recorded_at=st.integers(-(1 << 63), (1 << 63) - 1),
    payload=st.binary(max_size=200),
    sub=U64,
)


@given(st.lists(FRAMES, max_size=8), U32)
def test_a_chain_of_frames_comes_back(frames, seed):
    data, chain = b"", seed
    for frame in frames:
        encoded, chain = encode_frame(frame, chain)
        assert len(encoded) == frame_bytes(len(frame.payload))
        data += encoded
    found, offset, place = [], 0, seed
    while (decoded := decode_frame(memoryview(data), offset, place)) is not None:
        frame, offset, place = decoded
        found.append(fingerprint(frame))
    assert found == [fingerprint(frame) for frame in frames]
    assert (offset, place) == (len(data), chain)


@given(FRAMES, U32, st.data())
def test_a_flipped_bit_is_no_frame(frame, seed, data):
    encoded, _ = encode_frame(frame, seed)
    bits = 8 * (HEADER_BYTES + len(frame.payload))
    damaged = flipped(encoded, data.draw(st.integers(0, bits - 1)))
    assert decode_frame(memoryview(damaged + bytes(300)), 0, seed) is None


@given(FRAMES, U32, U32)
def test_a_frame_of_another_chain_is_no_frame(frame, seed, other):
    encoded, _ = encode_frame(frame, seed)
    assert (decode_frame(memoryview(encoded), 0, other) is None) == (seed != other)


@given(FRAMES, U32, st.data())
def test_a_frame_cut_short_is_no_frame(frame, seed, data):
    encoded, _ = encode_frame(frame, seed)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    assert decode_frame(memoryview(encoded[:cut]), 0, seed) is None


def test_empty_space_is_no_frame():
    assert decode_frame(memoryview(bytes(4_096)), 0, 0) is None


def test_the_payload_is_a_view():
    encoded, _ = encode_frame(data_frame(1, b"payload"), 0)
    frame, _, _ = decode_frame(memoryview(encoded), 0, 0)
    assert frame.payload.obj is encoded


def test_the_last_seq():
    assert data_frame(5, b"", count=3).last_seq == 7
    assert Frame(Kind.TICK, Operation.EXPIRE, 1, 5, 0, 0, b"{}").last_seq == 5
