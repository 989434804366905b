"""python -m website.screens: run the demo in a terminal, and draw its last screen as docs/demo.svg.

The picture looks the same with any font: each piece of text has its width and its place, and a wide
character is drawn by its outline.
"""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from xml.sax.saxutils import escape

from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import SVG_EXPORT_THEME as THEME
from rich.text import Text

from website.outlines import read_outlines

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "demo.svg"
COLUMNS, ROWS = 80, 60
CELL, LINE, SIZE = 8.4, 18, 14  # the width of a cell, the height of a line, the size of a letter
LEFT, TOP = 14, 44
CONTROL = re.compile(r"(\r|\n|\x1b\[\d*[AKJ]|\x1b\[\?\d+[hl])")
# Letters of one width, and signs that a font may draw wider: those have places of their own.
PIECE = re.compile(r"[!-~]+(?: [!-~]+)*|([^ ])\1*")


def record(command: list[str]) -> str:
    """Run a command in a terminal of its own; return what it has written, with its colours."""
    parent, child = pty.openpty()
    settings = {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(ROWS)}
    process = subprocess.Popen(  # noqa: S603 - the command is ours
        command, stdout=child, stderr=child, env={**os.environ, **settings}, cwd=ROOT
    )
    os.close(child)
    written = bytearray()
    with suppress(OSError):  # by which Linux reports that nobody writes to the terminal any more
        while piece := os.read(parent, 1 << 16):
            written += piece
    os.close(parent)
    if process.wait():
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}")
    return written.decode()


def last_screen(written: str) -> list[str]:
    """Return the lines that stand in the end: a display that moves is written again and again."""
    lines, row = [""], 0
    for piece in CONTROL.split(written):
        if piece == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif piece.endswith("A") and piece.startswith("\x1b["):
            row = max(0, row - int(piece[2:-1] or 1))
        elif piece.endswith("K") and piece.startswith("\x1b["):
            lines[row] = ""
        elif not CONTROL.fullmatch(piece):
            lines[row] += piece
    while not lines[-1]:
        lines.pop()
    return lines


def picture(lines: list[str], title: str) -> str:
    """Draw lines of a terminal as an SVG."""
    console = Console(width=COLUMNS, color_system="truecolor", force_terminal=True)
    width, height = 2 * LEFT + CELL * COLUMNS, TOP + LINE * len(lines) + 12
    middle = 'text-anchor="middle"'
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img">',
        f"<title>{escape(title)}</title>",
        "<!-- The last screen of a real run, drawn by website/screens.py. -->",
        f'<g font-family="ui-monospace, Menlo, Consolas, monospace" font-size="{SIZE}">',
        f'<rect width="{width:g}" height="{height:g}" rx="8" fill="{THEME.background_color.hex}"/>',
        *(f'<circle cx="{x}" cy="18" r="6" fill="#5b6570"/>' for x in (20, 38, 56)),
        f'<text x="{width / 2:g}" y="23" {middle} {_look(Style())}>{escape(title)}</text>',
    ]
    for number, line in enumerate(lines):
        drawn += _line(console, Text.from_ansi(line), TOP + LINE * (number + 0.7))
    return "\n".join([*drawn, "</g>", "</svg>\n"])


def _line(console: Console, line: Text, y: float) -> Iterator[str]:
    outlines = read_outlines()
    column = 0
    for segment in line.render(console):
        if segment.control:
            continue
        look = _look(segment.style or Style())
        for piece in PIECE.finditer(segment.text):
            text = piece[0]
            x = LEFT + CELL * (column + cell_len(segment.text[: piece.start()]))
            if cell_len(text) == len(text):
                size = f'textLength="{CELL * len(text):g}" lengthAdjust="spacingAndGlyphs"'
                yield f'<text x="{x:g}" y="{y:g}" {size} {look}>{escape(text)}</text>'
                continue
            for place, character in enumerate(text):
                where = f"translate({x + 2 * CELL * place + 1:g} {y:g}) scale({SIZE / 1000:g})"
                yield f'<path transform="{where}" d="{outlines[character]}" {look}/>'
        column += cell_len(segment.text)


def _look(style: Style) -> str:
    colour = style.color.get_truecolor(THEME) if style.color else THEME.foreground_color
    weight = ' font-weight="bold"' if style.bold else ""
    opacity = ' opacity="0.65"' if style.dim else ""
    return f'fill="{colour.hex}"{weight}{opacity}'


def main() -> None:
    """Write the picture of the demo."""
    written = record([sys.executable, "-m", "tidegate", "demo"])
    PICTURE.write_text(picture(last_screen(written), "make demo"), "utf-8")


if __name__ == "__main__":
    main()
