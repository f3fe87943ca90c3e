"""What depends on what, in an order that works. Tasks that wait for each other in a circle are taken as one."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeVar

T = TypeVar("T", bound=Hashable)


def in_order(nodes: Sequence[T], needs: Mapping[T, AbstractSet[T]]) -> list[tuple[T, ...]]:
    """`nodes` in groups, each after every group it needs; where several could come next, the one named first in `nodes`.

    A group is a single node, or a circle: all that need each other, in the order of `nodes`. What is needed and not among the nodes,
    and a node that needs itself, counts for nothing.
    """
    place = {node: number for number, node in enumerate(nodes)}
    group_of, groups = _circles(nodes, needs, place)
    waits_for = [
        {group_of[need] for node in group for need in needs.get(node, ()) if need in place} for group in groups
    ]
    frees: list[list[int]] = [[] for _ in groups]
    missing = []
    for number, waits in enumerate(waits_for):
        waits.discard(number)
        missing.append(len(waits))
        for other in waits:
            frees[other].append(number)
    first = [place[group[0]] for group in groups]
    ready = [(first[number], number) for number, left in enumerate(missing) if left == 0]
    heapq.heapify(ready)
    ordered = []
    while ready:
        _, number = heapq.heappop(ready)
        ordered.append(groups[number])
        for freed in frees[number]:
            missing[freed] -= 1
            if missing[freed] == 0:
                heapq.heappush(ready, (first[freed], freed))
    return ordered


def _circles(
    nodes: Sequence[T], needs: Mapping[T, AbstractSet[T]], place: Mapping[T, int]
) -> tuple[dict[T, int], list[tuple[T, ...]]]:
    """The strongly connected components (Tarjan's algorithm, without recursion: a chain may be thousands long)."""
    index: dict[T, int] = {}
    low: dict[T, int] = {}
    group_of: dict[T, int] = {}
    groups: list[tuple[T, ...]] = []
    stack: list[T] = []
    for root in nodes:
        if root in index:
            continue
        index[root] = low[root] = len(index)
        stack.append(root)
        path = [(root, iter(_known(root, needs, place)))]
        while path:
            node, following = path[-1]
            for need in following:
                if need not in index:
                    index[need] = low[need] = len(index)
                    stack.append(need)
                    path.append((need, iter(_known(need, needs, place))))
                    break
                if need not in group_of:
                    low[node] = min(low[node], index[need])
            else:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[node])
                if low[node] == index[node]:
                    members = [node]
                    while stack[-1] != node:
                        members.append(stack.pop())
                    stack.pop()
                    group_of |= dict.fromkeys(members, len(groups))
                    groups.append(tuple(sorted(members, key=place.__getitem__)))
    return group_of, groups


def _known(node: T, needs: Mapping[T, AbstractSet[T]], place: Mapping[T, int]) -> list[T]:
    return sorted((need for need in needs.get(node, ()) if need in place), key=place.__getitem__)
