"""python -m benchmarks.outage: draw docs/outage.svg, an hour without S3 before and with patience.

The figures with patience are played anew. Those before are kept in results/outage-before.json: they
are of the rule that gave a message back at each error, with `MaxReceiveCount` 5, its default then.
Both are of the same plan, with three workers and 1,000 messages.
"""

import bisect
import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.search.outage import HOUR, Point, outage_plan, play_outage

FOLDER = Path(__file__).parent
BEFORE = FOLDER / "results" / "outage-before.json"
DRAWING = FOLDER.parent / "docs" / "outage.svg"

MESSAGES, START, END = 1000, 20.0, 4500.0  # seconds, as are all times here
STEP_SECONDS = 15.0
WIDTH, HEIGHT = 760, 400
PANEL_WIDTH, PANEL_HEIGHT = 300, 130
LEFT, TOP, GAP_X, GAP_Y = 58, 52, 64, 48
BLUE, RED, ORANGE, GREY, BAND = "#0b6e99", "#c0392b", "#b8641a", "#5c6670", "#f3ead9"

Series = Sequence[tuple[float, int, int, int]]  # time, messages alive, dead letters, receives


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes; its lines have a colour and a name."""

    left: float
    top: float
    most: int
    title: str

    def x(self, at: float) -> float:
        """Return the place of a time."""
        return self.left + PANEL_WIDTH * at / END

    def y(self, count: float) -> float:
        """Return the place of a number."""
        return self.top + PANEL_HEIGHT * (1 - count / self.most)

    def axes(self) -> Iterable[str]:
        """Draw the outage as a band, the axes, and their numbers."""
        bottom = self.top + PANEL_HEIGHT
        start, end = self.x(START), self.x(START + HOUR)
        yield (
            f'<rect x="{start:.1f}" y="{self.top}" width="{end - start:.1f}" '
            f'height="{PANEL_HEIGHT}" fill="{BAND}"/>'
        )
        yield _text(self.left, self.top - 8, self.title, weight="bold")
        for share in (0, 0.5, 1):
            y = self.y(share * self.most)
            yield f'<path d="M{self.left} {y:.1f}h{PANEL_WIDTH}" stroke="#d5dade"/>'
            yield _text(self.left - 6, y + 4, f"{share * self.most:,.0f}", GREY, "end")
        for minute in range(0, int(END) // 60 + 1, 15):
            yield _text(self.x(60 * minute), bottom + 15, f"{minute}", GREY, "middle")

    def line(self, points: Iterable[tuple[float, int]], colour: str) -> str:
        """Draw a line, without the points on its level parts."""
        levels = [list(level) for _, level in itertools.groupby(points, lambda point: point[1])]
        ends = [point for level in levels for point in dict.fromkeys((level[0], level[-1]))]
        path = "L".join(f"{self.x(at):.1f} {self.y(count):.1f}" for at, count in ends)
        return f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>'


def sampled(points: Sequence[Point]) -> Series:
    """Return the points at regular times."""
    times = [point.at for point in points]
    rows = []
    for step in range(int(END / STEP_SECONDS) + 1):
        at = step * STEP_SECONDS
        point = points[max(0, bisect.bisect_right(times, at) - 1)]
        rows.append((at, point.alive, point.dead, point.receives))
    return rows


def drawing(before: Series, after: Series) -> str:
    """Return the drawing as SVG."""
    most = max(row[3] for row in (*before, *after))
    top = -(-most // 1000) * 1000
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">',
        '<g font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT, 20, "1,000 messages, three workers; the band is an hour in which S3 fails"),
    ]
    for column, (name, series) in enumerate(
        (("Before: an error uses a receive", before), ("Now: calls are tried again", after))
    ):
        left = LEFT + column * (PANEL_WIDTH + GAP_X)
        messages = Panel(left, TOP, MESSAGES, name)
        receives = Panel(left, TOP + PANEL_HEIGHT + GAP_Y, top, "Receives used")
        parts += [*messages.axes(), *receives.axes()]
        parts.append(messages.line([(row[0], row[1]) for row in series], BLUE))
        parts.append(messages.line([(row[0], row[2]) for row in series], RED))
        parts.append(receives.line([(row[0], row[3]) for row in series], ORANGE))
    bottom = TOP + 2 * PANEL_HEIGHT + GAP_Y + 34
    parts += [
        _text(LEFT, bottom, "minutes", GREY),
        _text(LEFT + 70, bottom, "messages in the queue", BLUE, weight="bold"),
        _text(LEFT + 230, bottom, "dead letters", RED, weight="bold"),
        _text(LEFT + 330, bottom, "receives", ORANGE, weight="bold"),
        "</g></svg>",
    ]
    return "\n".join(parts) + "\n"


def _text(
    x: float,
    y: float,
    text: str,
    colour: str = "#22282d",
    anchor: str = "start",
    *,
    weight: str = "",
) -> str:
    style = f' font-weight="{weight}"' if weight else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}"{style}>{text}</text>'
    )


def main() -> None:
    """Play the outage and draw it beside the one before."""
    before = json.loads(BEFORE.read_text())["points"]
    result = play_outage(outage_plan("S3", START, HOUR, messages=MESSAGES))
    DRAWING.write_text(drawing(before, sampled(result.points)))
    print(f"{DRAWING}: drained {result.drained_seconds:.0f} s after the end of the outage")


if __name__ == "__main__":
    main()
