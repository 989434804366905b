"""The reader agrees with a simple reader of one character at a time, on any text in any pieces."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import cut, evenly_long, examples, sizes
from worker.errors import Unparsable
from worker.formats.base import RejectedRow
from worker.formats.csv.reader import CsvReader
from worker.formats.text import to_utf8

HEADERS = ["h,i\n", "\n\r\n \nh,i\r\n", "\rh,i\r", '"h",i\n']
ALPHABETS = [
    ["a", '"', ",", "\n", "\r\n", '""', " ", "é", '",', ',"', '"\n', "\r", "\ufeff", "NA"],
    ["a", ",", "\n", "1", "\n"],
    ["a", ",", "\r\n", "b", "\r"],
    ["\n", '"', ",", "\r"],
]


@dataclass(frozen=True)
class Row:
    line: int
    text: str
    cells: list[str | None]  # None: nothing, not even quotes


class Unclosed(Exception):
    pass


class SlowReader:
    """Reads CSV by definition: a quote opens only at a cell's start; blank lines are no rows."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0

    def rows(self) -> list[Row]:
        found = []
        while self._place < len(self._text):
            start = self._place
            line = self._line(start)
            cells = [self._cell()]
            while self._take(","):
                cells.append(self._cell())
            if text := self._text[start : self._place]:
                found.append(Row(line, text, cells))
            if not self._take("\r\n") and not self._take("\r"):
                self._take("\n")
        return found

    def _line(self, place: int) -> int:
        before = self._text[:place].replace("\r\n", "\n").replace("\r", "\n")
        return 1 + before.count("\n")

    def _take(self, wanted: str) -> bool:
        found = self._text.startswith(wanted, self._place)
        self._place += len(wanted) if found else 0
        return found

    def _cell(self) -> str | None:
        start = self._place
        cell = self._quoted() if self._take('"') else ""
        while self._place < len(self._text) and self._text[self._place] not in ",\r\n":
            cell += self._text[self._place]
            self._place += 1
        return cell if self._place > start else None

    def _quoted(self) -> str:
        start, cell = self._place - 1, ""
        while self._place < len(self._text):
            if self._take('""'):
                cell += '"'
            elif self._take('"'):
                return cell
            else:
                cell += self._text[self._place]
                self._place += 1
        raise Unclosed(self._line(start))


def never_asked(size: int) -> None:
    assert size <= 2**20


@dataclass(frozen=True)
class Reading:
    """How a text is read: in which pieces, blocks and batches, and which rows are called bad."""

    pieces: Sequence[int]
    block_bytes: int
    batch_rows: int
    bad: Sequence[bool]  # in turn, for one well-formed row after the other


TEXTS = st.builds(
    lambda header, pieces: header + "".join(pieces),
    st.sampled_from(HEADERS),
    st.sampled_from(ALPHABETS).flatmap(
        lambda alphabet: evenly_long(st.sampled_from(alphabet), 1, 60)
    ),
)
READINGS = st.builds(
    Reading,
    pieces=sizes(1, 20),
    block_bytes=st.sampled_from([1, 2, 3, 5, 8, 13, 1000]),
    batch_rows=st.sampled_from([1, 2, 3, 10]),
    bad=st.lists(st.booleans(), min_size=1),
)


@dataclass
class Read:
    """The well-formed rows, which of them the test called bad, and the rejected rows."""

    cells: list[list[str | None]]
    bad: set[int]
    rejects: list[RejectedRow]


def read_in_pieces(text: str, reading: Reading) -> Read:
    reader = CsvReader(
        to_utf8(iter(cut(text.encode(), reading.pieces)), "utf-8"),
        delimiter=",",
        encoding="utf-8",
        hold=never_asked,
        may_reject=True,
        block_bytes=reading.block_bytes,
    )
    rows, is_bad = reading.batch_rows, cycle(reading.bad)
    read, batches = Read([], set(), []), []
    for table in reader.batches(("h", "i"), rows):
        before = len(read.cells)
        bad = {row for row, is_one in enumerate(islice(is_bad, table.num_rows)) if is_one}
        read.rejects += reader.rejected_rows({row: f"bad {before + row}" for row in bad})
        read.bad |= {before + row for row in bad}
        read.cells += [list(row.values()) for row in table.to_pylist()]
        assert reader.malformed_count() == len(read.rejects) - len(read.bad)
        batches.append(table.num_rows)
    assert set(batches[:-1]) <= {rows}
    assert 0 < batches[-1] <= rows or batches == [0]
    return read


def expected_rejects(rows: list[Row], bad: set[int]) -> list[RejectedRow]:
    rejects, good = [], 0
    for row in rows:
        if len(row.cells) != 2:
            reason = f"{len(row.cells)} cells where the header has 2"
            rejects.append(RejectedRow(row.line, reason, row.text))
            continue
        if good in bad:
            rejects.append(RejectedRow(row.line, f"bad {good}", row.text))
        good += 1
    return rejects


@examples(10)
@given(TEXTS, READINGS)
def test_any_text_cut_anyhow_gives_its_rows_and_its_rejects(text: str, reading: Reading) -> None:
    try:
        rows = SlowReader(text).rows()
    except Unclosed as unclosed:
        with pytest.raises(Unparsable, match=f"line {unclosed}: a quote opens that is never"):
            read_in_pieces(text, reading)
        return
    header = next(place for place, row in enumerate(rows) if row.cells == ["h", "i"])
    del rows[: header + 1]
    read = read_in_pieces(text, reading)
    assert read.cells == [row.cells for row in rows if len(row.cells) == 2]
    assert read.rejects == expected_rejects(rows, read.bad)
