"""Pushes without VAPID keys: every push becomes a file `<subscription>-<message>.json` in a folder."""

from __future__ import annotations

import os
from collections.abc import Callable

from app.adapters.push_json import encode
from app.ports.push import PushDeferred, PushMessage, Subscription
from app.settings import Settings


class LocalPush:
    """`Push` into `settings.push_folder`. The same message to the same browser is the same file: no second copy can be."""

    name = "local"

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.push_folder

    def send(self, subscription: Subscription, message: PushMessage, handing_over: Callable[[], None]) -> None:
        """As `Push.send`. A file is there whole or not at all."""
        content = encode(message)
        handing_over()
        path = self._folder / f"{subscription.id}-{message.id}.json"
        unfinished = path.with_suffix(f".{os.getpid()}.part")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                file.write(content)
            unfinished.replace(path)
        except OSError as error:
            raise PushDeferred(f"{self._folder} cannot be written: {error.strerror}") from None
