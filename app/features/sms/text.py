"""The words of a reminder, in one text message.

What is called 160 characters is 140 bytes on the air: 160 of the GSM alphabet, some of which count twice, or 70 of any other. A
message with a single character beyond that alphabet is sent as the other kind. So a reminder is cut at 160 or at 70, which is
one text message and one price either way; typographic marks that have a plain twin do not cost anybody 90 characters.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime, tzinfo

GSM_LENGTH = 160  # of the GSM alphabet
OTHER_LENGTH = 70  # UTF-16 units

_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_TWICE = frozenset("^{}\\[~]|€\f")
_PLAIN = str.maketrans(
    {"‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "–": "-", "—": "-", "‑": "-", "−": "-",
     "…": "...", "•": "-", "·": "-", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "×": "x", "`": "'", "´": "'"}
)  # fmt: skip
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]+")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def cost(text: str) -> tuple[int, int]:
    """What a text takes, and how much one text message holds of its kind."""
    if all(letter in _GSM or letter in _GSM_TWICE for letter in text):
        return sum(2 if letter in _GSM_TWICE else 1 for letter in text), GSM_LENGTH
    return len(text.encode("utf-16-le", "surrogatepass")) // 2, OTHER_LENGTH


def fits(text: str) -> bool:
    """Whether a text is one text message."""
    taken, room = cost(text)
    return taken <= room


def one_line(text: str) -> str:
    """A text without line breaks, control characters and typographic marks."""
    plain = unicodedata.normalize("NFC", text.encode("utf-8", "ignore").decode()).translate(_PLAIN)
    return " ".join(_UNSEEN.sub(" ", plain).split())


def reminder(title: str, location: str | None, start: datetime, at: datetime, zone: tzinfo) -> str:
    """What the reminder of an event says, sent at `at`; at most 160 characters, and one text message.

    The day is named where it is not the one on which the reminder is read; the place where it fits and is no link; a title that
    is too long is cut.
    """
    local = start.astimezone(zone)
    when = f"at {local.hour % 12 or 12}:{local.minute:02} {'AM' if local.hour < 12 else 'PM'}"
    if at.astimezone(zone).date() != local.date():
        when = f"on {_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]} {when}"
    name, place = one_line(title) or "an event", one_line(location or "")
    whole = f"Reminder: {name} {when} ({place})"
    if place and "://" not in place and fits(whole):
        return whole
    if fits(whole := f"Reminder: {name} {when}"):
        return whole
    low, high = 0, len(name)  # the longest beginning of the name that fits
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(f"Reminder: {_cut(name, middle)}... {when}") else (low, middle - 1)
    return f"Reminder: {_cut(name, low)}... {when}"


def _cut(name: str, length: int) -> str:
    """The beginning of a name, not in the middle of what is read as one character."""
    while 0 < length < len(name) and (
        unicodedata.combining(name[length]) or name[length] in "\u200d\ufe0f\u20e3" or name[length - 1] == "\u200d"
    ):
        length -= 1
    return name[:length].rstrip()
