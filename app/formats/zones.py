"""Names of time zones as files write them → IANA names."""

from __future__ import annotations

from functools import lru_cache
from zoneinfo import available_timezones

_UTC_NAMES = {"utc", "z", "gmt", "etc/utc", "coordinated universal time"}


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON  # brings the whole library along

    names = {name.lower(): name for name in available_timezones()}
    for windows, iana in WINDOWS_TO_OLSON.items():
        names.setdefault(windows.lower(), iana)
    return names


def iana_name(name: str | None) -> str | None:
    """The IANA name for an IANA name in any case, a Windows name, or `/vendor/…/Europe/Berlin`; None where it is neither."""
    cleaned = (name or "").strip().strip('"').lower()
    if cleaned.strip("/") in _UTC_NAMES:
        return "UTC"
    known = _names()
    if not cleaned.startswith("/"):
        return known.get(cleaned)
    parts = cleaned.strip("/").split("/")
    return next((known["/".join(parts[i:])] for i in range(len(parts)) if "/".join(parts[i:]) in known), None)
