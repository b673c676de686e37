"""`tsvec serve` over HTTPS, with a certificate made for the test."""

from __future__ import annotations

import shutil
import ssl
import subprocess

import httpx
import pytest

from tests.e2e.test_serve import url_of

SECONDS_MAX = 60


@pytest.fixture
def certificate(tmp_path):
    """A certificate for 127.0.0.1 and its key; skips where there is no openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the command openssl to make a certificate")
    paths = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-out", paths[0], "-keyout", paths[1]),
        ],
        check=True,
        capture_output=True,
    )
    return paths


def test_it_is_served_over_https(started, tsvec, environment, certificate):
    cert, key = certificate
    with started("serve", "--port", "0", "--tls-cert", cert, "--tls-key", key) as server:
        url = url_of(server)
        assert url.startswith("https://127.0.0.1:")
        trusted = ssl.create_default_context(cafile=str(cert))
        reply = httpx.get(f"{url}/health", verify=trusted, trust_env=False, timeout=SECONDS_MAX)
        assert reply.json()["status"] == "ok"
        untrusted = tsvec("info", "--url", url)
        assert untrusted.returncode == 1
        environment["SSL_CERT_FILE"] = str(cert)
        told = tsvec("info", "--url", url)
        assert (told.returncode, told.stderr) == (0, "")


def test_what_is_wrong_with_the_files_is_told_at_once(tsvec, certificate, tmp_path):
    cert, key = certificate
    (tmp_path / "not.pem").write_text("not a key")
    for arguments, message in (
        (["--tls-cert", cert], "--tls-key is missing"),
        (["--tls-key", key], "--tls-cert is missing"),
        (["--tls-cert", cert, "--tls-key", "nothing.pem"], "there is no file nothing.pem"),
        (["--tls-cert", cert, "--tls-key", tmp_path / "not.pem"], "PEM"),
    ):
        run = tsvec("serve", "--port", "0", *arguments)
        assert (run.returncode, run.stdout) == (1, "")
        assert message in run.stderr
        assert run.stderr.count("\n") == 1
