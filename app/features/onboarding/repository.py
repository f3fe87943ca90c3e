"""Analyses in the database."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from app.features.onboarding.models import Analysis, Context

COLUMNS = (
    "id", "user_id", "user_context", "analyzed_by", "llm_model", "summary", "insights", "workflow_suggestions", "recommended_features",
    "adhd_practices", "questions", "completed_at", "created_at", "updated_at",
)  # fmt: skip
_SELECT = "select " + ", ".join(COLUMNS) + " from onboarding_analysis"
_INSERT = text(
    """
    insert into onboarding_analysis (user_id, queue_job_id, user_context, analyzed_by, llm_model, summary, insights, workflow_suggestions,
                                     recommended_features, adhd_practices, questions, notes, completed_at)
    values (:user_id, :job_id, cast(:context as jsonb), :analyzed_by, :model, :summary, cast(:insights as jsonb),
            cast(:workflow_suggestions as jsonb), cast(:recommended_features as jsonb), cast(:adhd_practices as jsonb),
            cast(:questions as jsonb), cast(:notes as jsonb), :now)
    returning id
    """
)


def save(conn: Connection, user_id: UUID, context: Context, analysis: Analysis, *, job_id: UUID, now: datetime) -> UUID:
    """Store the analysis and mark the user's onboarding as analysed, in the caller's transaction; the analysis' id."""
    values = {
        "user_id": user_id, "job_id": job_id, "context": json.dumps(asdict(context)), "analyzed_by": analysis.analyzed_by,
        "model": analysis.model, "summary": analysis.summary or None, "notes": json.dumps(analysis.notes), "now": now,
        **{name: json.dumps(items) for name, items in analysis.lists().items()},
    }  # fmt: skip
    analysis_id = conn.execute(_INSERT, values).scalar_one()
    conn.execute(
        text("update users set onboarding_analyzed_at = greatest(onboarding_analyzed_at, :now) where id = :id"),
        {"id": user_id, "now": now},
    )
    return analysis_id


def find_saved(conn: Connection, job_id: UUID) -> dict[str, Any] | None:
    """What this job stored when it ran before."""
    row = conn.execute(text(f"{_SELECT} where queue_job_id = :id"), {"id": job_id}).first()
    return dict(row._mapping) if row else None


def find_latest(conn: Connection, user_id: UUID) -> Row | None:
    """The user's newest analysis."""
    return conn.execute(
        text(f"{_SELECT} where user_id = :user_id order by completed_at desc, id desc limit 1"), {"user_id": user_id}
    ).first()


def find_by_id(conn: Connection, ids: list[UUID]) -> list[Row]:
    """Those that exist."""
    return list(conn.execute(text(f"{_SELECT} where id = any(:ids)"), {"ids": ids}))


def analyzed_at(conn: Connection, user_id: UUID) -> datetime | None:
    """When the user's onboarding was last analysed."""
    return conn.execute(text("select onboarding_analyzed_at from users where id = :id"), {"id": user_id}).scalar()
