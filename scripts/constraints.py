"""Print `constraints.txt` from pip's resolution report, read on standard input."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

OLDEST_PYTHON = "3.11"
HEADER = """\
# The exact versions tsvec is built and tested with: its dependencies, the `dev` group, and pip and
# setuptools themselves. Remade by `make constraints`, with the oldest supported Python so that
# every version here runs on all of them; do not edit by hand.
"""


def constraints(report: dict[str, Any], project: str = "tsvec") -> str:
    """The text of the file; the project itself is left out."""
    if (version := report["environment"]["python_version"]) != OLDEST_PYTHON:
        raise SystemExit(f"constraints are compiled with Python {OLDEST_PYTHON}, not {version}")
    pins = {
        re.sub(r"[-_.]+", "-", metadata["name"]).lower(): metadata["version"]
        for metadata in (item["metadata"] for item in report["install"])
    }
    del pins[project]
    return HEADER + "".join(f"{name}=={pins[name]}\n" for name in sorted(pins))


if __name__ == "__main__":
    sys.stdout.write(constraints(json.load(sys.stdin)))
