"""The geometry of the sign-up chart, for an inline SVG: bars, a scale of round numbers, and days below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

# In units of the SVG's viewBox.
WIDTH, HEIGHT = 960, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 0, 16, 40
_GAP = 0.25  # between bars, in parts of a bar's place
_DAYS_NAMED = 6


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    day: date
    count: int


@dataclass(frozen=True, slots=True)
class Chart:
    """The shapes that the template draws.

    :ivar lines: height and number of each line of the scale.
    :ivar names: place and day of each name on the axis; every other one is left out where there is little room.
    """

    bars: Sequence[Bar]
    lines: Sequence[tuple[float, int]]
    names: Sequence[tuple[float, date]]
    total: int
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    base: int = HEIGHT - _BOTTOM


def sign_ups(days: Sequence[tuple[date, int]]) -> Chart:
    """Return the chart of at least one day, oldest first."""
    top = _round_up(max(count for _, count in days))
    place = (WIDTH - _LEFT - _RIGHT) / len(days)
    room = HEIGHT - _TOP - _BOTTOM

    def height(count: float) -> float:
        return round(room * count / top, 2)

    base = HEIGHT - _BOTTOM
    bars = [
        Bar(
            round(_LEFT + place * (n + _GAP / 2), 2),
            round(base - height(count), 2),
            round(place * (1 - _GAP), 2),
            height(count),
            day,
            count,
        )
        for n, (day, count) in enumerate(days)
    ]
    # Counted from today backwards, so that today always has its name.
    step = max(1, math.ceil(len(days) / _DAYS_NAMED))
    names = [(round(_LEFT + place * (n + 0.5), 2), days[n][0]) for n in range(len(days) - 1, -1, -step)]
    lines = [(base - height(top * part / 2), top * part // 2) for part in range(3)]
    return Chart(bars, lines, names, sum(count for _, count in days))


def _round_up(count: int) -> int:
    """Return the next even number of the kinds 2, 4, 6, 10, 20, 40 … so that half of it is a whole number."""
    power = 10 ** max(0, len(str(max(count, 1))) - 1)
    top: int = next(step * power for step in (2, 4, 6, 10) if step * power >= count)
    return top
