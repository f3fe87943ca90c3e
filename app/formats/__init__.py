"""Files that people bring, taken apart: bytes to text, text to entries; and text made fit to show. Nothing here knows a database or a feature."""
