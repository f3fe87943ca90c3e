"""kombu's Redis transport without its bookkeeping: many messages a fetch, and nothing to acknowledge.

Postgres knows every job and recovers it, so Redis need not remember which message was taken by whom: two thirds of what a stock
worker's main process does is that. A message that dies with its worker is sent again because its job is.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from kombu.transport import TRANSPORT_ALIASES, virtual
from kombu.transport import redis as stock
from kombu.utils.encoding import bytes_to_str

from app.db.broker import is_redis

BATCH = 64  # messages taken in one go, as far as the worker has room


class QoS(virtual.QoS):
    """Counts what was taken, in this process alone."""

    restore_at_shutdown = False

    def restore_visible(self, *args: Any, **kwargs: Any) -> None:
        """Nothing is ever hidden."""

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        # A message that Celery does not want (a task it does not know) is put back at the end where another worker may want it.
        if requeue and delivery_tag in self._delivered:
            self.channel._restore(self._delivered[delivery_tag])
        self._quick_ack(delivery_tag)


class Channel(stock.Channel):
    """Takes more messages of the same queue along with each one that arrives."""

    QoS = QoS
    _sending_client: Any = None

    def _brpop_read(self, **options: Any) -> bool:
        try:
            queue, items = self._take(options)
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()
        for item in items:
            self.connection._deliver(json.loads(item), queue)
        return True

    def _take(self, options: dict[str, Any]) -> tuple[str, list[bytes]]:
        """The message that arrived, and those behind it, over the connection that is free until the next BRPOP."""
        client = self.client
        try:
            answer = client.parse_response(client.connection, "BRPOP", **options)
            if not answer:
                raise stock.Empty
            key, first = answer
            queue = bytes_to_str(key).rsplit(self.sep, 1)[0]
            self._queue_cycle.rotate(queue)
            room = min(self.qos.can_consume_max_estimate() or BATCH, BATCH) - 1
            if room <= 0:
                return queue, [first]
            client.connection.send_command("RPOP", key, room)
            return queue, [first, *(client.parse_response(client.connection, "RPOP") or ())]
        except self.connection_errors:
            client.connection.disconnect()
            raise

    def _restore(self, message: Any, leftmost: bool = False) -> None:
        """Put a taken message back, where it waits like a new one."""
        info = message.delivery_info
        self._do_restore_message(message.serializable(), info["exchange"], info["routing_key"], self.client, leftmost)


    def _create_client(self, asynchronous: bool = False) -> Any:
        # kombu makes a client for each message it sends, which costs more than the sending.
        if asynchronous:
            return super()._create_client(asynchronous=True)
        if self._sending_client is None or self._sending_client.connection_pool is not self.pool:
            self._sending_client = super()._create_client()
        return self._sending_client


class Transport(stock.Transport):
    """`broker_transport` of a worker whose jobs are rows."""

    Channel = Channel


class StockChannel(stock.Channel):
    """kombu's own, which puts back nothing when it is closed: the jobs are dispatched again from their rows. The stock one asks a
    Redis that is away to take its messages back, and the error ends the worker."""

    do_restore = False


class StockTransport(stock.Transport):
    """`broker_transport` with kombu's bookkeeping."""

    Channel = StockChannel


TRANSPORTS = {True: "tasks.transport:Transport", False: "tasks.transport:StockTransport"}  # batched, and not
# kombu lets the address of a socket name its transport, by a word.
SOCKETS = {True: "buildos", False: "buildos-stock"}
TRANSPORT_ALIASES.update({SOCKETS[batched]: TRANSPORTS[batched] for batched in TRANSPORTS})


def transport_for(url: str, batched: bool) -> str | None:
    """The `broker_transport` for a broker's address; None leaves it to the address, as for brokers other than Redis."""
    return TRANSPORTS[batched] if is_redis(url) and urlsplit(url).scheme != "unix" else None


def address_for(url: str, batched: bool) -> str:
    """The address as kombu has it: `unix://user:password@/path?db=1` is spelled in its own way, any other as it is."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    given = dict(parse_qsl(parts.query))
    who = parts.netloc or f"{quote(given.get('username', ''), safe='')}:{quote(given.get('password', ''), safe='')}@"
    return f"{SOCKETS[batched]}+socket://{who.removeprefix(':@')}{parts.path}?virtual_host={given.get('db', 0)}"
