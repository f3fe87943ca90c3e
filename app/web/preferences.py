"""What a user wants of briefs, SMS and notifications, in one object (CONTRACT 5)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from pydantic import BaseModel

from app.db.commit import transaction
from app.features.notifications.preferences import change_preferences, change_timezone, read_preferences
from app.web.endpoint import caller, endpoint, reading, services
from app.web.errors import ApiError
from app.web.notification_schemas import ChangePreferencesRequest, PreferencesReply
from app.web.people import known_user

blueprint = Blueprint("preferences", __name__)

CLEARED_BY_NULL = {"phone_number", "quiet_hours_start", "quiet_hours_end"}


@endpoint(blueprint, "GET", "/users/<user_id>/preferences", reply=PreferencesReply, errors=(404,))
def get_preferences(user_id: str) -> dict[str, Any]:
    """A user's preferences, defaults where nothing was chosen"""
    with reading() as conn:
        return read_preferences(conn, known_user(conn, user_id).id) or {}


@endpoint(
    blueprint,
    "PUT",
    "/users/<user_id>/preferences",
    body=ChangePreferencesRequest,
    reply=PreferencesReply,
    errors=(404,),
)
def put_preferences(user_id: str, body: ChangePreferencesRequest) -> dict[str, Any]:
    """Change what is given of a user's preferences; queued jobs follow at once"""
    given = {part: values for part in ("brief", "sms", "notifications") if (values := _given(getattr(body, part)))}
    with transaction(services().engine) as conn:
        user = known_user(conn, user_id)
        if given.get("sms", {}).get("phone_verified") is not None and not caller().is_operator:
            before = read_preferences(conn, user.id) or {}
            if given["sms"]["phone_verified"] != before["sms"]["phone_verified"]:
                raise ApiError(403, "sms.phone_verified: only the service key may say so")
            del given["sms"]["phone_verified"]  # read and sent back: whether it stands depends on the number
        if body.timezone is not None and body.timezone != user.timezone:
            change_timezone(conn, user.id, body.timezone)
        change_preferences(conn, user.id, given, services().clock.now())
        return read_preferences(conn, user.id) or {}


def _given(part: BaseModel | None) -> dict[str, Any]:
    if part is None:
        return {}
    return {
        name: value
        for name, value in part.model_dump(exclude_unset=True).items()
        if value is not None or name in CLEARED_BY_NULL
    }
