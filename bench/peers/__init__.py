"""The same no-op job in other systems, each set up as its documentation advises.

`python -m bench.peers.NAME N` adds N jobs and prints the seconds it took; `… schema` makes the tables of those that have any.
"""
