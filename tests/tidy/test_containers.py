"""What the container files name exists. The image itself is not built by the tests."""

from __future__ import annotations

import json
import re
import shlex
from fnmatch import fnmatch

import pytest
import typer
import yaml

from tsvec.cli.app import app

OPTION = re.compile(r"--[a-z][a-z-]*")


@pytest.fixture(scope="module")
def dockerfile(root) -> dict[str, list[str]]:
    """The arguments of each instruction, in order."""
    text = (root / "Dockerfile").read_text().replace("\\\n", " ")
    found: dict[str, list[str]] = {}
    for line in filter(str.strip, text.splitlines()):
        instruction, arguments = line.split(maxsplit=1)
        found.setdefault(instruction, []).append(arguments)
    return found


@pytest.fixture(scope="module")
def service(root) -> dict[str, object]:
    return yaml.safe_load((root / "docker-compose.yml").read_text())["services"]["tsvec"]


@pytest.fixture(scope="module")
def served(dockerfile) -> list[str]:
    """The arguments the image's entry point is given."""
    return json.loads(dockerfile["CMD"][0])


@pytest.fixture(scope="module")
def paths(root) -> set[str]:
    return set(yaml.safe_load((root / "openapi" / "tsvec.yaml").read_text())["paths"])


def options_of(command: str) -> dict[str, object]:
    """Each option of a command with its default; a KeyError if there is no such command."""
    found = typer.main.get_command(app)
    for word in command.split():
        found = found.commands[word]
    params = found.params
    return {option: param.default for param in params for option in param.opts}


def test_the_command_and_its_options_exist(served, dockerfile):
    assert set(OPTION.findall(" ".join(served[1:]))) <= options_of(served[0]).keys()
    entry = json.loads(dockerfile["ENTRYPOINT"][0])
    assert entry == ["/opt/tsvec/bin/tsvec"]
    assert any(copied.endswith(" /opt/tsvec /opt/tsvec") for copied in dockerfile["COPY"])


def test_one_port_everywhere(served, dockerfile, service):
    port = str(options_of("serve")["--port"])
    assert served[served.index("--port") + 1] == port
    assert dockerfile["EXPOSE"] == [port]
    assert f"http://127.0.0.1:{port}/" in dockerfile["HEALTHCHECK"][0]
    assert service["ports"] == [f"127.0.0.1:{port}:{port}"], "published on this machine only"


def test_the_data_lies_in_the_volume(served, dockerfile, service):
    data = served[served.index("--data") + 1]
    assert dockerfile["VOLUME"] == [data]
    assert service["volumes"] == [f"data:{data}"]
    assert any(data in line.split() for line in dockerfile["RUN"]), "made and owned by the user"


def test_the_health_check_asks_a_route_of_the_api(dockerfile, paths):
    _, path = re.search(r"http://[\d.]+:(\d+)(/\S*)'", dockerfile["HEALTHCHECK"][0]).groups()
    assert path in paths


def test_what_is_copied_exists_and_is_not_ignored(dockerfile, root):
    sources = [
        source
        for copied in dockerfile["COPY"]
        if not copied.startswith("--from=")
        for source in copied.split()[:-1]
    ]
    ignored, *kept = (root / ".dockerignore").read_text().split()
    assert ignored == "*"
    for source in sources:
        assert (root / source).exists()
        assert any(fnmatch(f"!{source}", pattern) for pattern in kept), source


def test_nothing_runs_as_root(dockerfile):
    assert dockerfile["USER"] == ["tsvec"]
    assert any("useradd" in line and "tsvec" in line for line in dockerfile["RUN"])


def test_the_page_names_commands_and_routes_that_exist(root, paths):
    page = (root / "docs" / "containers.md").read_text()
    commands = re.findall(r"(?:/opt/tsvec/bin/tsvec|run --rm tsvec) (.+)$", page, re.MULTILINE)
    assert len(commands) == 3
    for line in commands:
        command, *arguments = shlex.split(line)
        if command == "keys":
            command = f"keys {arguments.pop(0)}"
        assert set(OPTION.findall(" ".join(arguments))) <= options_of(command).keys()
    assert set(re.findall(r"^curl http://127\.0\.0\.1:8710(\S+)", page, re.MULTILINE)) <= paths
