"""The arguments of `.delay()` as those of a job."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.queue.errors import InvalidMetadata


def add_request(user_id: Any = None, metadata: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """The arguments of `delay` as those of `add_job`. Raises InvalidMetadata when the user's id is not a uuid."""
    metadata = {**(metadata or {}), **fields}
    named = user_id if user_id is not None else metadata.get("userId")
    try:
        return {"user_id": UUID(str(named)) if named is not None else None, "metadata": metadata}
    except ValueError:
        raise InvalidMetadata("user_id", "is not a uuid") from None
