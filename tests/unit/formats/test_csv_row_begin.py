"""Where a row begins in the middle of a CSV is a guess, and nearly always right."""

from bisect import bisect_left
from collections.abc import Iterator

import pytest

from worker.errors import Unparsable
from worker.formats.csv.blocks import Block
from worker.formats.csv.dialect import Dialect
from worker.formats.csv.row_begin import WINDOW_BYTES, find_row_begin, guess_row_begin

DIALECT = Dialect(",")
ROWS = 1500


def rows(kind: str) -> Iterator[str]:
    """Rows of three cells, whose quoted cells look like rows."""
    for number in range(ROWS):
        match kind:
            case "without quotes":
                yield f"{number},2,3\n"
            case "CR LF":
                yield f"{number},2,3\r\n"
            case "addresses":
                yield f'{number},"{number} Main St\nApt 5, {number}\nCity",3\n'
            case "rows in a cell":
                yield f'{number},"{number},2,3\n4,5,6\n",3\n'
            case "rows in the last cell":
                yield f'{number},2,"{number},2,3\n4,5,6\n"\n'
            case "few quotes":
                yield f"{number},2,3\n" if number % 50 else f'{number},"1,2,3\n4,5,6\n",3\n'
            case "long cells":
                yield f'{number},"{"1,2,3" * (number % 7)}\n{"4,5,6" * (number % 20)}",3\n'


@pytest.mark.parametrize(
    "kind",
    [
        "without quotes",
        "CR LF",
        "addresses",
        "rows in a cell",
        "rows in the last cell",
        "few quotes",
        "long cells",
    ],
)
def test_the_row_behind_any_place_is_found_in_files_as_they_are(kind: str) -> None:
    text = "".join(rows(kind)).encode()
    begins = [row.offset for row in Block(text, 1, DIALECT).rows()]
    for place in range(1, len(text) // 3, 397):
        window = text[place - 1 : place + 8000]
        guess = guess_row_begin(window, DIALECT, 3)
        assert guess is not None
        assert place - 1 + guess == begins[bisect_left(begins, place)]


def test_a_row_that_begins_at_the_place_itself_is_found() -> None:
    assert guess_row_begin(b"\n1,2,3\n4,5,6\n", DIALECT, 3) == 1
    assert guess_row_begin(b"\r1,2,3\r4,5,6\r", DIALECT, 3) == 1


def test_the_place_may_be_between_the_two_characters_of_a_line_end() -> None:
    assert guess_row_begin(b"\r\n1,2,3\r\n", DIALECT, 3) == 2


def test_a_row_without_an_end_shows_no_begin() -> None:
    assert guess_row_begin(b"1,2,3", DIALECT, 3) is None
    assert guess_row_begin(b"1,2,3\r", DIALECT, 3) is None  # half of a line end, perhaps


def test_text_is_read_until_a_row_ends_in_it() -> None:
    pieces = iter([b"x" * WINDOW_BYTES] * 5 + [b"\n1,2,3\n", b"4,5,6\n"])
    begin, rest = find_row_begin(pieces, DIALECT, 3)
    assert (begin, b"".join(rest)) == (5 * WINDOW_BYTES + 1, b"1,2,3\n4,5,6\n")


def test_text_in_which_no_row_ends_is_refused() -> None:
    with pytest.raises(Unparsable, match="no row begins"):
        find_row_begin(iter([b"x" * WINDOW_BYTES] * 3), DIALECT, 3)
