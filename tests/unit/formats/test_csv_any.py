"""The reader agrees with a simple reader of one character at a time, on any text in any pieces."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import cut, evenly_long, examples, sizes
from worker.formats.base import RejectedRow
from worker.formats.csv.reader import CsvReader
from worker.formats.text import to_utf8

HEADERS = ["h,i\n", "\n\r\n \nh,i\r\n", "\rh,i\r", '"h",i\n']
ALPHABETS = [
    ["a", '"', ",", "\n", "\r\n", '""', " ", "é", '",', ',"', '"\n', "\r", "\ufeff", "NA"],
    ["a", ",", "\n", "1", "\n"],
    ["a", ",", "\r\n", "b", "\r"],
    ["\n", '"', ",", "\r"],
    ['"a"', "b", '"', ",", ' "', "\n", ",\n", '"",""\n', "a,b\n"],
    ["a", '"', ",", "\\", '\\"', '"\\"', '",', ',"', '"\n', "\r\n"],
    ["h,i\n", '"h",i\n', "\ufeffh,i\n", "a", ",", '"', "\n"],
]


@dataclass(frozen=True)
class Row:
    line: int
    text: str
    cells: list[str | None]  # None: nothing, not even quotes
    has_wrong_quote: bool


class WrongQuote(Exception):
    pass


class SlowReader:
    """Reads CSV by definition, and one character after the other; blank lines are no rows.

    A quote opens only at a cell's start, and the cell ends with its closing quote. Quotes in other
    cells are text, unless the delimiter stands between one and the next, or only a space before it,
    or a cell of several lines.
    """

    def __init__(self, text: str, escape: str | None) -> None:
        self._text = text
        self._escape = escape
        self._place = 0

    def rows(self) -> list[Row]:
        found = []
        while self._place < len(self._text):
            start, line = self._place, self._line(self._place)
            cells, has_wrong_quote = [], False
            try:
                cells.append(self._cell(start))
                while self._take(","):
                    cells.append(self._cell(start))
            except WrongQuote:
                has_wrong_quote = True
                self._place = self._line_end(self._place)
            if text := self._text[start : self._place]:
                found.append(Row(line, text, cells, has_wrong_quote))
            if not self._take("\r\n") and not self._take("\r"):
                self._take("\n")
        return found

    def _line(self, place: int) -> int:
        before = self._text[:place].replace("\r\n", "\n").replace("\r", "\n")
        return 1 + before.count("\n")

    def _line_end(self, place: int) -> int:
        while place < len(self._text) and self._text[place] not in "\r\n":
            place += 1
        return place

    def _take(self, wanted: str) -> bool:
        found = self._text.startswith(wanted, self._place)
        self._place += len(wanted) if found else 0
        return found

    def _at_cell_end(self) -> bool:
        return self._place == len(self._text) or self._text[self._place] in ",\r\n"

    def _cell(self, row: int) -> str | None:
        if self._text.startswith('"', self._place):
            return self._quoted()
        start, opened = self._place, False
        while not self._at_cell_end():
            if self._text[self._place] == '"':
                opened = not opened
                if opened:
                    self._check_stray(row)
            self._place += 1
        return self._text[start : self._place] or None

    def _check_stray(self, row: int) -> None:
        line = self._text[: self._line_end(self._place)]
        following = line.find('"', self._place + 1)
        if "," in line[self._place : max(following, 0)]:
            raise WrongQuote
        if any(end in self._text[row : self._place] for end in "\r\n"):
            raise WrongQuote
        if self._place - 2 >= row and line[self._place - 2 : self._place] == ", ":
            raise WrongQuote

    def _quoted(self) -> str:
        start, cell = self._place, ""
        self._place += 1
        while self._place < len(self._text):
            if self._escape is None and self._take('""'):
                cell += '"'
            elif self._escape and any(map(self._take, (self._escape + '"', self._escape * 2))):
                cell += self._text[self._place - 1]
            elif not self._take('"'):
                cell += self._text[self._place]
                self._place += 1
            elif self._at_cell_end():
                return cell
            else:
                break
        self._place = start
        raise WrongQuote


def never_asked(size: int) -> None:
    assert size <= 2**20


@dataclass(frozen=True)
class Reading:
    """How a text is read: in which pieces, blocks and batches, and which rows are called bad."""

    pieces: Sequence[int]
    block_bytes: int
    batch_rows: int
    bad: Sequence[bool]  # in turn, for one well-formed row after the other
    escape: str | None


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
    escape=st.sampled_from([None, None, "\\"]),
)


@dataclass
class Read:
    """The well-formed rows, which of them the test called bad, and the rejected rows."""

    cells: list[list[str | None]]
    bad: set[int]
    rejects: list[RejectedRow]


def read_in_pieces(text: str, reading: Reading) -> Read:
    reader = CsvReader.open(
        to_utf8(iter(cut(text.encode(), reading.pieces)), "utf-8"),
        delimiter=",",
        encoding="utf-8",
        escape=reading.escape,
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


def reason_for(row: Row, header: str) -> str | None:
    """Return what the reason for a row contains; None: the row is well-formed."""
    if row.has_wrong_quote:
        return "quote"
    # As it stands, or with quotes around all names, or around none.
    if row.text.removeprefix("\ufeff") in {header, '"h","i"', "h,i"}:
        return "the header once more"
    if row.text in {",", '"",""'}:
        return "all cells are empty"
    return None if len(row.cells) == 2 else f"{len(row.cells)} cells where the header has 2"


@examples(5)
@given(TEXTS, READINGS)
def test_any_text_cut_anyhow_gives_its_rows_and_its_rejects(text: str, reading: Reading) -> None:
    rows = SlowReader(text, reading.escape).rows()
    place = next(place for place, row in enumerate(rows) if row.cells == ["h", "i"])
    header = rows[place].text
    del rows[: place + 1]
    read = read_in_pieces(text, reading)
    good: list[list[str | None]] = []
    expected: list[tuple[int, str, str]] = []
    for row in rows:
        reason = reason_for(row, header)
        if reason is None:
            reason = f"bad {len(good)}" if len(good) in read.bad else None
            good.append(row.cells)
        if reason is not None:
            expected.append((row.line, row.text, reason))
    assert read.cells == good
    assert [(row.line, row.row) for row in read.rejects] == [row[:2] for row in expected]
    for reject, (_, _, reason) in zip(read.rejects, expected, strict=True):
        assert reason in reject.reason
