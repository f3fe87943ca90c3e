"""Where the messages of dispatched jobs go, over any broker."""

from __future__ import annotations

from typing import Any

import pytest
from kombu import Exchange, Queue

from tasks.dispatcher.sending import RedisSender, StockSender, make_sender
from tasks.engine import JobCelery, configuration
from tests.support.servers import plain_settings

RABBIT = "amqp://user:secret@127.0.0.1:1//"


class Recorder:
    """A producer that keeps where each message was to go."""

    def __init__(self, app: JobCelery) -> None:
        self.connection = app.connection_for_write()  # never opened
        self.went: list[tuple[str, str]] = []

    def publish(self, body: Any, *, exchange: str, routing_key: str, **_: Any) -> None:
        self.went.append((exchange, routing_key))


def celery_of(**settings: Any) -> JobCelery:
    app = JobCelery("test", set_as_current=False)
    app.conf.update(configuration(plain_settings(**settings)))
    return app


@pytest.mark.parametrize("broker", [None, RABBIT], ids=["redis", "rabbitmq"])
def test_a_job_goes_to_the_queue_of_its_worker_and_not_to_that_of_its_type(broker: str | None) -> None:
    app = celery_of(broker_url=broker, queue_transport="stock")
    producer = Recorder(app)
    app.amqp.queues.select_add(Queue("worker.w@host/1", Exchange(""), routing_key="worker.w@host/1", auto_delete=True))
    app.send_dispatch("other", {"job_id": "1"}, "task", "worker.w@host/1", producer)
    assert producer.went == [("", "worker.w@host/1")]


def test_any_broker_that_is_no_redis_is_spoken_to_by_celery() -> None:
    rabbit = plain_settings(broker_url=RABBIT)
    app = celery_of(broker_url=RABBIT)
    assert app.conf.broker_url == RABBIT and not app.conf.broker_transport and app.conf.broker_transport_options == {}
    over_rabbit, over_redis = make_sender(app, rabbit, "q"), make_sender(celery_of(), plain_settings(), "q")
    assert isinstance(over_rabbit, StockSender) and isinstance(over_redis, RedisSender)
    assert over_rabbit.lost_after > over_redis.lost_after  # what RabbitMQ has pushed to a slow worker is not lost
