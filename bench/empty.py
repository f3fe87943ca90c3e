"""A Flask endpoint that does nothing, served exactly as our API is: `python -m bench.empty`."""

from __future__ import annotations

from typing import Any

from app.settings import load_settings
from app.web.main import Server, bind


class _NoRealtime:
    def disconnect_all(self) -> None:
        """Nobody is connected."""


class Empty(Server):
    """Our server with another application in it."""

    def load(self) -> Any:
        from flask import Flask

        from app.logs import configure_logs

        configure_logs(load_settings())
        flask = Flask("empty")
        flask.extensions["buildos.realtime"] = _NoRealtime()
        flask.add_url_rule("/", "nothing", dict, methods=["GET", "POST"])
        return flask


if __name__ == "__main__":
    from app.logs import configure_logs

    _settings = load_settings()
    configure_logs(_settings)
    Empty(_settings, bind(_settings)).run()
