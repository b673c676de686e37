"""Where settings are given: each source read by itself, as it is written there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import Any

from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from tsvec.model.errors import InvalidRequestError
from tsvec.model.limits import Limits
from tsvec.model.settings import Settings

PREFIX = "TSVEC_"
FILE_NAME = "tsvec.toml"
OTHER_VARIABLES = frozenset(
    PREFIX + name
    for name in ("DATA", "URL", "CONFIG", "API_KEY", "TENANT", "DEBUG", "FAILPOINTS", "CRASH")
)
"""Variables that are no settings."""

NAMES = (
    *(name for name in Settings.model_fields if name != "limits"),
    *(f"limits.{name}" for name in Limits.model_fields),
)
"""Every setting, those of a group behind its name and a dot."""


@dataclass(frozen=True, slots=True)
class Given:
    """A value as it was given, and where: `--set`, a variable, a file."""

    value: Any
    source: str


class _Shape(Settings, BaseSettings):
    """Tells the sources what there is to find; never made."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__")


def read_file(path: Path) -> dict[str, Given]:
    """The settings in a TOML file, by name."""
    if not path.is_file():
        raise InvalidRequestError(f"{path}: there is no such file of settings")
    try:
        found = TomlConfigSettingsSource(_Shape, path)()
    except TOMLDecodeError as error:
        raise InvalidRequestError(f"{path} is not TOML: {error}") from None
    except OSError as error:
        raise InvalidRequestError(f"{path} cannot be read: {error.strerror}") from None
    given = dict(_flat(found))
    for name in given:
        _check_name(name, str(path), NAMES)
    return {name: Given(value, str(path)) for name, value in given.items()}


def read_environment() -> dict[str, Given]:
    """The settings in variables that begin with `TSVEC_`, by name."""
    variables = {_variable_of(name): name for name in NAMES}
    known = [*variables, *OTHER_VARIABLES]
    for variable in sorted(os.environ):
        if variable.startswith(PREFIX) and variable not in OTHER_VARIABLES:
            _check_name(variable, "the environment", known)
    found = EnvSettingsSource(_Shape, case_sensitive=False)()
    return {name: Given(value, _variable_of(name)) for name, value in _flat(found)}


def read_flags(assignments: Sequence[str]) -> dict[str, Given]:
    """The settings of `--set NAME=VALUE`, by name; of one given twice the last."""
    found = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals:
            raise InvalidRequestError(f"--set {text}: NAME=VALUE is expected")
        _check_name(name, "--set", NAMES)
        found[name] = Given(value, "--set")
    return found


def _variable_of(name: str) -> str:
    return PREFIX + name.replace(".", "__").upper()


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _check_name(name: str, source: str, known: Sequence[str]) -> None:
    if name in known:
        return
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else "`tsvec config` lists all there are"
    raise InvalidRequestError(f"{source}: there is no setting {name!r}; {hint}")
