"""The benchmarks: `buildos bench NAME`. How each one measures stands in README.md beside this file.

Every module that bears the name of a benchmark has `run(options) -> Report`. Everything else here is what they share: `servers` and
`programs` (what runs), `meters` (CPU, memory, WAL, statements), `statistics`, `report` and `picture` (what comes out).
"""
