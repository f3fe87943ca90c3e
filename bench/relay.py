"""What ours is compared with: Flask-SocketIO as its manual has it, events emitted by another process through the message queue in Redis.

`python -m bench.relay` serves it, on the same server as our API.
"""

from __future__ import annotations

from typing import Any

from app.settings import load_settings
from app.web.main import Server, bind


class _Realtime:
    """What our server asks of an application when it stops."""

    def disconnect_all(self) -> None:
        """Browsers find out by themselves."""


class Relay(Server):
    """Our server with another application in it."""

    def load(self) -> Any:
        from flask import Flask
        from flask_socketio import SocketIO, join_room

        from app.logs import configure_logs

        settings = load_settings()
        configure_logs(settings)
        flask = Flask("relay")
        flask.extensions["buildos.realtime"] = _Realtime()
        socketio = SocketIO(flask, async_mode="gevent", message_queue=settings.redis_url)

        @socketio.on("connect")
        def connect(auth: dict[str, str]) -> None:
            join_room(f"user:{auth['userId']}")

        @socketio.on("subscribe")
        def subscribe(wanted: dict[str, str]) -> dict[str, str]:
            return {"status": "SUBSCRIBED", "channel": wanted["channel"]}

        return flask


if __name__ == "__main__":
    from app.logs import configure_logs

    _settings = load_settings()
    configure_logs(_settings)
    Relay(_settings, bind(_settings)).run()
