"""A reader of database directories, made from `docs/format.md` alone."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import pyarrow as pa

PAGE = Path(__file__).parents[2] / "docs" / "format.md"
CODES = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "i64": "q", "f64": "d"}
ARROW_TYPES = {
    "large_utf8": pa.large_string(),
    "large_binary": pa.large_binary(),
    "timestamp(us, UTC)": pa.timestamp("us", "UTC"),
    "uint8": pa.uint8(),
    "uint64": pa.uint64(),
}


def crc32c(*pieces: bytes, seed: int = 0) -> int:
    for piece in pieces:
        seed = google_crc32c.extend(seed, bytes(piece))
    return seed


def tables() -> dict[str, list[list[dict[str, str]]]]:
    """The tables below each heading of the page, each row by its column names."""
    found: dict[str, list[list[dict[str, str]]]] = {}
    heading, names = "", None
    for line in PAGE.read_text().splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        if not line.startswith("|"):
            names = None
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if names is None:
            names = cells
            found.setdefault(heading, []).append([])
        elif not set(line) <= set("|-"):
            found[heading][-1].append(dict(zip(names, cells, strict=True)))
    return found


@dataclass(frozen=True)
class Layout:
    """Named fields at fixed places."""

    names: tuple[str, ...]
    offsets: tuple[int, ...]
    form: struct.Struct

    @classmethod
    def of(cls, heading: str) -> Layout:
        (rows,) = tables()[heading]
        codes = [CODES.get(row["type"]) or f"{row['type'].removeprefix('bytes')}s" for row in rows]
        names = tuple(re.match(r"`(\w+)`", row["field"])[1] for row in rows)
        offsets = tuple(int(row["offset"]) for row in rows)
        return cls(names, offsets, struct.Struct("<" + "".join(codes)))

    def read(self, data: bytes, offset: int = 0) -> dict[str, Any]:
        return dict(zip(self.names, self.form.unpack_from(data, offset), strict=True))


SEGMENT, SLOT = Layout.of("Segment header"), Layout.of("Watermark slots")
FRAME = Layout.of("Frame header")
COLUMNS, ENTRY = Layout.of("Columns header"), Layout.of("Section entry")
OVERLAY = Layout.of("Overlay header")


def read_manifest(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    document = json.loads(data)
    assert list(document) == ["sha256", "manifest"]
    assert data.startswith(b'{"sha256":"%s","manifest":{' % document["sha256"].encode())
    assert hashlib.sha256(data[88:-1]).hexdigest() == document["sha256"]
    return document["manifest"]


def read_slots(data: bytes) -> list[dict[str, Any]]:
    """The valid watermarks of a segment, the one that counts last."""
    found = []
    for place in (1_024, 2_048):
        slot = SLOT.read(data, place)
        if slot["crc"] == crc32c(data[place + 4 : place + SLOT.form.size]):
            assert place == (1_024 if slot["turn"] % 2 == 0 else 2_048)
            assert slot["reserved"] == 0
            found.append(slot)
    return sorted(found, key=lambda slot: slot["turn"])


def read_segment(path: Path) -> tuple[dict[str, Any], list[tuple[dict[str, Any], bytes]]]:
    """The header of a segment and its frames, each with its payload."""
    data = path.read_bytes()
    header = SEGMENT.read(data)
    assert header["crc"] == crc32c(data[4 : SEGMENT.form.size])
    assert (header["magic"], header["version"]) == (b"TSVECLOG", 1)
    assert path.name == f"{header['number']:010d}.log"
    assert header["capacity"] == len(data)
    marks = {slot["offset"]: slot for slot in read_slots(data)}
    frames, offset, chain, seq = [], 4_096, header["chain"], header["first_seq"]
    while True:
        if (mark := marks.pop(offset, None)) is not None:
            assert (mark["chain"], mark["seq"]) == (chain, seq - 1)
        frame = FRAME.read(data, offset)
        begin, end = offset + FRAME.form.size, offset + FRAME.form.size + frame["length"]
        payload = data[begin:end]
        checksum = crc32c(data[offset + 8 : begin], payload, data[offset : offset + 4], seed=chain)
        if frame["kind"] == 0 or frame["checksum"] != checksum:
            break
        assert (frame["reserved"], frame["history"]) == (0, header["history"])
        assert frame["first_seq"] == (seq if frame["count"] else seq - 1)
        seq, chain, offset = seq + frame["count"], checksum, -(-end // 8) * 8
        frames.append((frame, payload))
        if frame["kind"] == 6:
            break
    assert set(marks) <= {offset}, "a watermark names a place that is no end of a frame"
    return header | {"end_seq": seq, "end_chain": chain}, frames


def log_schema(dim: int, heading: str = "Points in the log") -> pa.Schema:
    (rows,) = tables()[heading]
    vector = pa.list_(pa.float32(), dim)
    return pa.schema(
        [
            pa.field(
                row["column"].strip("`"),
                ARROW_TYPES.get(row["Arrow type"], vector),
                nullable=row["null"] == "yes",
            )
            for row in rows
        ]
    )


def elements(code: str) -> str:
    """The numpy type of the elements of an array, such as u64 or f32."""
    return f"<{code[0]}{int(code[1:]) // 8}"


def read_overlay(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an overlay by name, every byte checked."""
    data = path.read_bytes()
    header = OVERLAY.read(data)
    assert (header["magic"], header["version"]) == (b"TSVECOVL", 1)
    assert header["crc"] == crc32c(data[16:])
    arrays, offset = {}, OVERLAY.form.size
    for row in tables()["Overlay arrays"][0]:
        found = np.frombuffer(data, elements(row["elements"]), header["count"], offset)
        arrays[row["name"]] = found
        offset += found.nbytes
    assert offset == len(data)
    return arrays


def read_columns(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The header of a columns.bin and its sections by name, every byte checked."""
    data = path.read_bytes()
    page = data[:4_096]
    assert int.from_bytes(page[-4:], "little") == crc32c(page[:-4])
    header = COLUMNS.read(page)
    assert (header["magic"], header["version"], header["reserved"]) == (b"TSVECCOL", 1, 0)
    content = data[4_096 : 4_096 + header["content_bytes"]]
    checks = data[4_096 + header["content_bytes"] :]
    assert crc32c(checks) == header["checks_crc"]
    pieces = [content[at : at + 1_048_576] for at in range(0, len(content), 1_048_576)]
    assert [crc32c(piece) for piece in pieces] == np.frombuffer(checks, "<u4").tolist()
    (rows,) = tables()["Sections"]
    kinds = {int(row["number"]): row for row in rows}
    sections = {}
    for i in range(header["sections"]):
        entry = ENTRY.read(page, COLUMNS.form.size + i * ENTRY.form.size)
        assert entry["begin"] % 4_096 == entry["reserved"] == 0
        kind = kinds[entry["section"]]
        piece = data[entry["begin"] : entry["begin"] + entry["size"]]
        sections[kind["name"]] = np.frombuffer(piece, elements(kind["elements"]))
    return header, sections
