"""Attributes: what is known of an entity itself, as one JSON object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tsvec.model.points import object_bytes


def attributes_bytes(value: dict[str, Any]) -> bytes:
    """Compact JSON of an entity's attributes; a ValueError says what cannot be stored and why."""
    return object_bytes("attributes", value, "attributes_bytes_max")


def merge_patch(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The object that a merge patch (RFC 7396) makes of another; neither is changed.

    A null removes the member, an object is merged into an object, anything else replaces it.
    """
    merged = dict(target)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            there = merged.get(name)
            merged[name] = merge_patch(there if isinstance(there, Mapping) else {}, value)
        else:
            merged[name] = value
    return merged
