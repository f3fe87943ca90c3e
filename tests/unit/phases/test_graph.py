"""Tasks in an order that works."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from app.features.phases.graph import in_order


def test_what_is_needed_comes_first_and_else_the_given_order() -> None:
    assert in_order("abcd", {"a": {"c"}, "b": set()}) == [("b",), ("c",), ("a",), ("d",)]


def test_a_circle_is_one_group_in_the_given_order() -> None:
    needs = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"c"}, "a2": {"a2"}}
    assert in_order(["d", "c", "b", "a", "a2"], needs) == [("c", "b", "a"), ("d",), ("a2",)]


def test_what_is_not_among_them_counts_for_nothing() -> None:
    assert in_order("ab", {"a": {"x"}, "x": {"a"}}) == [("a",), ("b",)]


def test_a_chain_of_thousands() -> None:
    needs = {number: {number + 1} for number in range(5000)}
    assert in_order(list(range(5000)), needs) == [(number,) for number in reversed(range(5000))]


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.integers(0, 9), st.sets(st.integers(0, 9), max_size=3)))
def test_every_node_once_and_none_before_what_it_needs(needs: dict[int, set[int]]) -> None:
    groups = in_order(list(range(10)), needs)
    assert sorted(node for group in groups for node in group) == list(range(10))
    place = {node: number for number, group in enumerate(groups) for node in group}
    for node, needed in needs.items():
        assert all(place[need] <= place[node] for need in needed)
