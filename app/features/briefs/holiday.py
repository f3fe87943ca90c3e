"""Public holidays of a user's country, from the `holidays` library: moveable ones are its business (CONTRACT 13)."""

from __future__ import annotations

from datetime import date


def holidays_on(day: date, country: str | None) -> tuple[str, ...]:
    """Names of the country's public holidays on `day`, in English where the library has them.

    `country` is ISO 3166-1 alpha-2; none or an unknown one has no holidays.
    """
    import holidays  # slow to import, and of use to briefs alone

    try:
        calendar = holidays.country_holidays((country or "").strip().upper(), years=day.year, language="en_US")
    except (NotImplementedError, KeyError):
        return ()
    return tuple(sorted(set(calendar.get_list(day))))
