"""Where the rows of a part end is found as by whoever cuts the whole text into rows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import cut, evenly_long, examples, sizes
from worker.errors import Unparsable
from worker.formats.csv.blocks import BlockSplitter
from worker.formats.csv.dialect import Dialect
from worker.formats.csv.row_end import end_of_rows

PLAIN = ["1,2\n", "3,4\r\n", "5\r", "\n", "\r", ",", "long cell", "é"]
QUOTED = ['"', '"\n', '"a\nb"', '""', ',"', '",']
TEXTS = st.sampled_from([PLAIN, [*PLAIN, *QUOTED]]).flatmap(
    lambda alphabet: evenly_long(st.sampled_from(alphabet), 1, 20).map("".join)
)


@examples(3)
@given(TEXTS, st.integers(1, 60), sizes(1, 20), st.sampled_from(['"', None]))
def test_rows_end_where_the_splitter_ends_them(
    text: str, size: int, pieces: list[int], quote: str | None
) -> None:
    body, dialect = text.encode(), Dialect(",", quote=quote)
    splitter = BlockSplitter(dialect, 1, limit=size)
    list(splitter.split(iter([body])))
    assert end_of_rows(iter(cut(body, pieces)), dialect, size) == splitter.offset


def test_no_more_is_read_than_the_end_of_the_row_takes() -> None:
    text = iter([b"1,2\n3,", b"4\n5,6\n", b"7,8\n"])
    assert end_of_rows(text, Dialect(","), 5) == 8
    assert next(text) == b"7,8\n"


def test_a_row_that_does_not_end_is_refused() -> None:
    text = (b"x" * 2**20 for _ in range(40))
    with pytest.raises(Unparsable, match="longer than 16 MiB"):
        end_of_rows(text, Dialect(","), 2**20)
    assert len(list(text)) > 40 - 16 - 4
