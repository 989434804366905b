"""The shapes of the charts: numbers scaled to a drawing of fixed size, which the page stretches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidegate.report.work import Throughput
from worker.distributions import Numbers
from worker.distributions.axis import value_at

WIDTH, HEIGHT = 600, 120
DECIMALS = 3
QUARTERS = 4
SHOWN_CLASSES = 12
MOST_EMPTY = 4  # bins in a row


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar that stands on the bottom of the drawing."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Histogram:
    """Bars of a run's predictions, and the outline of the baseline's."""

    bars: Sequence[Bar]
    outline: str
    marks: Sequence[float]
    """The numbers at each quarter of the width, from the left end to the right one."""


def histogram(found: Numbers, baseline: Numbers | None) -> Histogram:
    """Return both distributions in the same bins, as shares of their own sums."""
    both = found.merge(baseline) if baseline and baseline.count else found
    places = _shown_places(list(both.bins))
    ours = _shares(found.at(both.scale), places)
    theirs = _shares(baseline.at(both.scale), places) if baseline and baseline.count else []
    most = max([*ours, *theirs], default=0.0)
    quarter = len(places) // QUARTERS
    edges = [*places[::quarter], places[-1] + 1]
    return Histogram(
        bars=_bars(ours, most),
        outline=steps(theirs, most),
        marks=[value_at(place * 2.0**both.scale) for place in edges],
    )


def _shown_places(filled: Sequence[int]) -> list[int]:
    """Return the bins from the first to the last one, and as many empty ones as quarters need.

    Of many empty ones in a row only some are shown: one number far away must not hide the others.
    """
    places = [filled[0]]
    for place in filled[1:]:
        empty = min(place - places[-1] - 1, MOST_EMPTY)
        places += range(place - empty, place + 1)
    missing = -len(places) % QUARTERS
    return [*places, *range(places[-1] + 1, places[-1] + 1 + missing)]


def throughput(found: Throughput) -> str:
    """Return the path of the rows in each period."""
    return steps([float(rows) for rows in found.rows], float(max(found.rows, default=0)))


def steps(values: Sequence[float], most: float) -> str:
    """Return the path of a line that keeps each value for an equal part of the width."""
    if not values or not most:
        return ""
    width = WIDTH / len(values)
    path = [f"M0 {HEIGHT}"]
    for place, value in enumerate(values, start=1):
        path.append(f"V{_y(value, most)}H{round(place * width, DECIMALS):g}")
    return "".join([*path, f"V{HEIGHT}"])


def share(value: float, most: float) -> float:
    """Return the length of a lying bar, of a hundred."""
    return round(100 * value / most, DECIMALS) if most else 0.0


def _bars(values: Sequence[float], most: float) -> list[Bar]:
    width = WIDTH / max(1, len(values))
    return [
        Bar(
            round(place * width, DECIMALS),
            _y(value, most),
            round(width * 0.9, DECIMALS),
            round(HEIGHT - _y(value, most), DECIMALS),
        )
        for place, value in enumerate(values)
        if value
    ]


def _y(value: float, most: float) -> float:
    return round(HEIGHT * (1 - value / most), DECIMALS)


def _shares(counts: Mapping[int, int], places: Sequence[int]) -> list[float]:
    return [counts.get(place, 0) / sum(counts.values()) for place in places]
