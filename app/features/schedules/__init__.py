"""When things happen by themselves: daily briefs and event reminders at the user's local time (CONTRACT 7)."""
