"""Faults of our own processes; and the list of all there are."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress

from tests.chaos.fault import Fault
from tests.chaos.server_faults import (
    ApiCommitLost,
    BackendsTerminated,
    ConnectionsUsedUp,
    DiskFull,
    MessagesDoubled,
    PostgresCrashed,
    PostgresHalfOpen,
    PostgresRestarted,
    RedisCut,
    RedisFlushed,
    RedisFrozen,
    RedisHalfOpen,
    RedisKilled,
    RedisRestarted,
    SocketsCut,
    SocketsHalfOpen,
    TableLocked,
    WorkerCommitLost,
    WorkerPartitioned,
)


class WorkerKilled(Fault):
    """worker: kill -9 of the main process."""

    def inject(self) -> None:
        self.any("worker").kill(everything=False)


class WorkerGroupKilled(Fault):
    """worker: kill -9 of main process and children."""

    def inject(self) -> None:
        self.any("worker").kill()


class ChildKilled(Fault):
    """worker: kill -9 of a child."""

    def inject(self) -> None:
        for pid in self.any("worker").children()[:1]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class WorkerTerminated(Fault):
    """worker: SIGTERM with jobs in flight."""

    def inject(self) -> None:
        self.any("worker").signal(signal.SIGTERM)


class WorkerQuit(Fault):
    """worker: SIGQUIT with jobs in flight."""

    def inject(self) -> None:
        self.any("worker").signal(signal.SIGQUIT)


class WorkersKilledAgain(Fault):
    """workers: killed again and again."""

    def inject(self) -> None:
        for _ in range(3):
            self.any("worker").kill(everything=self.chance.random() < 0.5)
            time.sleep(1.0)


class WorkerFrozen(Fault):
    """worker: stopped (SIGSTOP) for longer than its lease."""

    @property
    def hold(self) -> float:
        return self.fleet.pace.lease / 1000 + 1.5

    def inject(self) -> None:
        self.frozen = self.any("worker")
        self._signal(signal.SIGSTOP)

    def heal(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            self.frozen.process.signal_all(number)


class ApiKilledAtCommit(Fault):
    """api: killed between commit and answer."""

    hold = 2.0

    def inject(self) -> None:
        api = self.any("api0")  # the one that the HTTP clients use
        api.postgres.lose_answer_of_commit(api.kill)


class ApiKilled(Fault):
    """api: kill -9."""

    def inject(self) -> None:
        self.any("api").kill()


class BeatKilled(Fault):
    """beat: one of two killed."""

    def inject(self) -> None:
        self.any("beat").kill()


class BeatsDown(Fault):
    """beat: both down over a tick."""

    hold = 2.0

    def inject(self) -> None:
        for member in self.fleet.of("beat"):
            member.wanted = False
            member.kill()

    def heal(self) -> None:
        for member in self.fleet.of("beat"):
            member.wanted = True


class ClockStepped(Fault):
    """clock: of the workers by an hour and back, of the database by more than a lease (its rows shifted)."""

    hold = 1.5

    def inject(self) -> None:
        self.clock = self.fleet.folder / "traps" / "clock"
        self.clock.write_text(str(self.chance.choice([-3600, 3600])))
        seconds = self.chance.choice([-1, 1]) * (self.fleet.pace.lease / 1000 + 1)
        with self.fleet.connect() as conn:
            # To a row, a clock that steps forward is the same as its own times moving back.
            conn.execute(
                "update queue_jobs set heartbeat_at = heartbeat_at - make_interval(secs => %s) where status = 'processing'",
                [seconds],
            )
            conn.execute(
                "update queue_jobs set scheduled_for = scheduled_for - make_interval(secs => %s), "
                "dispatched_at = dispatched_at - make_interval(secs => %s) where status in ('pending', 'retrying')",
                [seconds, seconds],
            )

    def heal(self) -> None:
        self.clock.unlink(missing_ok=True)


class _Trap(Fault):
    moment = ""
    hold = 3.0

    def inject(self) -> None:
        (self.fleet.folder / "traps" / self.moment).touch()

    def heal(self) -> None:
        (self.fleet.folder / "traps" / self.moment).unlink(missing_ok=True)


class DispatcherKilledMarked(_Trap):
    """dispatcher: killed between marking and publishing."""

    moment = "marked"


class DispatcherKilledPublished(_Trap):
    """dispatcher: killed between publishing and what follows."""

    moment = "published"


class StaleDispatchers(Fault):
    """dispatchers: several with a stale view, all of it sent again."""

    hold = 0.5

    def inject(self) -> None:
        with self.fleet.connect() as conn:
            for _ in range(5):
                conn.execute(
                    "select undispatch_jobs(array(select id from queue_jobs where status = 'pending' and dispatched_at is not null))"
                )
                time.sleep(0.1)


class EverythingAtOnce(Fault):
    """all: Redis and Postgres killed, a worker with them."""

    hold = 1.0

    def inject(self) -> None:
        self.both = [
            RedisKilled(self.fleet, self.chance, self.long),
            PostgresCrashed(self.fleet, self.chance, self.long),
        ]
        self.any("worker").kill()
        threads = [threading.Thread(target=fault.inject) for fault in self.both]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def heal(self) -> None:
        for fault in self.both:
            fault.heal()


FAULTS: tuple[type[Fault], ...] = (
    WorkerKilled,
    WorkerGroupKilled,
    ChildKilled,
    WorkerTerminated,
    WorkerQuit,
    WorkersKilledAgain,
    WorkerFrozen,
    RedisRestarted,
    RedisKilled,
    RedisFlushed,
    RedisFrozen,
    RedisHalfOpen,
    RedisCut,
    MessagesDoubled,
    PostgresRestarted,
    PostgresCrashed,
    BackendsTerminated,
    ConnectionsUsedUp,
    DiskFull,
    TableLocked,
    WorkerPartitioned,
    PostgresHalfOpen,
    WorkerCommitLost,
    ApiKilledAtCommit,
    ApiCommitLost,
    ApiKilled,
    SocketsCut,
    SocketsHalfOpen,
    BeatKilled,
    BeatsDown,
    ClockStepped,
    DispatcherKilledMarked,
    DispatcherKilledPublished,
    StaleDispatchers,
    EverythingAtOnce,
)
