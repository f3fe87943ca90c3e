"""Faults of Redis, of Postgres, and of the wires to them."""

from __future__ import annotations

import signal
from contextlib import suppress

import psycopg
import redis

from tests.chaos.fault import Fault, NotHere

KEEPALIVE = 25.0  # seconds after which a kernel gives a connection up, with the keepalives we ask for


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
            conn.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'"
            )


class ConnectionsUsedUp(Fault):
    """postgres: connection limit reached."""

    hold = 3.0

    def inject(self) -> None:
        self.held: list[psycopg.Connection] = [self.fleet.connect()]
        self.held[0].execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'"
        )
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
            conn.execute(
                "create trigger a_disk_full before insert or update on queue_jobs for each row execute function drill_disk_full()"
            )

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


class ApiCommitLost(Fault):
    """api: a job added, the answer lost."""

    def inject(self) -> None:
        self.any("api0").postgres.lose_answer_of("queue_brief_job")


class SocketsCut(Fault):
    """network: every browser cut off, without a word."""

    hold = 0.2

    def inject(self) -> None:
        if not self.fleet.sockets:
            raise NotHere
        for proxy in self.fleet.sockets:
            proxy.cut()


class SocketsHalfOpen(Fault):
    """network: the browsers of one API process half-open."""

    def inject(self) -> None:
        if not self.fleet.sockets:
            raise NotHere
        self.chance.choice(self.fleet.sockets).deafen(KEEPALIVE)
