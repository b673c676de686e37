"""Where `async`, the wall clock and chance may appear."""

from __future__ import annotations

import ast
from collections.abc import Iterator

CLOCK = "tsvec/engine/clock.py"
NOT_DETERMINISTIC = (
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "numpy.random",
    "os.getrandom",
    "os.urandom",
    "random",
    "secrets",
    "time.gmtime",
    "time.localtime",
    "time.time",
    "time.time_ns",
    "uuid.uuid1",
    "uuid.uuid4",
)


def imported_names(tree: ast.Module) -> dict[str, str]:
    """What each name bound by an import stands for, in full."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {
                a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0]
                for a in node.names
            }
        elif isinstance(node, ast.ImportFrom):
            names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return names


def full_name(node: ast.AST, names: dict[str, str]) -> str:
    match node:
        case ast.Name():
            return names.get(node.id, "")
        case ast.Attribute():
            owner = full_name(node.value, names)
            return f"{owner}.{node.attr}" if owner else ""
        case _:
            return ""


def used_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    names = imported_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            yield node.lineno, full_name(node, names)


def test_async_lives_in_the_server_only(engine):
    async_nodes = ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith | ast.Await
    found = {
        source.name
        for source in engine
        for node in ast.walk(source.tree)
        if isinstance(node, async_nodes)
    }
    assert {name for name in found if not name.startswith("tsvec/server/")} == set()


def test_the_wall_clock_and_chance_are_passed_in(engine):
    found = [
        f"{source.name}:{line} {name}"
        for source in engine
        if source.name != CLOCK
        for line, name in used_names(source.tree)
        if any(name == banned or name.startswith(f"{banned}.") for banned in NOT_DETERMINISTIC)
    ]
    assert found == []
