"""The project's own files, parsed once, for the tests that keep the house in order."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = ("tsvec", "sdk_gen", "benchmarks")
PLACES = (*CODE, ".ci", "docs", "examples", "mcp", "openapi", "scripts", "tests")
GENERATED = tuple(f"sdk_gen/{language}/" for language in ("python", "typescript", "rust", "go"))
LEFTOVERS = {"__pycache__", "node_modules", "results", "target"}


@dataclass(frozen=True)
class Source:
    """One Python file; `name` is its path from the root of the project."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.name)

    @property
    def module(self) -> str:
        return self.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def files(root: Path) -> list[Path]:
    """Every file that belongs to the project, none that a run leaves behind."""
    inside = [path for place in PLACES for path in (root / place).rglob("*")]
    return sorted(
        path
        for path in [*root.iterdir(), *inside]
        if path.is_file() and not LEFTOVERS & {*path.parts} and path.suffix != ".pyc"
    )


@pytest.fixture(scope="session")
def sources(root: Path, files: list[Path]) -> list[Source]:
    """The Python of the engine, the generator and the benchmarks, generated clients apart."""
    names = (path.relative_to(root).as_posix() for path in files if path.suffix == ".py")
    return [
        Source(name, (root / name).read_text())
        for name in names
        if name.startswith(tuple(f"{place}/" for place in CODE)) and not name.startswith(GENERATED)
    ]


@pytest.fixture(scope="session")
def engine(sources: list[Source]) -> list[Source]:
    """The Python of `tsvec` alone."""
    return [source for source in sources if source.name.startswith("tsvec/")]
