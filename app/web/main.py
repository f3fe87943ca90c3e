"""The server process: gunicorn with one gevent worker. Scale with more processes behind a proxy that keeps a browser on one.

Run as `python -m app.web.main`. This module imports nothing that opens sockets: the worker patches the standard library for
gevent when it starts, and imports the application after that.
"""

from __future__ import annotations

import gc
import signal
import socket
import sys
from functools import partial
from typing import Any

import gevent
import structlog
from gevent.event import Event
from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.workers.ggevent import GeventWorker

from app import reporting, tracing
from app.identity.binding import check_bind
from app.logs import configure_logs
from app.settings import Settings, SettingsError, load_settings

log = structlog.get_logger("api")

CONNECTIONS = 20_000  # sockets at most, well above the browsers expected, or HTTP would starve
DRAIN = 5  # seconds open requests have to end when we are told to stop
KEEPALIVE = 2  # seconds an idle connection is kept


class OneLog(Logger):
    """gunicorn's own messages go where ours go."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class Worker(GeventWorker):
    """The gevent worker, stopping without waiting for browsers: they are told to go, open requests may end."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._stopping = Event()

    def init_signals(self) -> None:
        super().init_signals()
        signal.signal(signal.SIGINT, self.handle_exit)  # Ctrl-C reaches the worker too: drain as well

    def handle_exit(self, sig: int, frame: Any) -> None:
        super().handle_exit(sig, frame)
        gevent.spawn(self._stopping.set)

    def run(self) -> None:
        connections = Pool(self.worker_connections)
        servers = []
        for listener in self.sockets:
            listener.setblocking(1)
            servers.append(StreamServer(listener, handle=partial(self.handle, listener), spawn=connections))
            servers[-1].start()
            host, port = listener.getsockname()[:2]
            log.info(f"listening on http://{f'[{host}]' if ':' in host else host}:{port}")
        while self.alive:
            self.notify()
            self._stopping.wait(1.0)
        for server in servers:
            server.close()
        self.wsgi.extensions["buildos.realtime"].disconnect_all()
        if not connections.join(timeout=DRAIN):
            self.log.warning("%s requests were cut off", len(connections))
            connections.kill(timeout=1)
        self.wsgi.extensions["buildos.audit"].write()
        tracing.flush()
        reporting.flush()


class Server(BaseApplication):
    """gunicorn, configured from our settings on a socket that is bound already."""

    def __init__(self, settings: Settings, listener: socket.socket):
        self._settings, self._listener = settings, listener
        super().__init__()

    def load_config(self) -> None:
        for name, value in {
            "bind": f"fd://{self._listener.fileno()}",
            "workers": 1,
            "worker_class": Worker,
            "worker_connections": CONNECTIONS,
            "graceful_timeout": DRAIN + 2,
            "keepalive": KEEPALIVE,
            "logger_class": OneLog,
            "loglevel": "warning",
            "proc_name": "buildos api",
            "control_socket_disable": True,
        }.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """In the worker, with the standard library patched."""
        gc.disable()  # what an import makes stays: to look through it again and again took a sixth of the start
        from app.queue import own_types
        from app.web.app import create_app
        from app.wiring import build

        configure_logs(self._settings)
        services = build(self._settings, application_name="buildos api")
        own_types.load(self._settings.job_modules)
        own_types.announce(services.engine)
        app = create_app(services)
        # What lives as long as the process is not looked through again: a full collection took 90 ms, in which nobody is answered.
        gc.freeze()
        gc.enable()
        return app


def bind(settings: Settings) -> socket.socket:
    """A listening socket on HOST and PORT, without Nagle's delay. Raises SettingsError when the address cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((settings.host.strip("[]"), settings.port))
        listener.listen(2048)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingsError(
            f"PORT: {settings.host}:{settings.port} cannot be used ({reason}); choose another"
        ) from None
    return listener


def main() -> None:
    """Serve until SIGTERM. Ends with one line and exit code 1 when the settings do not allow it."""
    try:
        settings = load_settings()
        check_bind(settings)
        configure_logs(settings)
        listener = bind(settings)
    except SettingsError as error:
        print(f"buildos: {error}", file=sys.stderr)
        sys.exit(1)
    sys.argv = sys.argv[:1]
    Server(settings, listener).run()


if __name__ == "__main__":
    main()
