"""The code blocks of the guides run as they stand, in their order, in one directory a guide."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PORT = "8710"


def free_port():
    """A port below those that the system hands out, which nobody is given meanwhile."""
    while True:
        port = random.randrange(15_000, 30_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return str(port)


def run(language, code, environment, directory):
    """Run one block, and stop what it may have left in the background."""
    command = [sys.executable, "-c", code] if language == "python" else ["bash", "-ec", code]
    process = subprocess.Popen(
        command,
        env=environment,
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        out, _ = process.communicate(timeout=180)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert process.returncode == 0, f"{code}\n--- printed\n{out}"
    return out


@pytest.mark.skipif(
    not (shutil.which("bash") and shutil.which("curl")), reason="the guides use bash and curl"
)
@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_a_guide_runs(guide, environment, tmp_path):
    port = free_port()
    blocks = BLOCK.findall(guide.read_text())
    assert blocks
    directory = tmp_path / "work"
    directory.mkdir()
    for language, code in blocks:
        out = run(language, code.replace(PORT, port), environment, directory)
        assert "Traceback" not in out
