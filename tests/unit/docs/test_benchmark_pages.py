"""The pages with figures of the benchmarks have what the benchmarks wrote."""

from pathlib import Path

import pytest

from benchmarks import figures, memory
from benchmarks.harness.page_blocks import BlockMissing, read_block, write_block


def test_the_figures_on_the_page_are_those_of_the_results() -> None:
    written = "\n".join(figures.lines(figures.FOLDER / "results"))

    assert read_block(figures.PAGE, figures.BLOCK) == written, "run `python -m benchmarks.figures`"


def test_the_page_on_memory_has_a_place_for_the_table() -> None:
    assert read_block(memory.PAGE, memory.BLOCK)


def test_the_table_of_memory_has_the_bound_beside_what_was_measured() -> None:
    peaks = {("csv.gz", 2): [410.4, 510.0], ("csv", 4): [500.0, 641.0]}

    assert list(memory.table(peaks, [(1, 2000), (16, 50)])) == [
        "| file | pool processes | 2,000 MB | 16 x 50 MB | 400 MB + 60 MB a process |",
        "|---|--:|--:|--:|--:|",
        "| CSV in gzip | 2 | 410 | 510 | 520 |",
        "| CSV | 4 | 500 | 641 | 640 |",
    ]


def test_a_block_is_replaced_and_the_rest_of_the_page_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n\n<!-- begin: a -->\n\nold\n\n<!-- end: a -->\n\nafter\n")

    write_block(page, "a", ["new", "", "lines"])

    assert page.read_text() == (
        "before\n\n<!-- begin: a -->\n\nnew\n\nlines\n\n<!-- end: a -->\n\nafter\n"
    )
    assert read_block(page, "a") == "new\n\nlines"


@pytest.mark.parametrize("text", ["", "<!-- begin: a -->\n\nold", "old\n\n<!-- end: a -->"])
def test_a_page_without_the_block_is_named_with_what_is_missing(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)

    with pytest.raises(BlockMissing, match=r"page\.md: the lines <!-- begin: a --> and"):
        write_block(page, "a", ["new"])
    assert page.read_text() == text
