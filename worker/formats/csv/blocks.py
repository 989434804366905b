"""The text of a CSV, cut between rows, and the rows found in it again."""

from collections.abc import Iterator
from dataclasses import dataclass

from worker.errors import Unparsable
from worker.formats.csv.dialect import ROW_BYTES, line_ends, patterns


@dataclass(frozen=True, slots=True)
class Block:
    """Whole rows of a CSV, each with its line end."""

    text: bytes
    line: int
    """The one in the file on which the first row begins."""
    delimiter: str

    def rows(self) -> Iterator[tuple[int, bytes]]:
        """Every row that is not blank, with its place in the text and without its line end."""
        pattern = patterns(self.delimiter).row
        place = 0
        while place < len(self.text):
            row = pattern.match(self.text, place)
            assert row is not None
            if row["row"]:
                yield place, row["row"]
            place = row.end()


def blocks(text: Iterator[bytes], delimiter: str, line: int) -> Iterator[Block]:
    """The text in blocks of about the size of its pieces.

    Raises Unparsable naming the line where a row is too long, or a quote opens and never closes.
    """
    rest = b""
    for piece in text:
        data = rest + piece
        end = _rows_end(data, delimiter)
        rest = data[end:]
        if end:
            yield Block(data[:end], line, delimiter)
            line += line_ends(data, 0, end)
        if len(rest) > ROW_BYTES:
            _refuse_open_quote(rest, delimiter, line)
            raise Unparsable(f"line {line}: the row is longer than {ROW_BYTES // 2**20} MiB")
    if rest:
        _refuse_open_quote(rest, delimiter, line)
        # Without its line end Arrow takes an empty last cell for quoted where the one before it is.
        yield Block(rest if rest.endswith(b"\r") else rest + b"\n", line, delimiter)


def _refuse_open_quote(row: bytes, delimiter: str, line: int) -> None:
    cells = patterns(delimiter).cells.match(row)
    assert cells is not None
    if row.startswith(b'"', cells.end()):
        line += line_ends(row, 0, cells.end())
        raise Unparsable(
            f"line {line}: a quote opens that is never closed, or not within "
            f"{ROW_BYTES // 2**20} MiB"
        )


def _rows_end(data: bytes, delimiter: str) -> int:
    """The place after the last row that has its line end."""
    if b'"' in data:
        rows = patterns(delimiter).rows.match(data)
        assert rows is not None
        return rows.end()
    # A CR at the very end may be half of a line end.
    return 1 + max(data.rfind(b"\n"), data.rfind(b"\r", 0, len(data) - 1))
