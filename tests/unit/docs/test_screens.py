"""A picture of a terminal shows the last screen, and looks the same with any font."""

import re
import sys

from rich.cells import cell_len

from tests.support.template import ROOT
from website.screens import last_screen, picture, record

TEXT = re.compile(r"<text [^>]*>([^<]*)</text>")


def test_what_a_command_writes_over_is_not_shown() -> None:
    written = "one\n\x1b[?25l  1 of 2\r\x1b[2K  2 of 2\nthree\r\x1b[2K\x1b[1A\x1b[2Kend\n\n"

    assert last_screen(written) == ["one", "end"]


def test_a_command_has_a_terminal_of_its_own() -> None:
    asked = "import os, sys; print(sys.stdout.isatty(), os.get_terminal_size().columns >= 0)"

    assert record([sys.executable, "-c", asked]) == "True True\r\n"


def test_each_piece_of_text_has_its_width_and_wide_characters_are_outlines() -> None:
    drawn = picture(["  \x1b[32m✓\x1b[0m アヤメ/花.csv  15"], "a title")

    assert TEXT.findall(drawn) == ["a title", "✓", "/", ".csv", "15"]
    assert drawn.count("<path ") == 4
    assert all("textLength" in piece for piece in re.findall(r"<text x=[^>]*>", drawn)[1:])


def test_the_demos_picture_shows_every_file_and_needs_no_font() -> None:
    drawn = (ROOT / "docs" / "demo.svg").read_text("utf-8")
    shown = TEXT.findall(drawn)

    assert all(cell_len(text) == len(text) for text in shown)
    assert drawn.count("<path ") == len("アヤメ花")
    assert "no petals.csv" in shown
