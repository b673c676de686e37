"""The text of a key is in the reply that made it, and nowhere else."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode
from pathlib import Path

import httpx
import pytest

from tests.e2e.test_serve import url_of
from tests.security.world import API, World, call_of
from tsvec.engine.access import keyring

SECONDS_MAX = 60


def traces(secret: str) -> list[bytes]:
    """The secret as it would show, also if somebody encoded it."""
    bare = secret.removeprefix("tsk_")
    raw = urlsafe_b64decode(bare + "=")
    return [bare.encode(), bare[:20].encode(), raw, raw.hex().encode()]


def found_in(directory: Path, secret: str) -> list[str]:
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert files
    return [
        str(path)
        for path in files
        for trace in traces(secret)
        if trace in path.read_bytes() or trace in str(path).encode()
    ]


def test_no_file_log_answer_or_argument_holds_a_key(started, tsvec, environment, tmp_path):
    made = tsvec("keys", "create", "ops", "--scope", "admin", "--scope", "read", "--json")
    secret = json.loads(made.stdout)["secret"]
    unknown = "tsk_" + "Z" * 43
    told = made.stderr
    with started("serve", "--port", "0", "--log-level", "debug") as server:
        url = url_of(server)
        arguments = Path(f"/proc/{server.pid}/cmdline").read_bytes()
        with httpx.Client(base_url=url, trust_env=False, timeout=SECONDS_MAX) as client:
            for key in (secret, unknown):
                for headers in ({"x-api-key": key}, {"authorization": f"Bearer {key}"}):
                    for operation in API.operations:
                        asked = call_of(operation)
                        reply = client.request(
                            asked.method, asked.path, json=asked.body, headers=headers
                        )
                        if operation.id != "create_key":
                            told += f"{reply.headers}{reply.text}"
                both = [("x-api-key", key), ("authorization", "Bearer other")]
                told += client.get("/v1/info", headers=both).text
                told += client.get("/v1/info", headers={"authorization": key}).text
        environment["TSVEC_API_KEY"] = secret
        for command in ("info", "keys list", "keys revoke key_0"):
            run = tsvec(*command.split(), "--url", url)
            told += run.stdout + run.stderr
        server.terminate()
        out, err = server.communicate(timeout=SECONDS_MAX)
        told += out + err
    for key in (secret, unknown):
        assert [trace for trace in traces(key) if trace in told.encode() + arguments] == []
        assert found_in(tmp_path / "tsvec-data", key) == []
    assert (
        hashlib.sha256(secret.encode()).hexdigest()
        in (tmp_path / "tsvec-data" / "keys.json").read_text()
    )


def test_nobody_else_on_the_machine_may_read_the_digests(tmp_path):
    with World(tmp_path / "data"):
        assert (tmp_path / "data" / "keys.json").stat().st_mode & 0o777 == 0o600


def test_a_made_key_does_not_show_its_secret_by_accident(tmp_path):
    with World(tmp_path / "data") as world:
        assert world.owner.secret not in f"{world.owner!r} {world.owner}"
        caller = world.database.keys.authenticate(world.owner.secret)
        assert world.owner.secret not in repr(caller)


def test_digests_are_compared_in_constant_time(tmp_path, monkeypatch):
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return False

    with World(tmp_path / "data") as world:
        monkeypatch.setattr(keyring.hmac, "compare_digest", compare)
        with pytest.raises(keyring.UnauthorizedError):
            world.database.keys.authenticate(world.owner.secret)
    digest = hashlib.sha256(world.owner.secret.encode()).digest()
    assert compared == [(digest, digest)], "what it says decides"
