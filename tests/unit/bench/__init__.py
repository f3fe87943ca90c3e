"""The benchmarks' own arithmetic and drawings."""
