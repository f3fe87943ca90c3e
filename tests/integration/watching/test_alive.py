"""`buildos alive`: what the health checks of worker and beat ask."""

from __future__ import annotations

import socket

from sqlalchemy import text

from app.queue import processes
from tests.support.command import Command
from tests.support.servers import Database


def test_a_host_is_alive_while_its_process_reports(database: Database, tmp_path) -> None:
    buildos = Command(tmp_path, DATABASE_URL=database.url)
    host = socket.gethostname()
    with database.engine.begin() as conn:
        processes.report(conn, "w@here", "worker")
        assert processes.host_is_alive(conn, "worker", host, within=30)
        assert not processes.host_is_alive(conn, "beat", host, within=30)
        assert not processes.host_is_alive(conn, "worker", "elsewhere", within=30)
    assert buildos.must("alive", "worker") == f"the worker of {host} is alive\n"
    assert "no beat of" in buildos.refusal("alive", "beat")
    with database.engine.begin() as conn:
        conn.execute(text("update queue_processes set heartbeat_at = now() - interval '1 hour'"))
        assert not processes.host_is_alive(conn, "worker", host, within=30)
