"""Tenants: owners of collections, who cannot see each other's."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

TENANT_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
_NAME = re.compile(TENANT_PATTERN, re.ASCII)


def check_tenant_name(name: str) -> str:
    """The same name, if it is one to 63 lower-case letters, digits, `_` or `-`, no sign first."""
    if _NAME.fullmatch(name) is None or name.endswith("\n"):
        raise ValueError(
            "a tenant name is 1 to 63 lower-case letters, digits, '_' or '-', "
            "starting with a letter or digit"
        )
    return name


TenantName = Annotated[
    str,
    Field(strict=True, json_schema_extra={"pattern": TENANT_PATTERN}),
    AfterValidator(check_tenant_name),
]
