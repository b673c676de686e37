"""Each module of the package has a unit test in the same place, or says who covers it."""

from __future__ import annotations

from pathlib import Path

COVERED_ELSEWHERE: dict[str, str] = {
    f"tsvec/server/routes/{name}.py": f"tests/api/test_{name}.py"
    for name in ("collections", "entities", "keys", "points", "query", "system")
}
"""Module -> the test that exercises it, for modules whose behaviour shows only in company."""


def unit_test_of(name: str) -> str:
    path = Path(name)
    return (Path("tests/unit", *path.parts[1:-1]) / f"test_{path.name}").as_posix()


def modules(engine) -> list[str]:
    return [source.name for source in engine if not source.name.endswith("__.py")]


def test_every_module_has_its_test(engine, root):
    missing = [
        f"{name} -> {test}"
        for name in modules(engine)
        if not (root / (test := COVERED_ELSEWHERE.get(name, unit_test_of(name)))).exists()
    ]
    assert missing == []


def test_the_table_of_exceptions_is_honest(engine, root):
    assert COVERED_ELSEWHERE.keys() <= set(modules(engine)), "a module of the table is gone"
    needless = [name for name in COVERED_ELSEWHERE if (root / unit_test_of(name)).exists()]
    assert needless == []


def test_every_unit_test_has_its_module(engine, root):
    mirrored = {unit_test_of(name) for name in modules(engine)}
    written = {
        path.relative_to(root).as_posix()
        for path in (root / "tests" / "unit").rglob("test_*.py")
        if path.parent.name != "benchmarks"
    }
    assert sorted(written - mirrored) == []
