"""Points as every kind of file, for the tests of the command line."""

from __future__ import annotations

import csv
import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import typer.main

from tsvec.cli import app
from tsvec.cli.serve import listen, running
from tsvec.engine.database import Database
from tsvec.server.serve import build_server

FORMATS = [
    "points.parquet",
    "points.feather",
    "points.arrows",
    "points.csv",
    "points.tsv",
    "points.jsonl",
    "points.npz",
]


@dataclass(frozen=True)
class Rows:
    """Some points, column by column."""

    entity_id: list[str]
    entity_type: list[str]
    timestamp: list[datetime]
    vector: np.ndarray
    speed: list[float]

    def __len__(self) -> int:
        return len(self.entity_id)

    @property
    def arrow(self) -> pa.Table:
        flat = pa.array(self.vector.reshape(-1))
        return pa.table(
            {
                "entity_id": self.entity_id,
                "entity_type": self.entity_type,
                "timestamp": pa.array(self.timestamp, pa.timestamp("us", "UTC")),
                "vector": pa.FixedSizeListArray.from_arrays(flat, self.vector.shape[1]),
                "speed": self.speed,
            }
        )

    @property
    def records(self) -> list[dict]:
        return [row | {"timestamp": row["timestamp"].isoformat()} for row in self.arrow.to_pylist()]


@pytest.fixture(scope="session")
def rows() -> Rows:
    count, dim = 57, 3
    random = np.random.default_rng(7)
    start = datetime(2026, 1, 31, 12, tzinfo=UTC)
    return Rows(
        entity_id=[f"{i % 5:03}" for i in range(count)],
        entity_type=["SHIP" if i % 5 < 3 else "BUOY" for i in range(count)],
        timestamp=[start + timedelta(minutes=7 * i, microseconds=i) for i in range(count)],
        vector=random.normal(size=(count, dim)).astype(np.float32),
        speed=random.uniform(0, 20, count).round(2).tolist(),
    )


@pytest.fixture
def write(rows: Rows, tmp_path: Path) -> Callable[[str], Path]:
    """Write the rows as the kind of file its name says."""

    def write_as(name: str) -> Path:
        path = tmp_path / name
        WRITERS[path.suffix](rows, path)
        return path

    return write_as


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """No database is named but by the test, and nothing is cut to the width of a terminal."""
    for name in (
        "TSVEC_URL",
        "TSVEC_DATA",
        "TSVEC_TENANT",
        "TSVEC_API_KEY",
        "TSVEC_DEBUG",
        "FORCE_COLOR",
        "COLUMNS",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session", autouse=True)
def built_once():
    """Typer makes all commands anew whenever one is run, which is right once a process."""
    with patch("typer.main.get_command", functools.cache(typer.main.get_command)):
        yield


@pytest.fixture
def run(capsys):
    """Run a command: its exit code, stdout and stderr."""

    def run_command(*arguments):
        with pytest.raises(SystemExit) as exit_:
            app.main([str(argument) for argument in arguments])
        return exit_.value.code, *capsys.readouterr()

    return run_command


@pytest.fixture
def ok(run):
    """Run a command that must succeed: its stdout."""

    def run_command(*arguments):
        code, out, err = run(*arguments)
        assert (code, err) == (0, "")
        return out

    return run_command


@pytest.fixture(params=["data", "url"])
def target(request, tmp_path):
    """The options that name a new database: a directory, or a server."""
    if request.param == "data":
        yield ["--data", tmp_path / "db"]
        return
    with (
        Database(tmp_path / "db") as database,
        running(build_server(database), listen("127.0.0.1", 0)) as url,
    ):
        yield ["--url", url]


@pytest.fixture
def loaded(target, ok, write):
    ok("ingest", write("points.parquet"), "--create", "--metric", "l2", "-c", "ships", *target)
    return ["-c", "ships", *target]


def write_parquet(rows: Rows, path: Path) -> None:
    pyarrow.parquet.write_table(rows.arrow, path, row_group_size=20)


def write_feather(rows: Rows, path: Path) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, rows.arrow.schema) as file:
        file.write_table(rows.arrow, max_chunksize=10)


def write_stream(rows: Rows, path: Path) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, rows.arrow.schema) as file:
        file.write_table(rows.arrow, max_chunksize=10)


def write_csv(rows: Rows, path: Path) -> None:
    with path.open("w", newline="") as file:
        delimiter = "\t" if path.suffix == ".tsv" else ","
        writer = csv.DictWriter(file, rows.records[0], delimiter=delimiter)
        writer.writeheader()
        writer.writerows(row | {"vector": json.dumps(row["vector"])} for row in rows.records)


def write_json_lines(rows: Rows, path: Path) -> None:
    path.write_text("\n".join(json.dumps(row) for row in rows.records))


def write_npz(rows: Rows, path: Path) -> None:
    names, numbers = np.unique(rows.entity_id, return_inverse=True)
    np.savez(
        path,
        entity=numbers.astype(np.int32),
        entity_names=names,
        entity_type=np.array(rows.entity_type),
        ts=np.array([t.replace(tzinfo=None) for t in rows.timestamp], "datetime64[us]"),
        vec=rows.vector,
        speed=np.array(rows.speed),
    )


WRITERS = {
    ".parquet": write_parquet,
    ".feather": write_feather,
    ".arrows": write_stream,
    ".csv": write_csv,
    ".tsv": write_csv,
    ".jsonl": write_json_lines,
    ".npz": write_npz,
}


@pytest.fixture(params=FORMATS)
def every_file(request, write) -> Path:
    """The rows as each kind of file in turn."""
    return write(request.param)
