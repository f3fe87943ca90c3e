"""Reading what a provider sends: a chat completion in one piece, or as a stream of server-sent events."""

from __future__ import annotations

import json
import re

LARGEST_STREAM = 16_000_000  # bytes; every token comes in an envelope of its own

# Some models print what they thought before they answer.
_THOUGHTS = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_TAGS = {False: re.compile(r"<think(?:ing)?>", re.IGNORECASE), True: re.compile(r"</think(?:ing)?>", re.IGNORECASE)}
_LONGEST_TAG = len("</thinking>")


class Refused(Exception):
    """An answer that came and is of no use; the message is for the log and for the user."""


def text_of(body: bytes) -> str:
    """The text of a chat completion. Raises Refused where there is none."""
    try:
        answer = json.loads(body)
        _check(answer)
        content = answer["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError):
        raise Refused("sent an answer that cannot be read") from None
    return without_thoughts(content if isinstance(content, str) else "")


def without_thoughts(content: str) -> str:
    """What a model says, without what it thought. Raises Refused where nothing is left."""
    text = _THOUGHTS.sub("", content).strip()
    if not text:
        raise Refused("sent an empty answer")
    return text


def _check(answer: object) -> None:
    if isinstance(answer, dict) and answer.get("error"):
        raise Refused("answered with an error")  # some gateways say so under status 200


class StreamedAnswer:
    """Chunks of bytes in, pieces of text out, in whatever way the bytes were cut.

    A provider that knows no streams and sends a whole completion is understood as well.
    """

    def __init__(self) -> None:
        self._size = 0
        self._buffer = bytearray()
        self._said: list[str] = []
        self._ended = False
        self._whole: bool | None = None  # whether it is no stream; None until the first visible byte
        self._shown = _Shown()

    def feed(self, chunk: bytes) -> str:
        """The characters that this chunk adds, thoughts left out; often none. Raises Refused for what cannot be read."""
        self._size += len(chunk)
        if self._size > LARGEST_STREAM:
            raise Refused("sent an answer without end")
        self._buffer += chunk
        if self._whole is None and (begun := self._buffer.lstrip()):
            self._whole = begun[:1] in b"{[<"
        if self._whole is not False:
            return ""
        *lines, rest = bytes(self._buffer).split(b"\n")
        self._buffer = bytearray(rest)
        return "".join(self._line(line) for line in lines)

    def end(self) -> tuple[str, str]:
        """(characters held back until now, the whole text). Raises Refused when the answer is not complete, or empty."""
        if self._whole is not False:
            text = text_of(bytes(self._buffer))
            return text, text
        held = self._line(bytes(self._buffer))
        if not self._ended:
            raise Refused("broke off in the middle of its answer")
        return held + self._shown.rest(), without_thoughts("".join(self._said))

    def _line(self, line: bytes) -> str:
        """The text of one line of the stream. Comments and other fields carry none."""
        if not line.startswith(b"data:"):
            return ""
        data = line[5:].strip()
        if data == b"[DONE]":
            self._ended = True
            return ""
        try:
            event = json.loads(data)
            _check(event)
            choice = next(iter(event.get("choices") or ()), None)  # an event on usage has no choice
            if choice is None:
                return ""
            self._ended = self._ended or choice.get("finish_reason") is not None
            content = (choice.get("delta") or {}).get("content")
        except (ValueError, AttributeError, TypeError):
            raise Refused("sent an answer that cannot be read") from None
        if not isinstance(content, str) or not content:
            return ""
        self._said.append(content)
        return self._shown.feed(content)


class _Shown:
    """Leaves out thoughts while they pass; the beginning of a possible tag is held back until it is clear what it is."""

    def __init__(self) -> None:
        self._held = ""
        self._thinking = False

    def feed(self, text: str) -> str:
        self._held += text
        shown = ""
        while tag := _TAGS[self._thinking].search(self._held):
            if not self._thinking:
                shown += self._held[: tag.start()]
            self._held = self._held[tag.end() :]
            self._thinking = not self._thinking
        if self._thinking:
            self._held = self._held[-_LONGEST_TAG:]
            return shown
        cut = self._held.rfind("<", max(0, len(self._held) - _LONGEST_TAG))
        if cut < 0 or not "<thinking>".startswith(self._held[cut:].lower()):
            cut = len(self._held)
        shown, self._held = shown + self._held[:cut], self._held[cut:]
        return shown

    def rest(self) -> str:
        return "" if self._thinking else self._held
