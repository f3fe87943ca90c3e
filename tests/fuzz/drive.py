"""Hypothesis as a generator of attacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

TEXT = st.text(max_size=40)
ODD = st.sampled_from(
    ["", " ", "\x00", "null", "2026-02-30", "2026-11-22", "9999-12-31", "0000-01-01", "2026-11-22T09:00:00Z", "9999-12-31T23:59:59.999999+14:00",
     "UTC", "Europe/Berlin", "../../etc/passwd", "'; drop table users; --", "<script>", "%s%n", "${7*7}", "\ud800", "\u202e", "𝕏" * 20, "a" * 5000,
     "00000000-0000-0000-0000-000000000000", 0, -1, 1, 2**31, 2**63, 10**400, 1e308, 5e-324, -0.0, True, False, None, [], {}, [[]], {"": None}]
)  # fmt: skip
JSON = st.recursive(
    ODD | TEXT | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)


def drive(name: str, strategy: st.SearchStrategy, act: Callable[[Any], None], *, examples: int, start: int) -> list[str]:
    """`act` on so many examples; the same ones for the same `start`. Returns what went wrong with the smallest that fails, in words."""

    @seed(start)
    @settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate, Phase.shrink), report_multiple_bugs=False,
    )  # fmt: skip
    @given(strategy)
    def attempt(case: Any) -> None:
        act(case)

    return caught(name, attempt)


def caught(name: str, run: Callable[[], None]) -> list[str]:
    """What goes wrong in `run`, whatever it is, in words; an operation without input has no wrong one, which is right."""
    try:
        run()
    except Unsatisfiable:
        return []
    except Exception as error:  # noqa: BLE001 - the other kinds of attack go on
        return [f"{name}: {error if isinstance(error, AssertionError) else repr(error)}"]
    return []
