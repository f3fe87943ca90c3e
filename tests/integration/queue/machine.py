"""Random interleavings of several sessions against the model: every answer and every row must be what the model says.

Where the model says that a statement waits for another session's transaction, it is sent from a thread, seen to wait, and answered
when that transaction ends. Where the model does not say so, waiting is an error: the sessions' lock time-out raises.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.integration.queue.model import REFUSED, Job, Model
from tests.support.jobs import STATUSES, Client, wait_until_blocked

SESSIONS = 3
NOBODY = UUID(int=0)
PATIENCE = "500ms"  # longer than any statement that need not wait
LIVE = ("pending", "processing", "retrying")
FOR_LATER = timedelta(days=1)
SETTLE = {
    "complete": "select complete_queue_job(%(id)s, '{}', %(token)s)",
    "fail": "select fail_queue_job(%(id)s, 'x', false, %(token)s)",
    "retry": "select fail_queue_job(%(id)s, 'x', true, %(token)s)",
    "release": "select release_queue_job(%(id)s, %(token)s, 'x')",
    "alive": "select heartbeat_queue_job(%(id)s, %(token)s)",
    "progress": "select report_job_progress(%(id)s, '{}', %(token)s)",
}
VOID = {
    "complete": "select complete_queue_job(%(id)s)",
    "fail": "select fail_queue_job(%(id)s, 'x')",
    "retry": "select fail_queue_job(%(id)s, 'x', true)",
}

WAITS = (30.0, 390.0, 690.0, 990.0, 990.0, None)  # far from the instants at which a job rises
# What a step does, as often as it is named.
STEPS = (
    *["begin"] * 3, *["end"] * 3, *["add"] * 5, *["claim"] * 4, *["dispatch"] * 2, *["settle"] * 6, *["sweep"] * 2,
    *["fall_silent"] * 2, *["time_passes"] * 2, "move", "cancel", "delete", "settle_whoever_holds_it", *["write_status"] * 2, "fold",
)  # fmt: skip


class QueueMachine(RuleBasedStateMachine):
    """One run: an empty queue, three sessions, an observer that sees what is committed."""

    def __init__(self, observer: Client, clients: Sequence[Client], empty: Callable[[], None]):
        super().__init__()
        empty()
        for client in clients:
            client.run(f"set lock_timeout = '{PATIENCE}'")
        self.observer, self.clients = observer, clients
        self.model = Model()
        self.born: list[UUID] = []  # ids in the order of their birth: picks mean the same in every replay
        self.leases: list[tuple[UUID, int]] = []
        self.start = datetime.now(UTC)
        self.added = 0
        self.unseen = True  # something may have been committed since the last look
        self.thread = ThreadPoolExecutor(1)
        self.waiting: tuple[int, int, Future[Any], Callable[[], Any]] | None = None  # session, for whom, answer, model's answer

    # -- how statements are sent

    def free(self, session: int) -> bool:
        return self.waiting is None or self.waiting[0] != session

    def some_job(self, dice: random.Random) -> UUID:
        there = {*self.model.committed, *(job for overlay in self.model.overlays.values() for job in overlay)}
        known = [job for job in self.born if job in there]
        return dice.choice(known) if known else NOBODY

    def send(self, session: int, execute: Callable[[Client], Any], expect: Callable[[], Any], waits_for: int | None = None) -> None:
        """Run a statement in a session and hold its answer against the model's."""
        if not self.free(session):
            return
        client = self.clients[session]
        self.unseen |= session not in self.model.overlays
        if waits_for is None:
            answer, expected = self._guarded(session, execute), expect()
            assert answer == expected, f"{answer} instead of {expected}"
        elif self.waiting is None and not self.model.overlays.get(session):  # one waiter at a time, that holds nothing: no deadlock
            future = self.thread.submit(self._patiently, session, execute)
            self.waiting = (session, waits_for, future, expect)
            wait_until_blocked(self.observer, client.pid())

    def _patiently(self, session: int, execute: Callable[[Client], Any]) -> Any:
        self.clients[session].run("set lock_timeout = 0")
        answer = self._guarded(session, execute)
        self.clients[session].run(f"set lock_timeout = '{PATIENCE}'")
        return answer

    def _guarded(self, session: int, execute: Callable[[Client], Any]) -> Any:
        client = self.clients[session]
        inside = session in self.model.overlays
        if inside:
            client.run("savepoint before")
        try:
            return execute(client)
        except psycopg.errors.CheckViolation:
            if inside:
                client.run("rollback to savepoint before")
            return REFUSED

    def processing(self) -> dict[UUID, Job]:
        return {job.id: job for job in self.model.committed.values() if job.status == "processing"}

    def remember(self, claimed: list[tuple[UUID, int]]) -> list[tuple[UUID, int]]:
        self.leases = (self.leases + claimed)[-12:]
        return claimed

    # -- transactions

    @initialize()
    def some_jobs_are_running(self) -> None:
        for priority in range(1, 7):
            self.add(0, "k1" if priority == 1 else None, priority, 30.0, 1 + priority % 2)
        self.claim(0, 2)

    @rule(seed=st.integers(0, 2**32 - 1))
    def step(self, seed: int) -> None:
        """One step of one session. A seed decides it, as evenly as the weights say."""
        dice = random.Random(seed)
        what, session = dice.choice(STEPS), dice.randrange(SESSIONS)
        note(f"session {session}: {what}")
        job_id = self.some_job(dice)
        match what:
            case "begin":
                self.begin(session)
            case "end":
                self.end(session, commit=dice.random() < 0.7)
            case "add":
                self.add(session, dice.choice([None, None, "k1", "k2"]), dice.randint(1, 4), dice.choice(WAITS), dice.randint(1, 2))
            case "claim":
                self.claim(session, dice.randint(1, 2))
            case "dispatch":
                self.dispatch(session, dice.randint(0, 4))
            case "settle":
                self.settle(session, dice, dice.choice(sorted(SETTLE)))
            case "settle_whoever_holds_it":
                self.settle_whoever_holds_it(session, job_id, dice.choice(sorted(VOID)))
            case "move":
                self.move(session, job_id, dice.choice(WAITS))
            case "cancel":
                self.cancel(session, job_id)
            case "delete":
                self.delete(session, job_id)
            case "write_status":
                self.write_status(session, job_id, dice.choice(STATUSES))
            case "sweep":
                self.sweep(session)
            case "fall_silent":
                self.fall_silent(dice)
            case "time_passes":
                self.time_passes(dice)
            case "fold":
                self.observer.run("select fold_queue_counts()")

    def begin(self, session: int) -> None:
        if self.free(session) and session not in self.model.overlays and len(self.model.overlays) < SESSIONS - 1:
            self.clients[session].run("begin")
            self.model.overlays[session] = {}

    def end(self, session: int, *, commit: bool) -> None:
        if session not in self.model.overlays or not self.free(session):
            session = next((s for s in self.model.overlays if self.free(s)), -1)
        if session < 0:
            return
        self.clients[session].run("commit" if commit else "rollback")
        self.model.end(session, commit=commit)
        self.unseen = True
        if self.waiting and self.waiting[1] == session:
            _, _, future, expect = self.waiting
            answer, expected = future.result(10), expect()
            self.waiting = None
            assert answer == expected, f"{answer} instead of {expected}, after waiting"

    # -- the functions

    def add(self, session: int, key: str | None, priority: int, waited: float | None, most: int) -> None:
        waited = self.own_instant(waited)
        new: list[UUID] = []

        def execute(client: Client) -> Any:
            row = client.one(
                "select * from enqueue_job(null, 'other', '{}', %s, %s, %s, %s)", priority, self.instant(waited), key, most
            )
            new.append(row["job_id"])
            return (row["job_id"], True) if row["deduplicated"] else "new"

        def expect() -> Any:
            owner = self.model.key_owner(session, key)
            if owner is not None:
                return owner.id, True
            assert new[0] not in self.model.view(session)
            self.model.put(session, new[0], Job(new[0], priority, waited, key, max_attempts=most))
            self.born.append(new[0])
            return "new"

        self.send(session, execute, expect, self.model.key_waits_for(session, key))

    def own_instant(self, waited: float | None) -> float | None:
        """No two jobs are due since the same instant: the order is then one alone."""
        self.added += 1
        return None if waited is None else waited + self.added / 1000

    def instant(self, waited: float | None) -> datetime:
        return self.start + FOR_LATER if waited is None else self.start - timedelta(seconds=waited)

    def claim(self, session: int, batch: int) -> None:
        self.send(
            session,
            lambda client: [(row["id"], row["fencing_token"]) for row in client.claim("other", "other", batch=batch)],
            lambda: self.remember(self.model.claim(session, batch)),
        )

    def dispatch(self, session: int, limit: int) -> None:
        def expect() -> list[UUID]:
            if limit == 0:
                self.model.promote(session)
            return self.model.dispatch(session, limit)

        self.send(session, lambda client: client.values("select job_id from dispatch_jobs('{other}', %s, 'd')", limit), expect)

    def settle(self, session: int, dice: random.Random, how: str) -> None:
        running = self.processing()
        contested = [lease for lease in self.leases if lease[0] in running]
        lost = [(job_id, token) for job_id, token in contested if token < running[job_id].token]
        job_id, token = dice.choice(dice.choice([lost, contested, self.leases]) or self.leases or [(NOBODY, 1)])
        seen = self.model.view(session).get(job_id)
        fits = seen is not None and seen.status == "processing" and seen.token == token
        self.send(
            session,
            lambda client: next(iter(client.connection.execute(SETTLE[how], {"id": job_id, "token": token}).fetchone().values())),
            lambda: self.model.settle(session, job_id, token, {"progress": "alive"}.get(how, how)),
            self.model.holder(job_id, session) if fits else None,
        )

    def settle_whoever_holds_it(self, session: int, job_id: UUID, how: str) -> None:

        def execute(client: Client) -> bool:
            client.notices.clear()
            client.connection.execute(VOID[how], {"id": job_id})
            return not client.notices

        self.send(
            session, execute, lambda: self.model.settle(session, job_id, None, how),
            self.model.waits_for(session, job_id, ("processing",)),
        )  # fmt: skip

    def cancel(self, session: int, job_id: UUID) -> None:
        self.send(
            session, lambda client: client.value("select cancel_queue_job(%s)", job_id),
            lambda: self.model.cancel(session, job_id), self.model.waits_for(session, job_id, LIVE),
        )  # fmt: skip

    def move(self, session: int, job_id: UUID, waited: float | None) -> None:
        waited = self.own_instant(waited)
        self.send(
            session, lambda client: client.value("select reschedule_queue_job(%s, %s)", job_id, self.instant(waited)),
            lambda: self.model.move(session, job_id, waited), self.model.waits_for(session, job_id, ("pending", "retrying")),
        )  # fmt: skip

    def sweep(self, session: int) -> None:
        self.send(
            session, lambda client: {row["id"] for row in client.run("select id from take_back_stalled_jobs('5 minutes')")},
            lambda: self.model.sweep(session),
        )  # fmt: skip

    def untouched(self, *states: str) -> list[Job]:
        """The committed jobs in these states that no transaction has changed."""
        jobs = (job for job in self.model.committed.values() if job.status in states)
        return sorted((job for job in jobs if self.model.holder(job.id, -1) is None), key=lambda job: self.born.index(job.id))

    def fall_silent(self, dice: random.Random) -> None:
        running = [job for job in self.untouched("processing") if not job.silent]
        if running:
            job = dice.choice(running)
            self.observer.silent(job.id, 10)
            self.model.committed[job.id] = replace(job, silent=True)

    def time_passes(self, dice: random.Random) -> None:
        early = [job for job in self.untouched("pending", "retrying") if job.waited is None]
        if early:
            job, waited = dice.choice(early), self.own_instant(30.0)
            self.observer.run("update queue_jobs set scheduled_for = %s where id = %s", self.instant(waited), job.id)
            self.model.committed[job.id] = replace(job, waited=waited)

    # -- clients that write by themselves

    def write_status(self, session: int, job_id: UUID, status: str) -> None:
        self.send(
            session, lambda client: client.connection.execute("update queue_jobs set status = %s where id = %s", (status, job_id)).rowcount,
            lambda: self.model.write_status(session, job_id, status), self.model.waits_for(session, job_id, STATUSES),
        )  # fmt: skip

    def delete(self, session: int, job_id: UUID) -> None:
        self.send(
            session, lambda client: client.connection.execute("delete from queue_jobs where id = %s", (job_id,)).rowcount,
            lambda: self.model.delete(session, job_id), self.model.waits_for(session, job_id, STATUSES),
        )  # fmt: skip

    # -- what must hold after every step

    @invariant()
    def rows_are_the_models(self) -> None:
        if not self.unseen:
            return
        self.unseen = False
        rows = {
            row["id"]: (row["status"], row["attempts"], row["fencing_token"], row["dedup_lock"], row["dispatched_at"] is not None)
            for row in self.observer.run("select * from queue_jobs")
        }
        assert rows == {
            job.id: (job.status, job.attempts, job.token, job.key if job.holds_key else None, job.dispatched)
            for job in self.model.committed.values()
        }

    def teardown(self) -> None:
        try:
            while self.model.overlays:
                self.end(0, commit=True)
            self.rows_are_the_models()
            self.history_is_unbroken()
        finally:
            for client in self.clients:
                client.connection.rollback()
            self.thread.shutdown(wait=True)

    def history_is_unbroken(self) -> None:
        """Every job's history leads from its birth to the state it has, step by legal step; the counts agree."""
        for job in self.model.committed.values():
            history = self.observer.history(job.id)
            assert [entry[0] for entry in history] == [None, *(entry[1] for entry in history[:-1])]
            assert history[-1][1] == job.status
        wrong = self.observer.run(
            "with truth as (select job_type::text, status::text, count(*) from queue_jobs group by 1, 2), told as (table queue_jobs_stats) "
            "(table truth except table told) union all (table told except table truth)"
        )
        assert wrong == []
