"""What runs when: pure data."""

BEAT_SCHEDULE: dict = {}
