"""The reader agrees with a simple reader of one character at a time, on any text in any pieces."""

import random
from dataclasses import dataclass

import pytest

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


def cut(body: bytes, chance: random.Random) -> list[bytes]:
    pieces = []
    while body:
        size = chance.randint(1, 20)
        pieces.append(body[:size])
        body = body[size:]
    return pieces


@dataclass
class Read:
    """The well-formed rows, which of them the test called bad, and the rejected rows."""

    cells: list[list[str | None]]
    bad: set[int]
    rejects: list[RejectedRow]


def read_in_pieces(text: str, chance: random.Random) -> Read:
    reader = CsvReader(
        to_utf8(iter(cut(text.encode(), chance)), "utf-8"),
        delimiter=",",
        encoding="utf-8",
        hold=never_asked,
        may_reject=True,
        block_bytes=chance.choice([1, 2, 3, 5, 8, 13, 1000]),
    )
    rows = chance.choice([1, 2, 3, 10])
    read, sizes = Read([], set(), []), []
    for table in reader.batches(("h", "i"), rows):
        before = len(read.cells)
        bad = {row for row in range(table.num_rows) if chance.random() < 0.5}
        read.rejects += reader.rejected_rows({row: f"bad {before + row}" for row in bad})
        read.bad |= {before + row for row in bad}
        read.cells += [list(row.values()) for row in table.to_pylist()]
        assert reader.malformed_count() == len(read.rejects) - len(read.bad)
        sizes.append(table.num_rows)
    assert set(sizes[:-1]) <= {rows}
    assert 0 < sizes[-1] <= rows or sizes == [0]
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


@pytest.mark.parametrize("hundred", range(25))
def test_any_text_cut_anyhow_gives_its_rows_and_its_rejects(hundred: int) -> None:
    for seed in range(hundred * 100, hundred * 100 + 100):
        chance = random.Random(seed)  # noqa: S311 - examples, not secrets
        pieces = chance.choices(chance.choice(ALPHABETS), k=chance.randint(1, 60))
        text = chance.choice(HEADERS) + "".join(pieces)
        try:
            rows = SlowReader(text).rows()
        except Unclosed as unclosed:
            with pytest.raises(Unparsable, match=f"line {unclosed}: a quote opens that is never"):
                read_in_pieces(text, chance)
            continue
        header = next(place for place, row in enumerate(rows) if row.cells == ["h", "i"])
        del rows[: header + 1]
        read = read_in_pieces(text, chance)
        assert read.cells == [row.cells for row in rows if len(row.cells) == 2]
        assert read.rejects == expected_rejects(rows, read.bad)
