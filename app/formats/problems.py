"""What is wrong with a file or with one entry of it, in words for the person who brought it."""

from __future__ import annotations

from dataclasses import dataclass, field

# What parsers of other people's text raise, each as it likes; to the reader of the message it is all one.
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError, RuntimeError)


class ImportProblem(Exception):
    """A file, or one entry of it, that cannot be taken. The message is one line; `where` names the entry, if it is about one."""

    def __init__(self, message: str, where: str | None = None):
        super().__init__(message)
        self.message = " ".join(message.split())
        self.where = where

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


@dataclass
class Notes:
    """What reading a file had to say: `problems` refused an entry, `warnings` did not."""

    problems: list[ImportProblem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def warn(self, message: str, where: str | None = None) -> None:
        """Keep a warning once, however many entries raise it."""
        line = f"{where}: {message}" if where else message
        if line not in self.warnings:
            self.warnings.append(line)


def shown(value: object, limit: int = 60) -> str:
    """A value from a file as it may stand in a message: one line, printable, not long."""
    text = "".join(c if c.isprintable() else " " for c in str(value))
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
