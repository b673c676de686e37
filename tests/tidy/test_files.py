"""No file of the project speaks of one machine, one person or one package registry."""

from __future__ import annotations

import re

BANNED = re.compile(
    r"(?<![\w./-])/(?:home|root|Users|work)/\w"
    r"|file[:]//"
    r"|pypi[.]org|pythonhosted[.]org|registry[.]npmjs|crates[.]io|proxy[.]golang[.]org"
    r"|--(?:extra-)?index[-]url|trusted[-]host"
)
BINARY = {".arrow", ".duckdb", ".npy", ".npz", ".parquet", ".png"}


def test_files_name_no_machine_and_no_registry(files, root):
    found = [
        f"{path.relative_to(root)}:{number} {line.strip()}"
        for path in files
        if path.suffix not in BINARY
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if BANNED.search(line)
    ]
    assert found == []


def test_files_are_small(files, root):
    heavy = [str(path.relative_to(root)) for path in files if path.stat().st_size > 4 << 20]
    assert heavy == []
