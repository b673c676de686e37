"""What starting takes: every command pays for what is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

LATER = {"pandas", "polars", "matplotlib", "IPython"}


@pytest.mark.parametrize("module", ["tsvec", "tsvec.cli.app"])
def test_nothing_is_imported_that_a_command_can_do_without(module, environment):
    """Pyarrow imports pandas, where there is one, for the first array it makes of objects."""
    code = f"import sys, {module}; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert LATER & {*run.stdout.split()} == set()
