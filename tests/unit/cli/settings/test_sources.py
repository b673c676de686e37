"""What each source says, and how it says what is wrong."""

from __future__ import annotations

import pytest

from tsvec.cli.settings.sources import (
    NAMES,
    OTHER_VARIABLES,
    Given,
    read_environment,
    read_file,
    read_flags,
)
from tsvec.model.errors import InvalidRequestError
from tsvec.model.limits import Limits
from tsvec.model.settings import Settings


def test_every_setting_has_one_name():
    assert (
        len(set(NAMES)) == len(NAMES) == len(Settings.model_fields) - 1 + len(Limits.model_fields)
    )


def test_a_file_has_limits_in_a_table(tmp_path):
    path = tmp_path / "tsvec.toml"
    path.write_text("seal_rows = 100\n[limits]\nk_max = 5\n")
    assert read_file(path) == {
        "seal_rows": Given(100, str(path)),
        "limits.k_max": Given(5, str(path)),
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("seal_rowz = 1", r"tsvec.toml: there is no setting 'seal_rowz'; did you mean seal_rows\?"),
        ("[limits]\nkmax = 1", r"there is no setting 'limits.kmax'; did you mean limits.k_max\?"),
        ("quite_another = 1", "`tsvec config` lists all there are"),
        ("seal_rows = ", "tsvec.toml is not TOML"),
    ],
)
def test_a_file_that_is_wrong(tmp_path, text, problem):
    path = tmp_path / "tsvec.toml"
    path.write_text(text)
    with pytest.raises(InvalidRequestError, match=problem):
        read_file(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InvalidRequestError, match=r"none\.toml: there is no such file"):
        read_file(tmp_path / "none.toml")


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_has_a_variable(monkeypatch, name):
    variable = "TSVEC_" + name.replace(".", "__").upper()
    monkeypatch.setenv(variable, "7")
    assert read_environment() == {name: Given("7", variable)}


def test_other_variables_are_no_settings(monkeypatch):
    for variable in OTHER_VARIABLES:
        monkeypatch.setenv(variable, "x")
    monkeypatch.setenv("TSVECTOR", "x")
    assert read_environment() == {}


@pytest.mark.parametrize(
    ("variable", "meant"),
    [("TSVEC_SEAL_ROW", "TSVEC_SEAL_ROWS"), ("TSVEC_LIMITS__KMAX", "TSVEC_LIMITS__K_MAX")],
)
def test_an_unknown_variable_is_refused(monkeypatch, variable, meant):
    monkeypatch.setenv(variable, "1")
    with pytest.raises(InvalidRequestError, match=f"environment: .*'{variable}'.* mean {meant}"):
        read_environment()


def test_flags():
    assert read_flags(["seal_rows=1", "limits.k_max=2", "seal_rows=3"]) == {
        "seal_rows": Given("3", "--set"),
        "limits.k_max": Given("2", "--set"),
    }
    with pytest.raises(InvalidRequestError, match="NAME=VALUE is expected"):
        read_flags(["seal_rows"])
    with pytest.raises(InvalidRequestError, match="--set: there is no setting 'seal_row'; did you"):
        read_flags(["seal_row=1"])
