"""python -m website.outlines FONT CHARACTERS: write outlines of wide characters to outlines.json.

A picture of a terminal draws such a character by its outline, as a reader's machine may have no
font that has it. The program needs fontTools, which .venv-bench has.
"""

import json
import sys
from pathlib import Path

FILE = Path(__file__).with_suffix(".json")


def main(font_file: str, characters: str) -> None:
    """Write each character's outline, in a square of 1000 units whose origin is the baseline."""
    from fontTools.pens.svgPathPen import SVGPathPen  # noqa: PLC0415 - read_outlines does without
    from fontTools.pens.transformPen import TransformPen  # noqa: PLC0415
    from fontTools.ttLib import TTFont  # noqa: PLC0415

    font = TTFont(font_file, fontNumber=0)
    glyphs, names = font.getGlyphSet(), font.getBestCmap()
    scale = 1000 / font["head"].unitsPerEm
    outlines = {}
    for character in characters:
        pen = SVGPathPen(glyphs, lambda number: f"{number:.0f}")
        glyphs[names[ord(character)]].draw(TransformPen(pen, (scale, 0, 0, -scale, 0, 0)))
        outlines[character] = pen.getCommands()
    name = font["name"]
    found = {"font": name.getDebugName(4), "licence": name.getDebugName(13), "outlines": outlines}
    FILE.write_text(json.dumps(found, ensure_ascii=False, indent=2) + "\n", "utf-8")


def read_outlines() -> dict[str, str]:
    """Return the path of each character that has an outline."""
    found: dict[str, str] = json.loads(FILE.read_text("utf-8"))["outlines"]
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
