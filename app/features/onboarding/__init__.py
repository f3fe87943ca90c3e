"""What a new user told about themselves, and what follows from it (CONTRACT 8.6)."""
