"""The machine and the versions a figure depends on."""

from __future__ import annotations

import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

from pydantic import BaseModel, ConfigDict

_LIBRARIES = (
    "tsvec",
    "duckdb",
    "faiss-cpu",
    "httptools",
    "numpy",
    "orjson",
    "pyarrow",
    "pydantic",
    "starlette",
    "uvicorn",
    "uvloop",
)
_SYNCS = 64


class Machine(BaseModel):
    """One machine at one moment; `load` is the load average of the minute before."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu: str
    cores: int
    ram_gib: float
    kernel: str
    python: str
    filesystem: str
    fdatasync_ms: float
    load: float
    libraries: dict[str, str]

    def __str__(self) -> str:
        shown = ("duckdb", "faiss-cpu", "numpy", "pydantic", "starlette", "uvicorn")
        libraries = ", ".join(f"{name} {self.libraries[name]}" for name in shown)
        return (
            f"{self.cpu}, {self.cores} cores, {self.ram_gib:.0f} GiB, Linux {self.kernel}, "
            f"{self.filesystem} (fdatasync {self.fdatasync_ms:.2f} ms), load {self.load:.1f}; "
            f"Python {self.python}, {libraries}"
        )


def describe_machine(scratch: Path) -> Machine:
    """The machine this runs on, its disk as it is under `scratch`."""
    return Machine(
        cpu=_field("/proc/cpuinfo", "model name"),
        cores=len(os.sched_getaffinity(0)),
        ram_gib=int(_field("/proc/meminfo", "MemTotal").split()[0]) / (1 << 20),
        kernel=platform.release(),
        python=sys.version.split()[0],
        filesystem=_filesystem(scratch),
        fdatasync_ms=_sync_ms(scratch / "sync"),
        load=os.getloadavg()[0],
        libraries={name: version(name) for name in _LIBRARIES},
    )


def rss_anon_mb() -> float:
    """Anonymous memory of this process in MB (10⁶ bytes): what mapped files are not."""
    return int(_field("/proc/self/status", "RssAnon").split()[0]) * 1024 / 1e6


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def _filesystem(directory: Path) -> str:
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    holding = [(at, kind) for at, kind in mounts if directory.resolve().is_relative_to(at)]
    return max(holding, key=lambda mount: len(mount[0]))[1]


def _sync_ms(path: Path) -> float:
    """Milliseconds of one write and fdatasync of a page in preallocated space."""
    times = []
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.posix_fallocate(handle, 0, _SYNCS * 4096)
        os.fsync(handle)
        for page in range(_SYNCS):
            begun = time.perf_counter()
            os.pwrite(handle, bytes(4096), page * 4096)
            os.fdatasync(handle)
            times.append(time.perf_counter() - begun)
    finally:
        os.close(handle)
        path.unlink()
    return median(times) * 1e3
