"""Socket.IO: who may connect, its two rooms, subscribe, resume and presence (CONTRACT 6 and 14)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import structlog
from flask import Flask, request
from flask_socketio import ConnectionRefusedError, SocketIO
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from app.db.looking import look
from app.identity.caller import Caller, CallerKind
from app.identity.keys import KeysAway
from app.identity.tokens import NotAuthenticated, identify
from app.identity.users import find_user, parse_user_id
from app.realtime.changes import Cursor, Event, read_cursor
from app.realtime.expiry import Expiry
from app.realtime.feed import Feed, TooOld
from app.realtime.presence import Presence
from app.realtime.strays import Message, expect_strays
from app.settings import Settings

log = structlog.get_logger("realtime")

NAMESPACE = "/"
JOIN_TIMEOUT = 10  # seconds a subscribe waits for the replay before it
TOO_MANY = "Too many requests; try again later"
CONNECT_LOOK = 0.002  # seconds between looks whether the browser has been told that it is connected


def rooms_of(user_id: UUID) -> tuple[str, str]:
    """The rooms, which are the channels too, of a user."""
    return f"user:{user_id}", f"user-brief-notifications:{user_id}"


class Session:
    """One connected browser; a Listener of the feed."""

    def __init__(self, realtime: Realtime, sid: str, user_id: UUID):
        self.user_id, self.sid, self._realtime = user_id, sid, realtime
        self.id = uuid4()  # what the user's other connections know it by
        self.ready = realtime.socketio.server.eio.create_event()
        self.since: Cursor | None = None  # it has been told everything after this
        self.gone = False

    def tell(self, event: Event) -> None:
        """Send to this browser alone."""
        self._realtime.socketio.server.emit(event.name, event.payload, to=self.sid, namespace=NAMESPACE)

    def joined(self) -> bool:
        if self.gone:
            return False
        for room in rooms_of(self.user_id):
            self._realtime.socketio.server.enter_room(self.sid, room, namespace=NAMESPACE)
        return True


class Realtime:
    """The Socket.IO side of an app. `may_ask` counts what a user's browsers ask, and says whether that is still not too much."""

    def __init__(self, socketio: SocketIO, engine: Engine, settings: Settings, feed: Feed, may_ask: Callable[[UUID], bool]):
        self.socketio, self._engine, self._settings, self._feed, self._may_ask = socketio, engine, settings, feed, may_ask
        self._sessions: dict[str, Session] = {}
        self._presence = Presence(engine, socketio.start_background_task)
        self._expiry = Expiry(socketio.start_background_task, socketio.sleep, self._hang_up)
        feed.bind(self._deliver, socketio.start_background_task)
        socketio.on_event("connect", self._on_connect)
        socketio.on_event("disconnect", self._on_disconnect)
        socketio.on_event("subscribe", self._on_subscribe)
        socketio.on_event("resume", self._on_resume)
        socketio.on_event("presence", self._on_presence)

    @property
    def connections(self) -> int:
        """Browsers that are connected to this process."""
        return len(self._sessions)

    def disconnect_all(self) -> None:
        """Tell every browser to come back later, as the process is about to stop."""
        for sid in list(self._sessions):
            self._hang_up(sid)
        self._presence.close()

    def _hang_up(self, sid: str) -> None:
        self.socketio.server.disconnect(sid, namespace=NAMESPACE)

    def _deliver(self, event: Event) -> None:
        # Every browser of the user is in both rooms: sending to one of them reaches each once.
        self.socketio.server.emit(event.name, event.payload, to=rooms_of(event.user_id)[0], namespace=NAMESPACE)

    def _on_connect(self, auth: Any = None) -> None:
        user_id, caller = self._authenticate(auth if isinstance(auth, dict) else {})
        session = Session(self, request.sid, user_id)
        self._sessions[session.sid] = session
        self._expiry.watch(session.sid, caller.until)
        cursor = auth.get("cursor")
        self.socketio.start_background_task(self._join, session, cursor)

    def _authenticate(self, auth: dict) -> tuple[UUID, Caller]:
        """The user whose events the browser may hear, and who asks. Raises ConnectionRefusedError saying why not."""
        token, named = auth.get("token"), auth.get("userId")
        try:
            caller = identify(self._settings, token if isinstance(token, str) else None)
        except NotAuthenticated as error:
            raise ConnectionRefusedError(str(error)) from None
        except KeysAway as error:
            raise ConnectionRefusedError(str(error), {"code": "unavailable"}) from None
        if not caller.is_known:
            raise ConnectionRefusedError("auth.token is required")
        user_id = caller.user_id
        if caller.kind is not CallerKind.USER:
            if not isinstance(named, str):
                raise ConnectionRefusedError("auth.userId is required")
            user_id = parse_user_id(named)
        try:
            user = look(self._engine, partial(find_user, user_id=user_id)) if user_id is not None else None
        except SQLAlchemyError:
            raise ConnectionRefusedError("The database is away, try again", {"code": "unavailable"}) from None
        if user is None:
            raise ConnectionRefusedError("User not found")
        return user.id, caller

    def _join(self, session: Session, cursor: Any) -> None:
        """Replay and join, once the browser knows that it is connected: events before that it might drop."""
        server = self.socketio.server
        for _ in range(int(JOIN_TIMEOUT / CONNECT_LOOK)):
            if session.gone or server.manager.is_connected(session.sid, NAMESPACE):
                break
            self.socketio.sleep(CONNECT_LOOK)
        try:
            self._start(session, cursor)
        except SQLAlchemyError as error:
            log.warning("a browser could not join", error=type(error).__name__)
            self._hang_up(session.sid)  # it comes back, with its cursor
        session.ready.set()

    def _start(self, session: Session, cursor: Any) -> None:
        since = read_cursor(cursor)
        try:
            if cursor is not None and since is None:
                raise TooOld
            joined_at, _ = self._feed.join(session, since)
        except TooOld:
            since = None
            joined_at, _ = self._feed.join(session, None)
            self._tell_to_reload(session, joined_at)
        session.since = since or joined_at

    def _tell_to_reload(self, session: Session, cursor: Cursor) -> None:
        payload = {"reason": "the cursor is too old", "cursor": str(cursor)}
        self.socketio.server.emit("reload", payload, to=session.sid, namespace=NAMESPACE)

    def _on_disconnect(self, *_: Any) -> None:
        session = self._sessions.pop(request.sid, None)
        if session is not None:
            session.gone = True
            self._expiry.forget(session.sid)
            self._feed.leave(session)
            self._presence.leave(session.id)
            session.ready.set()

    def _on_presence(self, *_: Any) -> dict[str, Any]:
        """Count this connection among its user's that are online, and say which those are."""
        session = self._sessions.get(request.sid)
        if session is not None and not self._may_ask(session.user_id):
            return {"status": "ERROR", "error": TOO_MANY}
        if session is None or not session.ready.wait(JOIN_TIMEOUT) or session.since is None:
            return {"status": "ERROR", "error": "Try again"}
        try:
            online = self._presence.enter(session.id, session.user_id)
        except SQLAlchemyError:
            return {"status": "ERROR", "error": "The database is away, try again"}
        if session.gone:
            self._presence.leave(session.id)
        return {"status": "OK", "connection": str(session.id), "connections": online}

    def _on_subscribe(self, *args: Any) -> dict[str, Any]:
        session = self._sessions.get(request.sid)
        channel = _named(args, "channel")
        if session is None or channel not in rooms_of(session.user_id):
            return {"status": "CHANNEL_ERROR", "error": "This channel is not yours"}
        if not self._may_ask(session.user_id):
            return {"status": "CHANNEL_ERROR", "error": TOO_MANY}
        if not session.ready.wait(JOIN_TIMEOUT) or session.since is None:
            return {"status": "CHANNEL_ERROR", "error": "Try again"}
        return {"status": "SUBSCRIBED", "channel": channel, "cursor": str(session.since)}

    def _on_resume(self, *args: Any) -> dict[str, Any]:
        """Tell what lies between the cursor and what the browser was told since it connected; live events wait meanwhile."""
        session = self._sessions.get(request.sid)
        cursor = read_cursor(_named(args, "cursor"))
        if session is not None and not self._may_ask(session.user_id):
            return {"status": "ERROR", "replayed": 0, "error": TOO_MANY}
        if session is None or not session.ready.wait(JOIN_TIMEOUT) or session.since is None:
            return {"status": "ERROR", "replayed": 0, "error": "Try again"}
        session.ready.clear()
        paused_at = self._feed.leave(session)
        missed = 0
        try:
            if cursor is None:
                raise TooOld
            missed = self._feed.replay(session, cursor, session.since.position)
            session.since = min(cursor, session.since, key=lambda one: one.position)
            return {"status": "RESUMED", "replayed": missed}
        except TooOld:
            self._tell_to_reload(session, paused_at or session.since)
            return {"status": "RELOAD", "replayed": 0}
        except SQLAlchemyError:
            return {"status": "ERROR", "replayed": missed, "error": "The database is away, try again"}
        finally:
            self._rejoin(session, paused_at)

    def _rejoin(self, session: Session, since: Cursor | None) -> None:
        try:
            self._feed.join(session, since)
        except (SQLAlchemyError, TooOld):
            self._hang_up(session.sid)
        session.ready.set()


def _named(args: tuple[Any, ...], key: str) -> Any:
    """`{key: value}` or the bare value, as the first argument of an event."""
    first = args[0] if args else None
    return first.get(key) if isinstance(first, dict) else first


def attach_realtime(app: Flask, engine: Engine, settings: Settings, feed: Feed, may_ask: Callable[[UUID], bool]) -> Realtime:
    """Put Socket.IO in front of `app`. Origins, and who connects too often, are the business of the gates before it."""
    socketio = SocketIO(
        app,
        async_mode="gevent",
        cors_allowed_origins=[],
        manage_session=False,
        max_http_buffer_size=100_000,
        serializer=Message,
        ping_interval=20,
        ping_timeout=20,
    )
    expect_strays(socketio.server)
    app.extensions["buildos.realtime"] = realtime = Realtime(socketio, engine, settings, feed, may_ask)
    return realtime
