"""Types of job that come from outside: their modules are loaded here, and what the database must know of them is told to it."""

from __future__ import annotations

import importlib
import logging
import os
import re
import sys
from collections.abc import Iterable

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from app.queue.catalog import JOB_TYPES, OURS, JobType
from app.queue.errors import describe
from app.settings import SettingsError

log = logging.getLogger(__name__)

NAME = re.compile(r"[a-z][a-z0-9_]{2,47}", re.ASCII)
QUEUE = re.compile(r"[a-z][a-z0-9_-]{0,47}", re.ASCII)
NOT_FOR_JOBS = ("ticks",)  # the queue of Beat's own messages


def register(new: JobType) -> None:
    """Put a type from outside into the catalog; again from the same function changes nothing. Raises ValueError saying what is wrong."""
    if not NAME.fullmatch(new.name):
        raise ValueError(f"a job type's name is 3 to 48 small letters, digits and underscores, not {new.name!r}")
    if not QUEUE.fullmatch(new.queue) or new.queue in NOT_FOR_JOBS:
        raise ValueError(f"{new.queue!r} cannot be the queue of {new.name} jobs")
    if new.max_attempts < 1 or new.priority < 1 or not 0 < new.soft_limit < new.hard_limit:
        raise ValueError(f"{new.name}: at least one attempt, a priority from 1, and a soft limit below the hard one")
    known = JOB_TYPES.get(new.name)
    if known is not None and (known.run is None or _place(known) != _place(new)):
        raise ValueError(f"there is a job type {new.name} already")
    JOB_TYPES[new.name] = new


def _place(known: JobType) -> tuple[str, str]:
    return known.run.__module__, known.run.__qualname__


def load(modules: Iterable[str]) -> None:
    """Import the modules of JOB_MODULES, from what is installed or from the folder the program was started in.

    Raises SettingsError in one line when one cannot be imported or describes a type that cannot be.
    """
    for name in modules:
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())
        try:
            importlib.import_module(name)
        except (ImportError, ValueError) as error:
            raise SettingsError(f"JOB_MODULES: {name}: {error}") from error


def sync(conn: Connection) -> list[str]:
    """Tell the database of the types from outside; returns those that are new or changed there.

    A type may be used from the commit on. It stays known to the database when its module is gone: its jobs and their history do.
    """
    there = {row.name: tuple(row) for row in conn.execute(_THERE)}
    told = []
    for known in JOB_TYPES.values():
        wanted = (known.name, known.label, known.queue, known.max_attempts, known.needs_user)
        if known.name not in OURS and there.get(known.name) != wanted:
            conn.execute(_REGISTER, dict(zip(_FIELDS, wanted, strict=True)))
            told.append(known.name)
    return told


def announce(engine: Engine) -> None:
    """`sync` at the start of a process, which does not wait for a database that is away: `buildos migrate` has done it before."""
    if JOB_TYPES.keys() == OURS:
        return
    try:
        with engine.begin() as conn:
            told = sync(conn)
    except SQLAlchemyError as error:
        log.warning("the database was not told of the job types of JOB_MODULES: %s", describe(error))
    else:
        for name in told:
            log.info("job type %s is registered", name)


_FIELDS = ("name", "label", "queue", "max_attempts", "needs_user")
_THERE = text("select name, label, queue, max_attempts, needs_user from job_types")
_REGISTER = text("select register_job_type(:name, :label, :queue, :max_attempts, :needs_user)")
