"""Types of job from outside, in the catalog for as long as a test lasts."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from app.queue.catalog import JOB_TYPES, OURS
from app.queue.own_types import load

EXAMPLE = "examples.monthly_report"


@contextmanager
def only_ours_afterwards() -> Iterator[None]:
    """Whatever is registered inside is gone afterwards."""
    try:
        yield
    finally:
        for name in JOB_TYPES.keys() - OURS:
            del JOB_TYPES[name]


@contextmanager
def loaded(module: str) -> Iterator[None]:
    """The types of a module of JOB_MODULES, also where another test has imported it before."""
    with only_ours_afterwards():
        if module in sys.modules:
            importlib.reload(sys.modules[module])
        load([module])
        yield
