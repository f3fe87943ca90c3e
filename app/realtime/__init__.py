"""From a committed change to a browser: typed events, the feed that reads what was committed, the Socket.IO rooms (CONTRACT 6)."""
