"""Small modules, small functions, small classes, small rooms."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

LINES_MAX = 400
FUNCTION_LINES_MAX = 70
METHODS_MAX = 20
ROOM_MODULES_MAX = 12
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


def nodes(sources, kind) -> Iterator[tuple[str, ast.AST]]:
    for source in sources:
        for node in ast.walk(source.tree):
            if isinstance(node, kind):
                yield source.name, node


def test_modules_are_short(sources):
    lengths = {source.name: len(source.text.splitlines()) for source in sources}
    assert {name: n for name, n in lengths.items() if n > LINES_MAX} == {}


def test_functions_are_short(sources):
    functions = nodes(sources, FUNCTION)
    lengths = {f"{name}:{node.name}": node.end_lineno - node.lineno + 1 for name, node in functions}
    assert {name: n for name, n in lengths.items() if n > FUNCTION_LINES_MAX} == {}


def test_classes_have_few_methods(sources):
    methods = {
        f"{name}:{node.name}": sum(isinstance(item, FUNCTION) for item in node.body)
        for name, node in nodes(sources, ast.ClassDef)
    }
    assert {name: n for name, n in methods.items() if n > METHODS_MAX} == {}


def test_rooms_have_few_modules(engine):
    rooms = Counter(
        source.module.rpartition(".")[0]
        for source in engine
        if not source.name.endswith("__init__.py")
    )
    assert {room: n for room, n in rooms.items() if n > ROOM_MODULES_MAX} == {}
