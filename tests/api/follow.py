"""Following a link of the description from a reply to the request it leads to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

MISSING = object()


@dataclass(frozen=True)
class Exchange:
    """A request and its reply, as far as links speak of them."""

    path: dict[str, str]
    query: dict[str, Any]
    body: Any
    reply: Any = field(default=None)

    def value(self, expression: str) -> Any:
        """What an expression such as `$response.body#/items/0/seq` stands for, or MISSING."""
        place, _, pointer = expression.partition("#")
        source, _, name = place.removeprefix("$").partition(".")
        kind, _, name = name.partition(".")
        if kind == "body":
            return _pointed(self.body if source == "request" else self.reply, pointer)
        return {"path": self.path, "query": self.query}[kind].get(name, MISSING)

    def filled(self, node: Any) -> Any:
        """The same with its expressions replaced by what they stand for."""
        if isinstance(node, dict):
            return {name: self.filled(item) for name, item in node.items()}
        if isinstance(node, list):
            return [self.filled(item) for item in node]
        return self.value(node) if isinstance(node, str) and node.startswith("$") else node


def expressions_of(node: Any) -> Iterator[str]:
    """The expressions in a link."""
    if isinstance(node, dict):
        for item in node.values():
            yield from expressions_of(item)
    elif isinstance(node, list):
        for item in node:
            yield from expressions_of(item)
    elif isinstance(node, str) and node.startswith("$"):
        yield node


def _pointed(document: Any, pointer: str) -> Any:
    for part in pointer.split("/")[1:]:
        try:
            document = document[int(part) if isinstance(document, list) else part]
        except (KeyError, IndexError, TypeError):
            return MISSING
    return document
