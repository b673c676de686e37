"""The settings in force, and where each of them comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tsvec.cli.settings.sources import FILE_NAME, Given, read_environment, read_file, read_flags
from tsvec.model.errors import InvalidRequestError
from tsvec.model.limits import Limits
from tsvec.model.settings import Settings

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as it is in force."""

    name: str
    value: Any
    source: str
    description: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """All settings, and what was given of them, by name."""

    settings: Settings
    given: Mapping[str, Given]

    def all(self) -> Iterator[Setting]:
        """Every setting, those of the limits last."""
        values = dict(self.settings)
        limits = values.pop("limits")
        for name, value in values.items():
            yield self._setting(name, value, Settings.model_fields[name].description)
        for name, value in limits:
            yield self._setting(f"limits.{name}", value, Limits.model_fields[name].description)

    def _setting(self, name: str, value: Any, description: str | None) -> Setting:
        given = self.given.get(name)
        return Setting(name, value, given.source if given else DEFAULT, description or "")


def load_settings(
    directory: Path, *, config: Path | None = None, assignments: Sequence[str] = ()
) -> Loaded:
    """The settings for a database directory.

    In this order: `assignments` (`--set`), variables of the environment, a file, the defaults. The
    file is `config`, else what TSVEC_CONFIG names, else `tsvec.toml` in the directory if there is
    one. Raises InvalidRequestError naming the source, and the variable if it is one.
    """
    path = config or (Path(named) if (named := os.environ.get("TSVEC_CONFIG")) else None)
    if path is None and (directory / FILE_NAME).is_file():
        path = directory / FILE_NAME
    layers = ({} if path is None else read_file(path), read_environment(), read_flags(assignments))
    given = {name: one for layer in layers for name, one in layer.items()}
    try:
        return Loaded(Settings.model_validate(_nested(given)), given)
    except ValidationError as error:
        raise _wrong(error, given) from None


def _nested(given: Mapping[str, Given]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, one in given.items():
        group, dot, rest = name.partition(".")
        if dot:
            values.setdefault(group, {})[rest] = one.value
        else:
            values[name] = one.value
    return values


def _wrong(error: ValidationError, given: Mapping[str, Given]) -> InvalidRequestError:
    fault = error.errors(include_url=False)[0]
    name, message = ".".join(map(str, fault["loc"])), fault["msg"].removeprefix("Value error, ")
    if name not in given:
        return InvalidRequestError(f"{name or 'the settings'}: {message}")
    one = given[name]
    return InvalidRequestError(f"{one.source}: {name} = {one.value!r}: {message}")
