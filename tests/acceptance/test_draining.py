"""A worker that an operator drains finishes what it runs and takes nothing more, until it is told to go on."""

from __future__ import annotations

from sqlalchemy import text

from app.queue.processes import drain
from tests.support.processes import Workers, add, job, wait_for, wait_status
from tests.support.servers import Database


def test_a_draining_worker_finishes_and_leaves_the_rest_to_others(database: Database, workers: Workers) -> None:
    first_process = workers.start("-c", "1")
    running = add(database, sleep=1)[0]
    first = wait_status(database, running, "processing").worker
    tell(database, first, True)
    wait_for(lambda: "dispatcher: draining" in first_process.log.read_text(), "it has heard")
    waiting = add(database, 3)
    second_process = workers.start("-c", "1")
    second = {wait_status(database, each).worker for each in waiting}
    assert wait_status(database, running).worker == first and second != {first} and len(second) == 1
    tell(database, second.pop(), True)
    wait_for(lambda: "dispatcher: draining" in second_process.log.read_text(), "it has heard")
    tell(database, first, False)
    last = add(database)[0]
    assert wait_status(database, last).worker == first
    assert job(database, last).attempts == 0


def tell(database: Database, worker: str, draining: bool) -> None:
    with database.engine.begin() as conn:
        assert drain(conn, worker, draining=draining)
        assert conn.execute(text("select draining from queue_processes where name = :name"), {"name": worker}).scalar_one() is draining
