"""Names that say nothing are not used, and the public ones are pinned."""

from __future__ import annotations

import ast
from pathlib import Path

import tsvec

BANNED = {"base", "common", "helpers", "helper", "manager", "misc", "util", "utils"}
ROOM_DOCSTRING_LINES_MAX = 25
PUBLIC = [
    "Collection",
    "Database",
    "Entities",
    "PointBatch",
    "Settings",
    "TsvecError",
    "connect",
    "to_arrow",
]


def test_no_file_has_a_name_that_says_nothing(files, root):
    words = {path: set(path.stem.lower().split("_")) for path in files if path.suffix == ".py"}
    assert [path.relative_to(root) for path, found in words.items() if found & BANNED] == []


def test_the_mcp_package_is_not_shadowed(root):
    assert not (root / "mcp" / "__init__.py").exists(), (
        "it would hide the MCP SDK: see CONTRIBUTING"
    )
    assert not (root / "tests" / "mcp").exists(), "call it tests/gateway_mcp"


def test_each_room_says_what_it_is_and_holds_nothing_else(engine):
    rooms = [source for source in engine if source.name.endswith("__init__.py")]
    assert len(rooms) > 1
    silent = [room.name for room in rooms if not ast.get_docstring(room.tree)]
    assert silent == []
    long = [room.name for room in rooms if room.tree.body[0].end_lineno > ROOM_DOCSTRING_LINES_MAX]
    assert long == []
    assert [r.name for r in rooms[1:] if len(r.tree.body) > 1] == [], "rooms are not re-exported"


def test_every_folder_of_code_is_a_package(engine, root):
    folders = {Path(source.name).parent for source in engine}
    assert [
        folder for folder in sorted(folders) if not (root / folder / "__init__.py").exists()
    ] == []


def test_the_public_names_are_pinned():
    assert sorted(tsvec.__all__) == PUBLIC
    assert [name for name in PUBLIC if not hasattr(tsvec, name)] == []
