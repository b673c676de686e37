"""Records become JSON replies."""

from __future__ import annotations

from pydantic import BaseModel
from starlette.responses import Response


class JsonReply(Response):
    """A record as the body of a reply."""

    media_type = "application/json"

    def __init__(self, record: BaseModel, status: int = 200) -> None:
        super().__init__(record.model_dump_json(), status)


class EncodedReply(Response):
    """JSON that is already encoded, as the body of a reply."""

    media_type = "application/json"
