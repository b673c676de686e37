"""Of several sources the first that names a setting counts, and is named."""

from __future__ import annotations

import pytest

from tsvec.cli.settings.loading import DEFAULT, load_settings
from tsvec.cli.settings.sources import NAMES
from tsvec.model.errors import InvalidRequestError
from tsvec.model.settings import Settings

SOURCES = ("file in the directory", "file of TSVEC_CONFIG", "--config", "variable", "--set")


@pytest.mark.parametrize("given", [SOURCES[:count] for count in range(len(SOURCES) + 1)])
def test_later_sources_win(tmp_path, monkeypatch, given):
    """Each gives another value of one setting and of one limit."""
    options: dict[str, object] = {}
    expected = {"seal_rows": 8_192, "limits.k_max": 10_000, "source": DEFAULT}
    for number, source in enumerate(given, 1):
        text = f"seal_rows = {number}\n[limits]\nk_max = {number}\n"
        path = tmp_path / ("tsvec.toml" if number == 1 else f"{number}.toml")
        expected = {"seal_rows": number, "limits.k_max": number, "source": str(path)}
        match source:
            case "file in the directory":
                path.write_text(text)
            case "file of TSVEC_CONFIG":
                path.write_text(text)
                monkeypatch.setenv("TSVEC_CONFIG", str(path))
            case "--config":
                path.write_text(text)
                options["config"] = path
            case "variable":
                monkeypatch.setenv("TSVEC_SEAL_ROWS", str(number))
                monkeypatch.setenv("TSVEC_LIMITS__K_MAX", str(number))
                expected["source"] = "TSVEC_"
            case "--set":
                options["assignments"] = [f"seal_rows={number}", f"limits.k_max={number}"]
                expected["source"] = "--set"
    loaded = load_settings(tmp_path, **options)
    assert loaded.settings.seal_rows == expected["seal_rows"]
    assert loaded.settings.limits.k_max == expected["limits.k_max"]
    shown = {one.name: one for one in loaded.all()}
    assert sorted(shown) == sorted(NAMES)
    for name in ("seal_rows", "limits.k_max"):
        assert shown[name].value == expected[name]
        assert shown[name].source.startswith(str(expected["source"]))
        assert shown[name].description
    assert {one.source for one in loaded.all() if one.name != "seal_rows"} >= {DEFAULT}


def test_sources_add_up(tmp_path, monkeypatch):
    (tmp_path / "tsvec.toml").write_text("seal_rows = 1\n[limits]\nk_max = 2\n")
    monkeypatch.setenv("TSVEC_LIMITS__DIM_MAX", "3")
    settings = load_settings(tmp_path, assignments=["scrub_seconds=4.5"]).settings
    assert (settings.seal_rows, settings.scrub_seconds) == (1, 4.5)
    assert (settings.limits.k_max, settings.limits.dim_max) == (2, 3)


def test_nothing_given_is_the_defaults(tmp_path):
    assert load_settings(tmp_path).settings == Settings()


@pytest.mark.parametrize(
    ("source", "value"),
    [("file", "0"), ("file", '"many"'), ("variable", "0"), ("variable", "many"), ("flag", "1.5")],
)
def test_a_wrong_value_names_its_source(tmp_path, monkeypatch, source, value):
    flags = []
    match source:
        case "file":
            (tmp_path / "tsvec.toml").write_text(f"[limits]\nk_max = {value}\n")
            named = str(tmp_path / "tsvec.toml")
        case "variable":
            monkeypatch.setenv("TSVEC_LIMITS__K_MAX", value)
            named = "TSVEC_LIMITS__K_MAX"
        case "flag":
            flags, named = [f"limits.k_max={value}"], "--set"
    with pytest.raises(InvalidRequestError) as caught:
        load_settings(tmp_path, assignments=flags)
    assert caught.value.message.startswith(f"{named}: limits.k_max = ")


def test_settings_that_do_not_go_together(tmp_path):
    with pytest.raises(InvalidRequestError, match=r"inflight_bytes_max .* twice the largest body"):
        load_settings(tmp_path, assignments=["inflight_bytes_max=2000000"])
