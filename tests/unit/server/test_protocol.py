"""Clients that never finish, and bytes that are not HTTP."""

from __future__ import annotations

import json
import socket
import time

import pytest

from tsvec.server.protocol import HEAD_BYTES_MAX

TIMEOUT_SECONDS = 20.0
DRIPS = 400
DRIP_SECONDS = 0.05
ROW = b'{"points":[{"entity_id":"e","vector":[1,2]}]}'


def read_all(connection: socket.socket) -> bytes:
    """Everything until the server closes."""
    received = b""
    try:
        while chunk := connection.recv(65_536):
            received += chunk
    except ConnectionResetError:
        pass
    return received


def talk(address: tuple[str, int], *parts: bytes, pause: float = 0.0) -> bytes:
    """What comes back for these bytes until the server closes the connection."""
    with socket.create_connection(address, timeout=TIMEOUT_SECONDS) as connection:
        for part in parts:
            try:
                connection.sendall(part)
            except (BrokenPipeError, ConnectionResetError):
                break
            time.sleep(pause)
        return read_all(connection)


def head(*lines: str) -> bytes:
    return "\r\n".join([*lines, "host: x", "", ""]).encode()


POST = "POST /v1/collections/c/points HTTP/1.1"
JSON = "content-type: application/json"
GET_AND_CLOSE = head("GET /health HTTP/1.1", "connection: close")


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_the_control_is_answered(address):
    answer = talk(address, GET_AND_CLOSE)
    assert status_of(answer) == 200
    assert b"server:" not in answer.lower()


@pytest.mark.parametrize(
    "path", ["/v1/collections/../../health", "/../health", "/v1/..%2fhealth", "/%68ealth"]
)
def test_paths_are_not_resolved(address, path):
    answer = talk(address, head(f"GET {path} HTTP/1.1", "connection: close"))
    assert status_of(answer) in {400, 404}
    assert b"application/problem+json" in answer


def test_a_silent_connection_is_closed(address, patience):
    begin = time.monotonic()
    assert talk(address) == b""
    assert time.monotonic() - begin >= patience * 0.9


def test_a_head_byte_by_byte_is_cut(address, patience):
    start = b"GET /health HTTP/1.1\r\nx-filler: "
    answer = talk(address, start, *[b"y"] * DRIPS, pause=DRIP_SECONDS)
    assert status_of(answer) == 408
    assert b"request_timeout" in answer


def test_stray_line_ends_do_not_keep_a_connection(address, patience):
    assert talk(address, *[b"\r\n"] * DRIPS, pause=DRIP_SECONDS) == b""


def test_a_body_that_never_ends_is_a_408(address, patience):
    answer = talk(address, head(POST, JSON, "content-length: 100"), b'{"points"')
    assert status_of(answer) == 408
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["retryable"] is True


def test_a_body_byte_by_byte_is_a_408(address, patience):
    start = head(POST, JSON, f"content-length: {2 * DRIPS}")
    answer = talk(address, start, *[b" "] * DRIPS, pause=DRIP_SECONDS)
    assert status_of(answer) == 408


def test_an_endless_chunked_body_is_cut(address, patience):
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    start = head(POST, JSON, "transfer-encoding: chunked")
    answer = talk(address, start, *[chunk] * 40)
    assert answer == b"" or status_of(answer) in {408, 413}


def test_a_body_that_nobody_wants_is_cut(address, patience):
    start = head("POST /nowhere HTTP/1.1", JSON, "content-length: 100000000")
    answer = talk(address, start, *[b" " * 1_000] * DRIPS, pause=DRIP_SECONDS)
    assert status_of(answer) == 404


def test_a_length_far_too_large_is_refused_without_waiting_for_the_body(address):
    answer = talk(address, head(POST, JSON, "content-length: 99999999999"))
    assert status_of(answer) == 413  # a server that waited would say 408
    assert b"connection: close" in answer.lower()


def test_a_body_a_little_too_large_is_read_to_its_end_and_refused(address):
    body = ROW.ljust(9 << 20)
    answer = talk(address, head(POST, JSON, f"content-length: {len(body)}") + body)
    assert status_of(answer) == 413


def test_a_head_without_end_is_refused(address):
    lines = [b"x-filler: " + b"y" * 1_000 + b"\r\n"] * (2 * HEAD_BYTES_MAX // 1_000)
    answer = talk(address, b"GET /health HTTP/1.1\r\n", *lines)
    assert answer == b"" or status_of(answer) == 400


@pytest.mark.parametrize(
    "text", [b"hello\r\n\r\n", b"GET\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0"]
)
def test_what_is_not_http_is_a_400(address, text):
    answer = talk(address, text)
    assert status_of(answer) == 400
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["code"] == "invalid_request"


def test_the_server_lives_after_all_this(address):
    for text in (b"\x00" * 10_000, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"):
        talk(address, text)
    assert status_of(talk(address, GET_AND_CLOSE)) == 200
