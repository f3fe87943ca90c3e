"""Everything on one machine: Postgres and Redis from packages, and the processes of `buildos up`.

home        the data folder: its lock, its state file, its logs
child       what every process we start runs first: dies with its parent, sheds root
processes   start one, know it again, end it with all its children
postgres    an embedded Postgres on a folder
redis       an embedded Valkey, the wire
celery      worker and beat, in a hurry
"""
