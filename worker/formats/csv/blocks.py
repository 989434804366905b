"""Cuts the text of a CSV into blocks of whole rows, and finds the rows in a block."""

from collections.abc import Iterator
from dataclasses import dataclass

from worker.errors import Unparsable
from worker.formats.csv.dialect import count_line_ends, row_patterns
from worker.formats.text import MAX_ROW_BYTES


@dataclass(frozen=True, slots=True)
class Block:
    """Whole rows of a CSV, each with its line end."""

    text: bytes
    line: int
    """The line of the file on which the first row begins."""
    delimiter: str

    def rows(self) -> Iterator[tuple[int, bytes]]:
        """Return every row that is not blank: its offset in the text, and its text."""
        pattern = row_patterns(self.delimiter).row
        offset = 0
        while offset < len(self.text):
            row = pattern.match(self.text, offset)
            assert row is not None
            if row["row"]:
                yield offset, row["row"]
            offset = row.end()


def split_blocks(text: Iterator[bytes], delimiter: str, line: int) -> Iterator[Block]:
    """Cut the text, which begins on that line, into blocks of about the size of its pieces.

    Raises Unparsable with the line if a row is too long, or a quote opens and never closes.
    """
    rest = b""
    for piece in text:
        data = rest + piece
        end = _end_of_last_row(data, delimiter)
        rest = data[end:]
        if end:
            yield Block(data[:end], line, delimiter)
            line += count_line_ends(data, 0, end)
        if len(rest) > MAX_ROW_BYTES:
            _refuse_open_quote(rest, delimiter, line)
            raise Unparsable(f"line {line}: the row is longer than {MAX_ROW_BYTES // 2**20} MiB")
    if rest:
        _refuse_open_quote(rest, delimiter, line)
        # Without a line end Arrow reads an empty last cell as quoted if the cell before it is.
        yield Block(rest if rest.endswith(b"\r") else rest + b"\n", line, delimiter)


def _refuse_open_quote(row: bytes, delimiter: str, line: int) -> None:
    cells = row_patterns(delimiter).cells.match(row)
    assert cells is not None
    if row.startswith(b'"', cells.end()):
        line += count_line_ends(row, 0, cells.end())
        raise Unparsable(
            f"line {line}: a quote opens that is never closed, or not within "
            f"{MAX_ROW_BYTES // 2**20} MiB"
        )


def _end_of_last_row(data: bytes, delimiter: str) -> int:
    """Return the offset after the last row that has its line end."""
    if b'"' in data:
        rows = row_patterns(delimiter).rows.match(data)
        assert rows is not None
        return rows.end()
    # A CR at the very end may be half of a line end.
    return 1 + max(data.rfind(b"\n"), data.rfind(b"\r", 0, len(data) - 1))
