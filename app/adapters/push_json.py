"""A push in the form in which it travels: JSON for the service worker of the page."""

from __future__ import annotations

import json

from app.ports.push import PushMessage


def encode(message: PushMessage) -> str:
    """What the service worker of the page gets, as JSON. `tag`: a notification shown under it is replaced, not doubled."""
    return json.dumps(
        {
            "id": str(message.id),
            "tag": str(message.id),
            "eventType": message.event_type,
            "title": message.title,
            "body": message.body,
            "url": message.url,
            "correlationId": message.correlation_id,
        },
        ensure_ascii=False,
    )
