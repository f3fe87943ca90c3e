"""The proxy where Caddy is not installed: whole connections, each to an API that answered /health a moment ago. Runs as a file."""

from __future__ import annotations

import asyncio
import itertools
import os

UPSTREAMS = [name.split(":") for name in os.environ["API_UPSTREAMS"].split()]
LOOK = 1.0  # seconds between two looks, and for which one may last
good: set[str] = set()
turn = itertools.count()


async def watch(host: str, port: str) -> None:
    while True:
        try:
            async with asyncio.timeout(LOOK):
                reader, writer = await asyncio.open_connection(host, int(port))
                writer.write(b"GET /health HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n")
                answer = await reader.readline()
                writer.close()
            (good.add if b" 200 " in answer else good.discard)(host)
        except (OSError, TimeoutError):
            good.discard(host)
        await asyncio.sleep(LOOK)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    there = [one for one in UPSTREAMS if one[0] in good]
    for attempt in range(len(there)):
        host, port = there[(next(turn) + attempt) % len(there)]
        try:
            async with asyncio.timeout(LOOK):
                theirs, ours = await asyncio.open_connection(host, int(port))
        except (OSError, TimeoutError):
            good.discard(host)
            continue
        await asyncio.gather(pump(reader, ours), pump(theirs, writer))
        return
    writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    writer.close()


async def health(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    writer.close()


async def main() -> None:
    watchers = [asyncio.create_task(watch(*one)) for one in UPSTREAMS]
    await asyncio.start_server(health, "127.0.0.1", 8090)
    async with await asyncio.start_server(serve, "0.0.0.0", 80) as server:
        await server.serve_forever()
    del watchers


asyncio.run(main())
