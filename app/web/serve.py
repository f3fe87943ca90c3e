"""`buildos api`: checks what can be checked, then becomes the server."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from app.identity.binding import check_bind
from app.settings import Settings


def serve(settings: Settings) -> NoReturn:
    """Serve the API until SIGTERM, under the same process id. Raises SettingsError when it must not be served like this.

    The server is a fresh interpreter that reads the same environment: gevent has to patch the standard library before
    anything else is imported, and by now much is.
    """
    check_bind(settings)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", "app.web.main"])
