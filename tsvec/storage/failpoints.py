"""Named steps at which a test can make the process die or a system call fail."""

from __future__ import annotations

import errno
import os
import re
import threading
import time
from collections import Counter
from typing import Self

ENVIRONMENT_VARIABLE = "TSVEC_FAILPOINTS"

FAILPOINTS = frozenset(
    {
        "collection.directory_made",
        "collection.manifest_written",
        "delete.renamed",
        "log.before_write",
        "log.after_write",
        "log.sync",
        "log.after_sync",
        "log.roll_created",
        "log.roll_linked",
        "log.truncate",
        "commit.before_acknowledge",
        "seal.start",
        "seal.truth_written",
        "seal.columns_written",
        "seal.partition_renamed",
        "seal.state_written",
        "seal.window_set_swapped",
        "overlay.written",
        "checkpoint.start",
        "compact.start",
        "compact.truth_written",
        "compact.columns_written",
        "compact.partition_renamed",
        "compact.swapped",
        "drop.start",
        "drop.logged",
        "drop.unlinked",
        "keys.before_rename",
        "keys.after_rename",
        "manifest.before_rename",
        "manifest.after_rename",
        "requests.before_rename",
        "requests.after_rename",
        "recovery.opened",
        "recovery.replayed",
    }
)
"""Every step that may be named in `TSVEC_FAILPOINTS`."""

_RULE = re.compile(r"([a-z_.]+)=(exit|eio|enospc|sleep:\d+)(?:@(\d+)(\+?))?")


class FailPoints:
    """Rules such as `log.sync=eio@3+`: from the third time on, this step fails with EIO.

    Actions: `exit` ends the process at once with status 137, as kill -9 would; `eio` and `enospc`
    raise that OSError; `sleep:MS` waits. Without `@n` a rule fires every time.
    """

    def __init__(self, rules: str = "") -> None:
        self._rules: dict[str, tuple[str, int, bool]] = {}
        self._hits: Counter[str] = Counter()
        self._lock = threading.Lock()
        for rule in filter(None, (part.strip() for part in rules.split(","))):
            match = _RULE.fullmatch(rule)
            if match is None or match[1] not in FAILPOINTS:
                raise ValueError(f"{ENVIRONMENT_VARIABLE}: {rule!r} is not name=action[@n[+]]")
            name, action, count, onwards = match.groups()
            self._rules[name] = (action, int(count or 1), onwards == "+" or count is None)

    @classmethod
    def from_environment(cls) -> Self:
        """The rules of `TSVEC_FAILPOINTS`, none if it is not set."""
        return cls(os.environ.get(ENVIRONMENT_VARIABLE, ""))

    def hit(self, name: str) -> None:
        """Pass the step of this name, or do what its rule says."""
        if not self._rules:
            return
        rule = self._rules.get(name)
        if rule is None:
            return
        action, count, onwards = rule
        with self._lock:
            self._hits[name] += 1
            hits = self._hits[name]
        if hits < count or (hits > count and not onwards):
            return
        if action == "exit":
            os._exit(137)
        if action.startswith("sleep:"):
            time.sleep(int(action[6:]) / 1000)
            return
        code = errno.EIO if action == "eio" else errno.ENOSPC
        raise OSError(code, f"{os.strerror(code)} (fail point {name})")
