"""Boxes, arrows and text as an SVG that looks the same with any font, on light and dark screens.

A drawing is as wide as a telephone's screen, so that its text can be read there. No text may be
wider than its box in the widest of the usual fonts: `box` refuses it.
"""

from collections.abc import Sequence
from xml.sax.saxutils import escape

WIDTH = 460
SIZE, SOFT_SIZE, LINE = 13, 12, 18  # of letters, and of a line
WIDEST = 0.57  # of a letter of DejaVu Sans on average; the other usual fonts are narrower
WIDEST_BOLD = 0.64
PADDING = 8

STYLE = """
svg { --page: #ffffff; --text: #1f2933; --soft: #52606d; --line: #7b8794; --plain: #f1f4f7;
  --blue: #dcecf5; --green: #dff2e3; --red: #fae1df; --sand: #f8efd9; }
@media (prefers-color-scheme: dark) {
  svg { --page: #161b22; --text: #e4e7eb; --soft: #a5b1bd; --line: #8793a0; --plain: #232b35;
    --blue: #17394d; --green: #1a3f28; --red: #552b29; --sand: #463a1c; }
}
text { font-family: system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; font-size: 13px;
  fill: var(--text); }
.soft { fill: var(--soft); font-size: 12px; stroke: var(--page); stroke-width: 4px;
  paint-order: stroke; }
.strong { font-weight: 600; }
.arrow { fill: none; stroke: var(--line); stroke-width: 1.5; }
.dashed, .guide { stroke-dasharray: 4 3; }
.guide { opacity: 0.4; }
.head { fill: var(--line); }
rect { stroke: var(--line); stroke-width: 1; }
.page { fill: var(--page); stroke: none; }
""" + "".join(
    f".{kind} {{ fill: var(--{kind}); }}\n" for kind in ("plain", "blue", "green", "red", "sand")
)

Point = tuple[float, float]


class Drawing:
    """A drawing of a fixed width. `about` is what a screen reader says in its place."""

    def __init__(self, about: str, height: int) -> None:
        self._about, self._height = about, height
        self._parts: list[str] = []

    def box(
        self,
        x: float,
        y: float,
        width: float,
        *lines: str,
        kind: str = "plain",
    ) -> float:
        """Draw a box of lines, the first of them strong; returns the y of its lower edge."""
        height = LINE * len(lines) + 2 * PADDING - 2
        self.bar(x, y, width, height, kind=kind)
        for number, line in enumerate(lines):
            style = "" if number else "strong"
            _check_width(line, width - PADDING, _letter(style))
            self.text(x + width / 2, y + PADDING + 13 + LINE * number, line, style, "middle")
        return y + height

    def bar(self, x: float, y: float, width: float, height: float, *, kind: str = "plain") -> None:
        """Draw a box without text."""
        place = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
        self._parts.append(f'<rect class="{kind}" {place} rx="5"/>')

    def text(self, x: float, y: float, line: str, style: str = "", anchor: str = "start") -> None:
        """Write a line; `style` is soft, strong or empty."""
        room = {"start": WIDTH - x, "end": x, "middle": 2 * min(x, WIDTH - x)}[anchor]
        _check_width(line, room, _letter(style))
        place = f'x="{x:g}" y="{y:g}" text-anchor="{anchor}"'
        self._parts.append(f'<text class="{style}" {place}>{escape(line)}</text>')

    def notes(self, x: float, y: float, *lines: str, anchor: str = "start") -> None:
        """Write soft lines below each other."""
        for number, line in enumerate(lines):
            self.text(x, y + 15 * number, line, "soft", anchor)

    def line(self, *points: Point, style: str = "") -> None:
        """Draw a line without a head; `style` is dashed, guide (which is faint) or empty."""
        path = "L".join(f"{x:g} {y:g}" for x, y in points)
        self._parts.append(f'<path class="arrow {style}" d="M{path}"/>')

    def arrow(self, *points: Point, dashed: bool = False) -> None:
        """Draw an arrow along some points; its last piece is level or upright."""
        (from_x, from_y), (x, y) = points[-2:]
        across, down = _sign(x - from_x), _sign(y - from_y)
        back_x, back_y = x - 7 * across, y - 7 * down
        side_x, side_y = 4 * down, 4 * across
        self.line(*points[:-1], (back_x, back_y), style="dashed" if dashed else "")
        self._parts.append(
            f'<path class="head" d="M{x:g} {y:g}L{back_x + side_x:g} {back_y + side_y:g}'
            f'L{back_x - side_x:g} {back_y - side_y:g}z"/>'
        )

    def svg(self) -> str:
        """Return the whole file."""
        size = f'viewBox="0 0 {WIDTH} {self._height}" width="{WIDTH}" height="{self._height}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
        page = f'<rect class="page" width="{WIDTH}" height="{self._height}" rx="8"/>'
        about, style = f"<title>{escape(self._about)}</title>", f"<style>{STYLE}</style>"
        return "\n".join([head, about, style, page, *self._parts, "</svg>\n"])


def _letter(style: str) -> float:
    """Return the width of a letter in the widest of the usual fonts."""
    return {"soft": SOFT_SIZE * WIDEST, "strong": SIZE * WIDEST_BOLD}.get(style, SIZE * WIDEST)


def _sign(number: float) -> int:
    return (number > 0) - (number < 0)


def _check_width(line: str, room: float, letter: float) -> None:
    if len(line) * letter > room + 1:
        raise ValueError(f"{line!r} may take {len(line) * letter:.0f} of {room:.0f}")


Step = tuple[str, str, str]


def sequence(about: str, lanes: Sequence[str], steps: Sequence[Step]) -> str:
    """Draw who sends what to whom: a lane for each, and a numbered arrow for each step.

    A step names the sender, the receiver and what is sent; a step of a lane to itself is a remark.
    """
    gap, top = 34, 62
    height = top + gap * len(steps) + 24
    drawing = Drawing(about, height)
    lane_width = WIDTH / len(lanes)
    middles = {lane: lane_width * (number + 0.5) for number, lane in enumerate(lanes)}
    for middle in middles.values():
        drawing.line((middle, 44), (middle, height - 12), style="guide")
    for lane, middle in middles.items():
        drawing.box(middle - lane_width / 2 + 4, 12, lane_width - 8, lane, kind="blue")
    for number, (sender, receiver, text) in enumerate(steps, 1):
        y = top + gap * number - 6
        start, end = middles[sender], middles[receiver]
        label = f"{number}. {text}"
        if start == end:
            drawing.bar(start - 4, y - 8, 8, 16, kind="sand")
        else:
            drawing.arrow((start, y), (end, y))
        _label(drawing, label, (start + end) / 2, y - 7 if start != end else y - 12)
    return drawing.svg()


def _label(drawing: Drawing, label: str, middle: float, y: float) -> None:
    """Write the label of a step as near to its arrow as the edges of the drawing allow."""
    half = len(label) * _letter("soft") / 2 + 4
    drawing.text(min(max(middle, half), WIDTH - half), y, label, "soft", "middle")
