"""Mail without a server: every mail becomes a file `<delivery id>.eml` in a folder, which any mail program opens."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_binary_file, policy
from pathlib import Path

from app.adapters.mail_mime import sender_of, to_mime
from app.ports.mail import MailDeferred, MailMessage
from app.settings import Settings

_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """A mail in the outbox. `name` is what `Outbox.read` takes."""

    name: str
    to: str
    subject: str
    at: datetime


class Outbox:
    """`Mail` into `settings.outbox_folder`. The same delivery id always is the same file: no second copy can be."""

    name = "outbox"

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.outbox_folder
        self._sender = sender_of(settings)

    def send(self, message: MailMessage, handing_over: Callable[[], None]) -> str:
        """As `Mail.send`; the id is the Message-ID. A file is there whole or not at all."""
        content = to_mime(message, self._sender).as_bytes()
        handing_over()
        path = self._path(message.delivery_id)
        unfinished = path.with_suffix(f".{os.getpid()}.part")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except OSError as error:
            raise MailDeferred(f"the outbox {self._folder} cannot be written: {error.strerror}") from None
        return message.message_id

    def has_gone(self, message: MailMessage) -> bool:
        """Whether the file is there."""
        return self._path(message.delivery_id).exists()

    def recent(self, limit: int = 50) -> list[OutboxEntry]:
        """The latest mails, newest first."""
        found = []
        for path in self._folder.glob("*.eml"):
            try:
                found.append((path.stat().st_mtime, path))
            except FileNotFoundError:
                continue  # removed meanwhile
        found.sort(reverse=True)
        return [self._entry(path, changed) for changed, path in found[:limit]]

    def read(self, name: str) -> bytes | None:
        """A mail as it lies there; None when there is none of that name."""
        path = self._folder / f"{name}.eml"
        return path.read_bytes() if _NAME.fullmatch(name) and path.is_file() else None

    def _path(self, delivery_id: str) -> Path:
        return self._folder / f"{re.sub(r'[^A-Za-z0-9_-]', '_', delivery_id)[:100]}.eml"

    @staticmethod
    def _entry(path: Path, changed: float) -> OutboxEntry:
        with path.open("rb") as file:
            mail = message_from_binary_file(file, policy=policy.default)
        return OutboxEntry(path.stem, str(mail["To"]), str(mail["Subject"]), datetime.fromtimestamp(changed, UTC))
