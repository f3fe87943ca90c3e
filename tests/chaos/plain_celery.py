"""The comparison: the same stream under the same faults on plain Celery with Redis, with its default acks or with acks_late."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from dataclasses import asdict
from typing import Any

from celery import Celery, signals
from kombu.exceptions import OperationalError

from tests.chaos import ledger
from tests.chaos.fleet import Fleet
from tests.chaos.ledger import Ledger
from tests.chaos.orders import Order, draw
from tests.chaos.stream import ACCEPTED, REFUSED, Stream
from tests.chaos.verdict import Verdict

LATE = os.environ.get("CHAOS_LATE") == "1"
LEDGER = os.environ.get("CHAOS_LEDGER", "")
# As near to our lease as makes sense: the default of an hour would leave every job of a dead worker lying beyond the end of a run.
VISIBILITY = 15  # seconds


def make_app(broker: str, *, late: bool) -> Celery:
    """Celery as its documentation sets it up; `late` with what it recommends for jobs that must not be lost."""
    app = Celery("plain", broker=broker, set_as_current=False)
    app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True, task_default_queue="plain")
    if late:
        app.conf.update(
            task_acks_late=True,
            task_reject_on_worker_lost=True,
            worker_prefetch_multiplier=1,
            broker_transport_options={"visibility_timeout": VISIBILITY},
        )
    app.task(drill, name="drill", bind=True, max_retries=2)
    return app


def drill(self: Any, order: dict[str, Any]) -> None:
    """What `tests.chaos.drill` does, without a row to do it for."""
    told = Order(**order)
    ledger.record(LEDGER, "run", told.key)
    time.sleep(told.seconds)
    if told.kind == "refuse":
        raise PermissionError("refused")
    if told.kind == "hopeless" or (told.kind == "flaky" and self.request.retries == 0):
        raise self.retry(exc=RuntimeError(told.kind), countdown=0.1 * 2**self.request.retries)
    if told.kind == "poison_child":
        os.kill(os.getpid(), signal.SIGKILL)
    if told.kind == "poison_main":
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    ledger.record(LEDGER, "effect", told.key)
    ledger.record(LEDGER, "end", told.key, how="completed")


@signals.task_failure.connect
def _failed(sender: Any = None, args: Any = (), kwargs: Any = None, **_: Any) -> None:
    order = (kwargs or {}).get("order")
    if order:
        ledger.record(LEDGER, "end", order["key"], how="failed")


celery = make_app(os.environ.get("REDIS_URL", "redis://127.0.0.1:1/0"), late=LATE)


class PlainCelery:
    """Workers and beats of plain Celery on one fleet."""

    title = "plain Celery on Redis, default acks"
    late = False

    def __init__(self, fleet: Fleet):
        self.fleet = fleet
        self._client = make_app(fleet.redis.url, late=self.late)
        # A client that Redis does not answer waits for ever by default: that would end the harness, not the comparison.
        self._client.conf.broker_transport_options = {"socket_timeout": 5, "socket_connect_timeout": 5}

    def prepare(self) -> None:
        """Name the members."""
        env = {"CHAOS_LATE": "1" if self.late else "0"}
        run = ["-m", "celery", "-A", "tests.chaos.plain_celery"]
        for n in range(self.fleet.pace.workers):
            self.fleet.add(f"worker{n}", [*run, "worker", "-l", "INFO", "-c", "2", "-n", f"w{n}@drill"], env)
        for n in range(self.fleet.pace.beats):
            self.fleet.add(f"beat{n}", [*run, "beat", "-s", str(self.fleet.folder / f"beat{n}.db")], env)

    def stream(self, seed: int) -> Stream:
        """As many clients as the other system has."""
        return Stream(self.fleet, [], seed, [self._publish] * 4)

    def _publish(self, stream: Stream, name: str) -> None:
        for number in stream.numbers():
            entry = stream.enter(draw(f"plain-{name}-{number}"), "celery")
            try:
                self._send(entry.order)
                entry.answer = ACCEPTED
            except (OperationalError, OSError) as error:
                stream.refused(entry, str(error))

    def _send(self, order: Order) -> None:
        self._client.send_task("drill", kwargs={"order": asdict(order)}, retry=False)

    def probe(self, name: str, patience: float) -> float | None:
        """Seconds until a job that is added now is done; sent again every 5 s, as it may be lost."""
        began = time.monotonic()
        sent = 0
        while (gone := time.monotonic() - began) < patience:
            if gone >= sent * 5:
                sent += 1
                try:
                    self._send(Order(f"{name}-{sent}", "plain", 0.0))
                except (OperationalError, OSError):
                    pass
            if any(f'"end", "key": "{name}-' in line for line in self._tail()):
                return gone
            time.sleep(0.05)
        return None

    def _tail(self) -> list[str]:
        path = self.fleet.folder / "ledger"
        if not path.exists():
            return []
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 20_000))
            return file.read().decode().splitlines()

    def quiet(self, patience: float) -> bool:
        """Wait until nothing has happened for a while: what has not ended by then is lost."""
        path = self.fleet.folder / "ledger"
        end, size, since = time.monotonic() + patience, -1, time.monotonic()
        while time.monotonic() < end:
            if path.stat().st_size != size:
                size, since = path.stat().st_size, time.monotonic()
            if time.monotonic() - since > patience / 2:
                break
            time.sleep(0.5)
        return True

    def verdict(self, stream: Stream) -> Verdict:
        """What the ledger says: there is nothing else to ask."""
        verdict, found = Verdict(), Ledger.read(self.fleet.folder / "ledger")
        for entry in stream.entries:
            verdict.counts[f"celery {entry.answer}"] += 1
            key, ends = entry.order.key, found.ends.get(entry.order.key, [])
            how = Counter(ends)
            if entry.answer == REFUSED:
                if found.runs[key]:
                    verdict.blame("refused, yet there", key)
                continue
            if not ends:
                verdict.blame("jobs lost", f"{key} ({entry.order.kind}, begun {found.runs[key]} times)")
            elif len(how) > 1 or (how["completed"] == 0) != (
                entry.order.kind in ("refuse", "hopeless", "poison_child", "poison_main")
            ):
                verdict.blame("jobs in a wrong or half state", f"{key} ({entry.order.kind}): {dict(how)}")
            if how["completed"] > 1:
                verdict.blame("completions written twice", f"{key}: {how['completed']}")
            if found.effects[key] > 1:
                verdict.blame("effects twice", f"{key}: {found.effects[key]}")
        verdict.counts["runs"] = sum(found.runs.values())
        verdict.counts["outside calls"] = sum(found.effects.values())
        verdict.counts["outside calls repeated (same key)"] = sum(n - 1 for n in found.effects.values())
        return verdict


class LateCelery(PlainCelery):
    """The same with acks_late, reject_on_worker_lost, and a short visibility timeout."""

    title = f"plain Celery on Redis, acks_late, visibility timeout {VISIBILITY} s"
    late = True
