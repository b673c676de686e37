"""Which files are written, and whether they are up to date."""

from __future__ import annotations

from pathlib import Path

from sdk_gen import commands, reference
from sdk_gen.spec import load

DESCRIPTION = Path("openapi/tsvec.yaml")


def outputs(root: Path) -> dict[Path, str]:
    """The text of every generated file, by its path below `root`."""
    api = load(root / DESCRIPTION)
    return {
        Path("docs/reference/api.md"): reference.api_page(api),
        Path("docs/reference/cli.md"): commands.commands_page(),
        Path("docs/reference/settings.md"): reference.settings_page(),
        Path("docs/errors.md"): reference.errors_page(api.errors),
        Path("docs/limits.md"): reference.limits_page(),
        Path("tsvec/server/tsvec.yaml"): (root / DESCRIPTION).read_text(encoding="utf-8"),
    }


def write(root: Path) -> list[Path]:
    """Write what differs; returns the paths written."""
    stale = differing(root)
    texts = outputs(root)
    for path in stale:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(texts[path], encoding="utf-8")
    return stale


def differing(root: Path) -> list[Path]:
    """The generated files whose text is not what would be written."""
    return [path for path, text in outputs(root).items() if _text_of(root / path) != text]


def _text_of(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
