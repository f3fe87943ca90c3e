"""The commands of docs/deploy.md for backups and for going back in time, on a real server with the archive of docker-compose.yml."""

from __future__ import annotations

import os
import subprocess
from datetime import datetime
from pathlib import Path

import psycopg

from app.embedded.postgres import PostgresServer
from tests.support.compose import Compose
from tests.support.processes import wait_for
from tests.support.servers import ROOT

SCRIPTS = ROOT / "deploy/postgres"


def script(name: str, server: PostgresServer, backups: Path, *arguments: str) -> str:
    """Run one of the scripts of the database's image."""
    env = {
        "PATH": f"{server.binaries}:{os.environ['PATH']}", "BACKUPS": str(backups), "PGHOST": "127.0.0.1", "PGPORT": str(server.port),
        "PGPASSWORD": server.password, "PGDATA": str(server.runner.data if server.runner else server.folder), "TZ": "UTC",
    }  # fmt: skip
    done = subprocess.run([SCRIPTS / name, *arguments], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_a_moment_between_two_backups_is_gone_back_to(tmp_path: Path) -> None:
    backups, log = tmp_path / "backups", tmp_path / "postgres.log"
    backups.mkdir()
    command = Compose({"POSTGRES_ARCHIVE": "on"}).services["postgres"].command
    options = dict(word.split("=", 1) for word in command if "=" in word)
    options["archive_command"] = options["archive_command"].replace("/backups", str(backups))
    server = PostgresServer(tmp_path / "data", options={**options, "fsync": "off", "shared_buffers": "16MB"})
    server.start(log)
    try:
        with psycopg.connect(server.url(), autocommit=True) as conn:
            conn.execute("create table things (what text)")
            conn.execute("insert into things values ('before the backup')")
            script("backup", server, backups)
            conn.execute("insert into things values ('after the backup')")
            moment: datetime = conn.execute("select clock_timestamp()").fetchone()[0]
            conn.execute("insert into things values ('the mistake')")
            last = conn.execute("select pg_walfile_name(pg_switch_wal())").fetchone()[0]
            wait_for((backups / "wal" / last).exists, "the WAL is archived")
        server.stop()
        script("restore", server, backups, moment.isoformat(sep=" "))
        server.start(log)
        with psycopg.connect(server.url(), autocommit=True) as conn:
            wait_for(lambda: not conn.execute("select pg_is_in_recovery()").fetchone()[0], "the server takes writes")
            assert [row[0] for row in conn.execute("select what from things")] == ["before the backup", "after the backup"]
            conn.execute("insert into things values ('afterwards')")
            assert script("backup", server, backups, "1") in os.listdir(backups / "base")
        assert len(os.listdir(backups / "base")) == 1
    finally:
        server.stop()
