"""The documents are complete, and their links lead somewhere."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tsvec.model.errors import error_classes
from tsvec.model.limits import Limits
from tsvec.model.settings import Settings

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
SECTIONS = ["Context", "Decision", "Alternatives"]
RECORD_LINES_MAX = 80
ARCHITECTURE_LINES_MAX = 300


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    headings = (heading.lower().replace("`", "") for heading in HEADING.findall(prose(page)))
    return {re.sub(r"[^\w\- ]", "", heading).strip().replace(" ", "-") for heading in headings}


def dead_links(page: Path) -> Iterator[str]:
    for link in LINK.findall(prose(page)):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = (page.parent / path).resolve() if path else page
        anchored = anchor and target.is_file() and target.suffix == ".md"
        if not target.exists() or (anchored and anchor not in anchors(target)):
            yield link


@pytest.fixture(scope="module")
def pages(files) -> list[Path]:
    return [path for path in files if path.suffix == ".md"]


@pytest.fixture(scope="module")
def records(pages) -> list[Path]:
    return [page for page in pages if page.parent.name == "decisions"]


def test_links_lead_somewhere(pages, root):
    dead = {str(page.relative_to(root)): list(dead_links(page)) for page in pages}
    assert {page: links for page, links in dead.items() if links} == {}


def test_the_index_names_every_page(pages, root):
    index = root / "docs" / "README.md"
    named = {
        (index.parent / link.partition("#")[0]).resolve() for link in LINK.findall(prose(index))
    }
    assert [page for page in pages if page.is_relative_to(index.parent) and page not in named] == [
        index
    ]


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("limits.md", sorted(Limits.model_fields)),
        ("reference/settings.md", sorted(Settings.model_fields)),
        ("errors.md", sorted({error.code for error in error_classes()})),
    ],
)
def test_every_limit_setting_and_error_is_documented(root, page, words):
    text = (root / "docs" / page).read_text()
    assert [word for word in words if f"`{word}`" not in text] == []


def test_decision_records_have_one_shape(records):
    assert [record.name[:4] for record in records] == [
        f"{n:04}" for n in range(1, len(records) + 1)
    ]
    for record in records:
        text = record.read_text()
        assert len(text.splitlines()) <= RECORD_LINES_MAX, record.name
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS, record.name


def test_every_dependency_was_decided_upon(records, root):
    project = tomllib.loads((root / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = {re.match(r"[\w.-]+", requirement)[0] for requirement in wanted}
    decided = "".join(record.read_text() for record in records)
    assert sorted(name for name in names if f"`{name}`" not in decided) == []


def test_every_dependency_is_pinned(root):
    project = tomllib.loads((root / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = {re.match(r"[\w.-]+", requirement)[0] for requirement in wanted}
    lines = (root / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert [line for line in pins if not re.fullmatch(r"[a-z0-9-]+==[\w.]+", line)] == []
    assert sorted(names - {pin.partition("==")[0] for pin in pins}) == []


def test_the_architecture_page_names_every_module(engine, root):
    page = (root / "ARCHITECTURE.md").read_text()
    assert len(page.splitlines()) <= ARCHITECTURE_LINES_MAX
    written = {s.name.removeprefix("tsvec/") for s in engine if not s.name.endswith("__.py")}
    named = set(re.findall(r"`((?:\w+/)+\w+\.py)`", page))
    assert sorted(written - named) == [], "modules the page does not name"
    assert sorted(named - written) == [], "modules that are gone"
