"""The system of the browser tests on servers it starts itself, for whatever is no test: the screenshots, and looking around."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.embedded.redis import RedisServer
from tests.browser.system import System, running_system
from tests.support import servers


@contextmanager
def standing_system() -> Iterator[System]:
    """A running system, gone at the end with all its data."""
    with tempfile.TemporaryDirectory(prefix="buildos-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # Postgres may run as another user
        redis = RedisServer(databases=2)
        redis.start(folder / "redis.log")
        try:
            env = {**os.environ, "PYTHONPATH": str(servers.ROOT)}
            with (
                servers.postgres(folder, servers.session_binaries()) as postgres,
                servers.new_database(postgres, servers.migrated_template(postgres)) as database,
                running_system(database, redis.url_of(0), env, folder) as system,
            ):
                yield system
        finally:
            redis.stop()
