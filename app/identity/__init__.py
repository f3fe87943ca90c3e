"""Who is calling, and what they may see (CONTRACT 10)."""
