"""Calendars: events from iCalendar files, recurring ones expanded into occurrences (CONTRACT 8.7)."""

from app.features.calendar.models import CalendarChanges
from app.features.calendar.service import ensure_expanded, import_events

__all__ = ["CalendarChanges", "ensure_expanded", "import_events"]
