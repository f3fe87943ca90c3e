"""The user and the job that a request names, if they exist and the caller may see them."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection

from app.identity.users import User, find_user, parse_user_id
from app.queue.reads import JobRow, find_job
from app.web.endpoint import caller
from app.web.errors import ApiError, invalid, not_found


def known_user(conn: Connection, user_id: str) -> User:
    """Raises 404 `User not found` for an id nobody has, 403 for somebody else's."""
    known = own_id(user_id)
    user = find_user(conn, known) if known is not None else None
    if user is None:
        raise not_found("User")
    return user


def own_id(user_id: str) -> UUID | None:
    """The id, whether or not somebody has it; None for what is no id. Raises 403 for somebody else's."""
    known = parse_user_id(user_id)
    if known is not None and not caller().may_act_for(known):
        raise ApiError(403, "Not your data")
    return known


def session_user(conn: Connection, named: str | None) -> User:
    """The user of the token. The service key and AUTH_MODE=open have to name one, and a token may name its own (CONTRACT 5)."""
    if named is None and caller().user_id is None:
        raise invalid("userId", "is required")
    return known_user(conn, named or str(caller().user_id))


def known_job(conn: Connection, job_id: str) -> JobRow:
    """Raises 404 `Job not found`, for another user's job too: a stranger does not learn that it exists."""
    job = find_job(conn, job_id)
    if job is None or not caller().may_act_for(job.user_id):
        raise not_found("Job")
    return job
