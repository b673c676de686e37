"""Which commands there are: in groups by what they are about, and without a group for every day."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import typer

from tsvec.cli.commands.collections import collections, compact, create, update
from tsvec.cli.commands.entities import entities, history
from tsvec.cli.commands.ingest import ingest
from tsvec.cli.commands.keys import keys
from tsvec.cli.commands.listing import points
from tsvec.cli.commands.many import query
from tsvec.cli.commands.nearest import diff, knn, within
from tsvec.cli.commands.points import delete, deleted, restore
from tsvec.cli.commands.settings import usage
from tsvec.cli.commands.system import system

system.command("usage")(usage)

GROUPS: Mapping[str, typer.Typer] = {
    "collections": collections,
    "points": points,
    "entities": entities,
    "query": query,
    "keys": keys,
    "system": system,
}
"""By the tags of the API; every operation is a command of its tag's group."""

SHORTCUTS: Mapping[str, Callable[..., None]] = {
    "ingest": ingest,
    "knn": knn,
    "range": within,
    "diff": diff,
    "history": history,
    "delete": delete,
    "restore": restore,
    "deleted": deleted,
    "create": create,
    "update": update,
    "compact": compact,
    "usage": usage,
}
"""Commands of the groups that are typed every day, without the group."""

OPERATIONS: Mapping[str, str] = {
    "get_health": "system health",
    "get_ready": "system ready",
    "get_metrics": "system metrics",
    "get_openapi": "system openapi",
    "get_info": "system info",
    "get_usage": "system usage",
    "create_key": "keys create",
    "list_keys": "keys list",
    "revoke_key": "keys revoke",
    "create_collection": "collections create",
    "list_collections": "collections list",
    "get_collection": "collections get",
    "update_collection": "collections update",
    "delete_collection": "collections delete",
    "get_collection_stats": "collections stats",
    "list_windows": "collections windows",
    "compact": "collections compact",
    "get_compaction": "collections compaction",
    "ingest": "points ingest",
    "list_points": "points list",
    "get_point": "points get",
    "update_point": "points update",
    "delete_points": "points delete",
    "restore_points": "points restore",
    "list_deleted_points": "points deleted",
    "list_entities": "entities list",
    "get_entity": "entities get",
    "delete_entity": "entities delete",
    "get_entity_attributes": "entities attributes",
    "set_entity_attributes": "entities attributes",
    "merge_entity_attributes": "entities attributes",
    "get_history": "entities history",
    "temporal_knn": "query knn",
    "temporal_knn_batch": "query batch",
    "temporal_knn_walk": "query walk",
    "temporal_range": "query range",
    "temporal_diff": "query diff",
}
"""The command of each operation of the API, by its operationId."""
