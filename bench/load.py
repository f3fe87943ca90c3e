"""A load generator for HTTP: keep-alive connections in one asyncio loop, requests made beforehand. In a process of its own:

`python -m bench.load URL CONNECTIONS SECONDS REQUESTS_FILE`; the file holds one `METHOD PATH [BODY]` a line, sent in turn. Prints
`{seconds, statuses, latencies}` as JSON, latencies in seconds.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


def request(line: str, host: str) -> bytes:
    """The bytes of a request."""
    method, path, *body = line.split(" ", 2)
    content = body[0].encode() if body else b""
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: keep-alive\r\n"
    if content:
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    return head.encode() + b"\r\n" + content


async def answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """Read one response: its status and whether the connection stays."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    at = head.find(b"content-length:")
    if at >= 0:
        await reader.readexactly(int(head[at + 15 : head.index(b"\r", at)]))
    return int(head[9:12]), b"connection: close" not in head


async def connection(
    url: Any, requests: Iterator[bytes], until: float, latencies: list[float], statuses: Counter
) -> None:
    reader = writer = None
    while time.perf_counter() < until and (message := next(requests, None)) is not None:
        if writer is None:
            reader, writer = await asyncio.open_connection(url.hostname, url.port)
        begun = time.perf_counter()
        writer.write(message)
        status, stays = await answer(reader)
        latencies.append(time.perf_counter() - begun)
        statuses[str(status)] += 1
        if not stays:
            writer.close()
            writer = None
    if writer is not None:
        writer.close()


async def main(address: str, connections: int, seconds: float, lines: list[str]) -> dict[str, Any]:
    url = urlsplit(address)
    made = [request(line, url.netloc) for line in lines]
    requests = itertools.cycle(made) if len(made) == 1 else iter(made)
    latencies: list[float] = []
    statuses: Counter = Counter()
    begun = time.perf_counter()
    await asyncio.gather(*(connection(url, requests, begun + seconds, latencies, statuses) for _ in range(connections)))
    return {"seconds": time.perf_counter() - begun, "statuses": statuses, "latencies": latencies}


if __name__ == "__main__":
    _address, _connections, _seconds, _file = sys.argv[1:]
    _lines = Path(_file).read_text(encoding="utf-8").splitlines()
    print(json.dumps(asyncio.run(main(_address, int(_connections), float(_seconds), _lines))))
