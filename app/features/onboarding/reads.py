"""Analyses as HTTP and Socket.IO show them (CONTRACT 5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from app.features.onboarding import repository


def find_onboarding(conn: Connection, user_id: UUID) -> dict[str, Any]:
    """`{userId, analyzedAt, analysis}`: the newest analysis, null where there is none."""
    latest = repository.find_latest(conn, user_id)
    return {
        "userId": str(user_id),
        "analyzedAt": _json(repository.analyzed_at(conn, user_id)),
        "analysis": _as_api(latest) if latest else None,
    }


def analyses_by_id(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """Those of the analyses that exist, by id."""
    return {row.id: _as_api(row) for row in repository.find_by_id(conn, list(ids))}


def _as_api(row: Row) -> dict[str, Any]:
    return {name: _json(value) for name, value in row._mapping.items()}


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value) if isinstance(value, UUID) else value
