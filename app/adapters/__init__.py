"""The outside world: the only place that knows a vendor."""
