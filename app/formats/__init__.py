"""Files that people bring, taken apart: bytes to text, text to entries. Nothing here knows a database or a feature."""
