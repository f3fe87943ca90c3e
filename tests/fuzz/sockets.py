"""Socket.IO: what no browser of ours would send, over websockets and polling, before and after the connect packet."""

from __future__ import annotations

import json
from typing import Any

import requests
import websocket
from hypothesis import strategies as st

from tests.fuzz.drive import JSON, TEXT, caught, drive
from tests.fuzz.world import PATIENCE, SERVICE_KEY, World

EVENTS = st.sampled_from(["subscribe", "resume", "unsubscribe", "presence", "connect", "disconnect", "message", "ping", "", "__proto__", "\x00"]) | TEXT
ARGUMENTS = st.lists(
    JSON | st.fixed_dictionaries({}, optional=dict.fromkeys(("channel", "cursor", "userId", "token"), JSON | st.sampled_from(["user:", "0/0", "1:1"]))), max_size=3
)
PACKETS = st.sampled_from(["40", "41", "42", "43", "44", "45", "46", "42/admin,", "42/,5", "451-", "2", "3", "1", "5", "6", "7", "0", ""]) | TEXT


def _event(parts: tuple[str, list[Any], Any]) -> str:
    name, arguments, number = parts
    return f"42{number}{json.dumps([name, *arguments])}"


MESSAGES = (
    st.tuples(EVENTS, ARGUMENTS, st.sampled_from(["", "0", "7", "99999999999999999999", "-1"])).map(_event)
    | st.tuples(PACKETS, JSON).map(lambda parts: parts[0] + json.dumps(parts[1]))
    | st.tuples(PACKETS, TEXT).map("".join)
    | st.binary(max_size=40)
)
AUTH = st.fixed_dictionaries({}, optional={"token": JSON, "userId": JSON, "cursor": JSON}) | JSON


def fuzz_sockets(world: World, *, examples: int, start: int) -> list[str]:
    """So many connections of up to twelve messages each."""

    def talk(case: tuple[Any, bool, list[str | bytes], bool]) -> None:
        auth, good, messages, polling = case
        if good:
            auth = {**(auth if isinstance(auth, dict) else {}), "token": SERVICE_KEY, "userId": world.users[0]}
        opening = "40" + json.dumps(auth)
        (_poll if polling else _websocket)(world, [opening, *messages])

    cases = st.tuples(AUTH, st.booleans(), st.lists(MESSAGES, max_size=12), st.integers(0, 3).map(lambda n: n == 0))
    return drive("sockets", cases, talk, examples=examples, start=start) + caught("sockets", world.alive)


def _websocket(world: World, messages: list[str | bytes]) -> None:
    host, port = world.address
    connection = websocket.create_connection(f"ws://{host}:{port}/socket.io/?EIO=4&transport=websocket", timeout=PATIENCE)
    try:
        connection.recv()  # what the server opens with
        for message in messages:
            if isinstance(message, bytes):
                connection.send_binary(message)
            else:
                connection.send(message.encode("utf-8", "replace").decode())
            world.note("socket messages", "sent")
        connection.settimeout(0.005)
        connection.recv()
    except (websocket.WebSocketException, OSError):
        world.note("socket messages", "closed")
    finally:
        connection.close(timeout=0)


def _poll(world: World, messages: list[str | bytes]) -> None:
    """The same by polling, where each message is a request."""
    url = f"{world.api.url}/socket.io/?EIO=4&transport=polling"
    opened = world.ask("socket requests", requests.Request("GET", url))
    if opened is None or not opened.body.startswith(b"0{"):
        return
    sid = json.loads(opened.body[1:])["sid"]
    for message in messages:
        data = message if isinstance(message, bytes) else message.encode("utf-8", "replace")
        answer = world.ask("socket requests", requests.Request("POST", f"{url}&sid={sid}", data=data, headers={"Content-Type": "text/plain"}))
        if answer is None or answer.status != 200:
            return
