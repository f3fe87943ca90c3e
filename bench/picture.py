"""Pictures as SVG, drawn by hand: bars for comparisons, lines for what changes over time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH = 760
LEFT, RIGHT, TOP = 190, 90, 54
BAR, GAP = 20, 8
OURS, OTHERS = "#2563eb", "#94a3b8"
LINES = ("#2563eb", "#dc2626", "#16a34a", "#d97706", "#7c3aed", "#0891b2", "#be185d", "#4b5563")


@dataclass(frozen=True)
class Bar:
    """One bar: its label, its length, what is written at its end, and whether it is one of ours."""

    label: str
    value: float
    text: str
    ours: bool = False


def bars(title: str, subtitle: str, entries: Sequence[Bar]) -> str:
    """A picture of horizontal bars, in the order given."""
    longest = max((entry.value for entry in entries), default=0) or 1
    room = WIDTH - LEFT - RIGHT
    body = []
    for number, entry in enumerate(entries):
        y = TOP + number * (BAR + GAP)
        length = max(1.0, entry.value / longest * room)
        body += [
            _text(LEFT - 8, y + 15, entry.label, anchor="end"),
            f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" rx="3" fill="{OURS if entry.ours else OTHERS}"/>',
            _text(LEFT + length + 6, y + 15, entry.text),
        ]
    return _frame(title, subtitle, TOP + len(entries) * (BAR + GAP) + 12, body)


def lines(title: str, subtitle: str, series: Mapping[str, Sequence[tuple[float, float]]], unit: str) -> str:
    """A picture of (x, y) lines that begin at zero on both axes; x in seconds, y in `unit`."""
    height, bottom, left = 340, 34, 60
    points = [point for values in series.values() for point in values]
    most_x = max((x for x, _ in points), default=0) or 1
    most_y = (max((y for _, y in points), default=0) or 1) * 1.05
    room_x, room_y = WIDTH - left - RIGHT - 80, height - TOP - bottom
    body = []
    for step in range(5):
        y = TOP + room_y * (1 - step / 4)
        body += [
            f'<line x1="{left}" x2="{left + room_x}" y1="{y:.1f}" y2="{y:.1f}" stroke="#8884" stroke-width="1"/>',
            _text(left - 6, y + 4, f"{most_y * step / 4:.4g}", anchor="end"),
        ]
    body += [
        _text(left, height - 12, "0"),
        _text(left + room_x, height - 12, f"{most_x:.0f} s", anchor="end"),
        _text(left - 6, TOP - 8, unit, anchor="end"),
    ]
    for number, (name, values) in enumerate(series.items()):
        color = LINES[number % len(LINES)]
        path = " ".join(f"{left + x / most_x * room_x:.1f},{TOP + room_y * (1 - y / most_y):.1f}" for x, y in values)
        body += [
            f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.6"/>',
            f'<rect x="{left + room_x + 14}" y="{TOP + number * 18}" width="10" height="10" fill="{color}"/>',
            _text(left + room_x + 29, TOP + 9 + number * 18, name),
        ]
    return _frame(title, subtitle, height, body)


def stacked(pictures: Sequence[str]) -> str:
    """Pictures of ours one below the other, as one."""
    height, body = 0, []
    for one in pictures:
        inner = one[one.index(">") + 1 : one.rindex("</svg>")].strip()
        body.append(f'<g transform="translate(0 {height})">\n{inner}\n</g>')
        height += int(re.search(r'height="(\d+)"', one)[1])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="system-ui, sans-serif" fill="#334155">\n' + "\n".join(body) + "\n</svg>\n"
    )


def _text(x: float, y: float, words: str, *, anchor: str = "start", size: int = 12, weight: str = "normal") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}">{escape(words)}</text>'


def _frame(title: str, subtitle: str, height: int, body: Sequence[str]) -> str:
    head = [_text(12, 22, title, size=15, weight="bold"), _text(12, 40, subtitle, size=11)]
    inner = "\n".join([*head, *body])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="system-ui, sans-serif" fill="#334155" role="img" aria-label="{escape(title, {chr(34): "&quot;"})}">\n'
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n{inner}\n</svg>\n'
    )
