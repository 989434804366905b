"""The shapes of the charts: numbers scaled to a drawing of fixed size, which the page stretches."""

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.report.distributions import Numbers
from tidegate.report.work import Throughput

WIDTH, HEIGHT = 600, 120
DECIMALS = 3


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
    low: float
    high: float


def histogram(found: Numbers, baseline: Numbers | None) -> Histogram:
    """Return both distributions in the same bins, as shares of their own sums."""
    both = found.merge(baseline) if baseline and baseline.count else found
    places = range(both.first, both.first + len(both.bins))
    ours = _shares([found.at(both.scale)[place] for place in places])
    theirs = (
        _shares([baseline.at(both.scale)[place] for place in places])
        if baseline and baseline.count
        else []
    )
    most = max([*ours, *theirs], default=0.0)
    return Histogram(
        bars=_bars(ours, most),
        outline=steps(theirs, most),
        low=both.first * both.width,
        high=(both.first + len(both.bins)) * both.width,
    )


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


def _shares(counts: Sequence[int]) -> list[float]:
    return [one / sum(counts) for one in counts] if sum(counts) else []
