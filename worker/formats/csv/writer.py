"""Writes CSV: text verbatim, quotes only where needed, numbers in their shortest form."""

import codecs
import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from worker.errors import PredictionFailed, SchemaMismatch
from worker.formats.base import FEW_ROWS, one_array
from worker.formats.float_text import format_floats
from worker.formats.json_lines.cells import json_to_text
from worker.quoting import quote_value

Cells = list[pa.Array | pa.ChunkedArray]
_NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
_NUMBER_CHARACTERS = "+-.0123456789aefilnrstu"  # of numbers, NaN, infinity and booleans


class CsvWriter:
    """Writes tables to one CSV with LF line ends, and a header unless `has_header` is False.

    A null is an empty cell. An empty text is a pair of quotes; without a quote it is an empty cell.
    With `escape` that character stands before quotes and before itself, and quotes are not doubled.
    """

    def __init__(
        self,
        *,
        delimiter: str = ",",
        encoding: str = "utf-8",
        quote: str | None = '"',
        escape: str | None = None,
        has_header: bool = True,
    ) -> None:
        self._delimiter = delimiter
        self._encoding = encoding
        self._encoder = codecs.getincrementalencoder(encoding)()
        self._quote_mark = quote
        self._escape = escape
        special = "".join(re.escape(mark) for mark in (delimiter, quote, escape) if mark)
        self._needs_quotes = f"^$|[\\r\\n{special}]"
        self._is_special = re.compile(f"[\\r\\n{special}]").search
        self._numbers_are_plain = not self._is_special(_NUMBER_CHARACTERS)
        self._writes_header = has_header

    def write(self, table: pa.Table) -> bytes:
        """Add the table's rows; the names of the first table become the header."""
        table = json_to_text(table)
        text = ""
        if self._writes_header:
            self._writes_header = False
            text = self._header(table.column_names)
        if table.num_rows:
            text += self._join(self._to_cells(table))
        try:
            return self._encoder.encode(text)
        except UnicodeEncodeError as error:
            letter = quote_value(repr(error.object[error.start]))
            raise PredictionFailed(
                f"{letter} cannot be written as {self._encoding} (WORKER_ENCODING)"
            ) from error

    def finish(self) -> bytes:
        """Return the end of the text, which only encodings with shift sequences have."""
        return self._encoder.encode("", final=True)

    def _header(self, names: Sequence[str]) -> str:
        if len(names) > 1 and not any(map(self._is_special, names)):
            return self._delimiter.join(names) + "\n"
        cells = [pa.array([name or None], pa.string()) for name in names]
        return self._join(self._quote_together(cells))

    def _to_cells(self, table: pa.Table) -> Cells:
        """Return the columns as strings, with quotes where needed."""
        columns = zip(table.column_names, table.columns, strict=True)
        cells = [_to_strings(name, column) for name, column in columns]
        if table.num_rows <= FEW_ROWS:
            return self._quote_together(cells)
        return [
            cell if self._numbers_are_plain and _holds_numbers(field.type) else self._quote(cell)
            for cell, field in zip(cells, table.schema, strict=True)
        ]

    def _quote_together(self, columns: Cells) -> Cells:
        """Quote columns of few rows in one step."""
        height = len(columns[0])
        together = self._quote(one_array(columns))
        return [together.slice(place * height, height) for place in range(len(columns))]

    def _join(self, columns: Cells) -> str:
        # Readers skip a blank line, so a row of one null is written as a pair of quotes.
        null = "" if len(columns) > 1 else (self._quote_mark or "") * 2
        cells = [pc.fill_null(column, null) if column.null_count else column for column in columns]
        rows = pc.binary_join_element_wise(*cells, self._delimiter).to_pylist()
        return "\n".join(rows) + "\n"

    def _quote(self, column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
        mark = self._quote_mark
        if mark is None:
            self._refuse_special(column)
            return column
        needs_quotes = pc.match_substring_regex(column, self._needs_quotes)
        if not pc.any(needs_quotes).as_py():
            return column
        inside = column
        if self._escape is not None:
            inside = pc.replace_substring(inside, self._escape, self._escape * 2)
        inside = pc.replace_substring(inside, mark, (self._escape or mark) + mark)
        return pc.if_else(needs_quotes, pc.binary_join_element_wise(mark, inside, mark, ""), column)

    def _refuse_special(self, column: pa.Array | pa.ChunkedArray) -> None:
        special = pc.match_substring_regex(column, f"[\\r\\n{re.escape(self._delimiter)}]")
        if pc.any(special).as_py():
            cell = quote_value(repr(column.filter(special)[0].as_py()))
            raise PredictionFailed(
                f"{cell} holds a delimiter or a line end, so it cannot be written without quotes "
                "(WORKER_QUOTE=none)"
            )


def _holds_numbers(data_type: pa.DataType) -> bool:
    return any(is_kind(data_type) for is_kind in _NUMBERS)


def _to_strings(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the column as strings; a null stays a null."""
    if pa.types.is_string(column.type):
        return column
    if pa.types.is_floating(column.type):
        return format_floats(column)
    try:
        return pc.cast(column, pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SchemaMismatch(
            f"the column {name!r} is of type {column.type}, which CSV cannot hold: "
            "leave it out of WORKER_KEEP_COLUMNS"
        ) from error
