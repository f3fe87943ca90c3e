"""Who is calling, and which users there are: what the console asks before it shows anything."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from flask import Blueprint, request
from pydantic import Field

from app.identity.tokens import bearer_token, identify
from app.identity.users import list_users
from app.web.endpoint import caller, endpoint, reading, services
from app.web.fields import Limit, Text
from app.web.schemas import Reply, Request

blueprint = Blueprint("access", __name__)


class AccessReply(Reply):
    authMode: Literal["open", "jwt"]
    caller: Literal["open", "service", "user", "anonymous"] = Field(
        description="By the key or token sent with this request."
    )
    operator: bool = Field(description="Whether the operators' endpoints are open to this caller.")
    userId: str | None = Field(description="The user of the token.")


class KnownUser(Reply):
    id: str
    name: str | None
    email: str
    timezone: str


class UsersReply(Reply):
    users: list[KnownUser] = Field(description="By address.")


class UsersQuery(Request):
    text: Annotated[Text, Field(max_length=200)] | None = Field(
        None, description="Part of the name or the address, or the id."
    )
    limit: Limit = 20


@endpoint(blueprint, "GET", "/access", reply=AccessReply, public=True, errors=(401,))
def get_access() -> AccessReply:
    """Who is calling, and what is open to them; 401 for a key or token that is not good"""
    who = caller()
    if not who.is_known:  # this endpoint is open to strangers; who sends a key is to hear why it is not good
        identify(services().settings, bearer_token(request.headers.get("Authorization")))
    return AccessReply(
        authMode=services().settings.auth_mode,
        caller=who.kind.value,
        operator=who.is_operator,
        userId=str(who.user_id) if who.user_id else None,
    )


@endpoint(blueprint, "GET", "/users", query=UsersQuery, reply=UsersReply, operator=True)
def get_users(query: UsersQuery) -> dict[str, Any]:
    """Find users by name, address or id"""
    with reading() as conn:
        found = list_users(conn, query.text, limit=query.limit)
    return {
        "users": [
            {"id": str(user.id), "name": user.name, "email": user.email, "timezone": user.timezone} for user in found
        ]
    }
