"""What can go wrong: each breaks something for real, and mends it again."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from contextlib import suppress

import psycopg
import redis

from tests.chaos.fleet import Fleet, Member

KEEPALIVE = 25.0  # seconds after which a kernel gives a connection up, with the keepalives we ask for


class NotHere(Exception):
    """The system under test has nothing that this fault could break."""


class Fault:
    """One fault: `inject`, wait `hold` seconds, `heal`. `long` is how long the worst ones take in this campaign, in seconds."""

    hold = 1.0

    def __init__(self, fleet: Fleet, chance: random.Random, long: float):
        self.fleet = fleet
        self.chance = chance
        self.long = long

    @property
    def name(self) -> str:
        return type(self).__doc__.split("\n")[0].rstrip(".")

    def inject(self) -> None:
        """Break something."""

    def heal(self) -> None:
        """Mend it, where it does not mend itself."""

    def any(self, kind: str) -> Member:
        """One of the members of a kind. Raises NotHere where the system under test has none."""
        if not self.fleet.of(kind):
            raise NotHere
        return self.chance.choice(self.fleet.of(kind))


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


class RedisRestarted(Fault):
    """redis: restart."""

    def inject(self) -> None:
        self.fleet.redis.stop()

    def heal(self) -> None:
        self.fleet.start_redis()


class RedisKilled(RedisRestarted):
    """redis: kill -9, away for a while."""

    hold = 2.0

    def inject(self) -> None:
        self.fleet.redis.process.kill()
        self.fleet.redis.process.wait()


class RedisFlushed(Fault):
    """redis: FLUSHALL."""

    hold = 0.2

    def inject(self) -> None:
        with self.fleet.redis_client() as client:
            client.flushall()


class RedisFrozen(Fault):
    """redis: frozen (SIGSTOP)."""

    @property
    def hold(self) -> float:
        return self.long

    def inject(self) -> None:
        self.fleet.redis.process.send_signal(signal.SIGSTOP)

    def heal(self) -> None:
        self.fleet.redis.process.send_signal(signal.SIGCONT)


class RedisHalfOpen(Fault):
    """redis: every connection half-open."""

    def inject(self) -> None:
        for member in self.fleet.members:
            member.redis.deafen()


class RedisCut(Fault):
    """redis: every connection cut, new ones refused."""

    hold = 2.0

    def inject(self) -> None:
        for member in self.fleet.members:
            member.redis.refuse(True)
            member.redis.cut()

    def heal(self) -> None:
        for member in self.fleet.members:
            member.redis.refuse(False)


class MessagesDoubled(Fault):
    """redis: every waiting message there twice."""

    hold = 0.2

    def inject(self) -> None:
        with self.fleet.redis_client() as client, suppress(redis.RedisError):
            for key in client.keys("*"):
                if client.type(key) == b"list":
                    for message in client.lrange(key, 0, -1):
                        client.rpush(key, message)


class PostgresRestarted(Fault):
    """postgres: restart (fast)."""

    def inject(self) -> None:
        self.fleet.postgres.stop()

    def heal(self) -> None:
        self.fleet.start_postgres()


class PostgresCrashed(PostgresRestarted):
    """postgres: immediate shutdown, recovery."""

    hold = 2.0

    def inject(self) -> None:
        self.fleet.postgres.process.send_signal(signal.SIGQUIT)
        self.fleet.postgres.process.wait()


class BackendsTerminated(Fault):
    """postgres: pg_terminate_backend of every connection."""

    hold = 0.2

    def inject(self) -> None:
        with self.fleet.connect() as conn:
            conn.execute("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'")


class ConnectionsUsedUp(Fault):
    """postgres: connection limit reached."""

    hold = 3.0

    def inject(self) -> None:
        self.held: list[psycopg.Connection] = [self.fleet.connect()]
        self.held[0].execute("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'")
        with suppress(psycopg.OperationalError):
            while True:
                self.held.append(self.fleet.connect())

    def heal(self) -> None:
        for conn in self.held:
            conn.close()


class DiskFull(Fault):
    """postgres: every change of a job fails with disk_full (53100)."""

    hold = 2.0

    def inject(self) -> None:
        with self.fleet.connect() as conn:
            conn.execute(
                "create or replace function drill_disk_full() returns trigger language plpgsql as "
                "$$ begin raise exception 'could not extend file: No space left on device' using errcode = 'disk_full'; end $$"
            )
            conn.execute("create trigger a_disk_full before insert or update on queue_jobs for each row execute function drill_disk_full()")

    def heal(self) -> None:
        with self.fleet.connect() as conn:
            conn.execute("drop trigger a_disk_full on queue_jobs")


class TableLocked(Fault):
    """postgres: queue_jobs locked by a session."""

    @property
    def hold(self) -> float:
        return self.long / 2

    def inject(self) -> None:
        self.session = psycopg.connect(self.fleet.database_url)
        self.session.execute("lock table queue_jobs in access exclusive mode")

    def heal(self) -> None:
        self.session.close()


class WorkerPartitioned(Fault):
    """network: a worker loses the database for longer than its lease, then comes back."""

    @property
    def hold(self) -> float:
        return self.fleet.pace.lease / 1000 + 1.5

    def inject(self) -> None:
        self.member = self.any("worker")
        self.member.postgres.pause()

    def heal(self) -> None:
        self.member.postgres.resume()


class PostgresHalfOpen(Fault):
    """network: a worker's database connections half-open."""

    def inject(self) -> None:
        self.any("worker").postgres.deafen(KEEPALIVE)


class WorkerCommitLost(Fault):
    """network: a worker's COMMIT done, its answer lost."""

    def inject(self) -> None:
        self.any("worker").postgres.lose_answer_of_commit()


class ApiKilledAtCommit(Fault):
    """api: killed between commit and answer."""

    hold = 2.0

    def inject(self) -> None:
        api = self.any("api")
        api.postgres.lose_answer_of_commit(api.kill)


class ApiCommitLost(Fault):
    """api: COMMIT done, its answer lost."""

    def inject(self) -> None:
        self.any("api").postgres.lose_answer_of_commit()


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
                "update queue_jobs set heartbeat_at = heartbeat_at - make_interval(secs => %s) where status = 'processing'", [seconds]
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
                conn.execute("select undispatch_jobs(array(select id from queue_jobs where status = 'pending' and dispatched_at is not null))")
                time.sleep(0.1)


class EverythingAtOnce(Fault):
    """all: Redis and Postgres killed, a worker with them."""

    hold = 1.0

    def inject(self) -> None:
        self.both = [RedisKilled(self.fleet, self.chance, self.long), PostgresCrashed(self.fleet, self.chance, self.long)]
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
    WorkerKilled, WorkerGroupKilled, ChildKilled, WorkerTerminated, WorkerQuit, WorkersKilledAgain, WorkerFrozen,
    RedisRestarted, RedisKilled, RedisFlushed, RedisFrozen, RedisHalfOpen, RedisCut, MessagesDoubled,
    PostgresRestarted, PostgresCrashed, BackendsTerminated, ConnectionsUsedUp, DiskFull, TableLocked,
    WorkerPartitioned, PostgresHalfOpen, WorkerCommitLost, ApiKilledAtCommit, ApiCommitLost, ApiKilled,
    BeatKilled, BeatsDown, ClockStepped, DispatcherKilledMarked, DispatcherKilledPublished, StaleDispatchers, EverythingAtOnce,
)  # fmt: skip
