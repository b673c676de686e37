"""The storms of the demo: every Atlantic storm of 1975 to 2024, a row for each observed state.

NOAA HURDAT2 (public domain): position, wind and pressure of 654 storms, mostly every six hours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Any

import numpy as np
import orjson

from tsvec.model.points import PointBatch
from tsvec.model.vectors import Float32Array, Int64Array

COLLECTION = "storms"
SCALING = "[latitude / 10°, longitude / 10°, wind / 25 kt, (1013 - pressure) / 25 hPa]"
"""One unit is a difference that matters about as much in every element."""

TROPICAL_STORM_KNOTS = 34
_DIVISORS = np.array([10.0, 10.0, 25.0, -25.0])
_CALM = np.array([0.0, 0.0, 0.0, 1013.0])
_FIELDS = ("latitude", "longitude", "wind_kt", "pressure_hpa")


@dataclass(frozen=True, slots=True)
class Storms:
    """Every state of every storm in the order they were observed, row i of each array one state."""

    storm: Int64Array
    """Number of the storm, into `ids` and `types`."""
    timestamp: Int64Array
    """µs since 1970 UTC."""
    state: np.ndarray[Any, np.dtype[np.float64]]
    """Latitude °N, longitude °E, wind kt, pressure hPa; shape (rows, 4)."""
    ids: list[str]
    """Such as `KATRINA-2005`: names come back, so the year is part of the id."""
    types: list[str]
    """By the highest category a storm ever reached."""

    def __len__(self) -> int:
        return len(self.timestamp)

    @property
    def vectors(self) -> Float32Array:
        """The scaled states, float32 of shape (rows, 4)."""
        return np.asarray((self.state - _CALM) / _DIVISORS, dtype=np.float32)

    def batches(self, rows: int) -> Iterator[PointBatch]:
        """All states as batches of points, in the order they were observed."""
        vectors = self.vectors
        for start in range(0, len(self), rows):
            part = slice(start, start + rows)
            storms = self.storm[part].tolist()
            yield PointBatch.of_columns(
                entity_id=[self.ids[storm] for storm in storms],
                entity_type=[self.types[storm] for storm in storms],
                timestamp=self.timestamp[part],
                vector=vectors[part],
                metadata=[
                    self._metadata(storm, state)
                    for storm, state in zip(storms, self.state[part].tolist(), strict=True)
                ],
            )

    def _metadata(self, storm: int, state: list[float]) -> bytes:
        name = self.ids[storm].rpartition("-")[0]
        return orjson.dumps({"name": name, **dict(zip(_FIELDS, state, strict=True))})

    def row(self, storm_id: str, timestamp: int) -> int:
        """The row of one storm's state at one instant."""
        of_storm = self.storm == self.ids.index(storm_id)
        return int(np.flatnonzero(of_storm & (self.timestamp == timestamp))[0])


def load_storms() -> Storms:
    """The storms that come with the package."""
    with as_file(files("tsvec.cli") / "storms.npz") as path, np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    lengths = np.diff(arrays["offsets"])
    storm = np.repeat(np.arange(len(lengths)), lengths)
    # float32 -> decimal -> float64: 25.4 is to stay 25.4, not become 25.399999618530273.
    state = arrays["values"].astype(np.float64).round(1)
    order = np.argsort(arrays["unix_seconds"], kind="stable")
    windiest = np.maximum.reduceat(state[:, 2], arrays["offsets"][:-1])
    categories = arrays["classes"][arrays["label"]].astype(int)
    return Storms(
        storm=storm[order],
        timestamp=arrays["unix_seconds"][order] * 1_000_000,
        state=state[order],
        ids=[name.upper() for name in arrays["names"].tolist()],
        types=[_type(*peak) for peak in zip(categories.tolist(), windiest.tolist(), strict=True)],
    )


def _type(category: int, wind_kt: float) -> str:
    if category >= 3:
        return "MAJOR_HURRICANE"
    if category >= 1:
        return "HURRICANE"
    return "TROPICAL_STORM" if wind_kt >= TROPICAL_STORM_KNOTS else "TROPICAL_DEPRESSION"
