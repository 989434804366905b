"""Writes CSV: text verbatim, quotes only where needed, numbers in their shortest form."""

import codecs
import re
from collections.abc import Sequence
from dataclasses import astuple

import pyarrow as pa
import pyarrow.compute as pc

from worker.errors import PredictionFailed, SchemaMismatch
from worker.formats.base import RejectedRow
from worker.formats.float_text import format_floats
from worker.formats.json_lines.cells import json_to_text

_REJECTED = pa.schema([("line", pa.int64()), ("reason", pa.string()), ("row", pa.string())])


class CsvWriter:
    """Writes tables to one CSV with a header and LF line ends.

    A null is an empty cell. An empty text is a pair of quotes.
    """

    def __init__(self, *, delimiter: str = ",", encoding: str = "utf-8") -> None:
        self._delimiter = delimiter
        self._encoding = encoding
        self._encoder = codecs.getincrementalencoder(encoding)()
        self._needs_quotes = f'^$|["\\r\\n{re.escape(delimiter)}]'
        self._has_header = False

    def write(self, table: pa.Table) -> bytes:
        """Add the table's rows; the names of the first table become the header."""
        table = json_to_text(table)
        text = ""
        if not self._has_header:
            self._has_header = True
            names = [pa.array([name or None], pa.string()) for name in table.column_names]
            text = self._join(names)
        if table.num_rows:
            columns = zip(table.column_names, table.columns, strict=True)
            text += self._join([_to_strings(name, column) for name, column in columns])
        try:
            return self._encoder.encode(text)
        except UnicodeEncodeError as error:
            raise PredictionFailed(
                f"{error.object[error.start]!r} cannot be written as {self._encoding} "
                "(WORKER_ENCODING)"
            ) from error

    def finish(self) -> bytes:
        """Return the end of the text, which only encodings with shift sequences have."""
        return self._encoder.encode("", final=True)

    def _join(self, columns: list[pa.Array | pa.ChunkedArray]) -> str:
        # Readers skip a blank line, so a row of one null is written as a pair of quotes.
        null = "" if len(columns) > 1 else '""'
        cells = [pc.fill_null(self._quote(column), null) for column in columns]
        rows = pc.binary_join_element_wise(*cells, self._delimiter).to_pylist()
        return "\n".join(rows) + "\n"

    def _quote(self, column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
        needs_quotes = pc.match_substring_regex(column, self._needs_quotes)
        if not pc.any(needs_quotes).as_py():
            return column
        doubled = pc.replace_substring(column, '"', '""')
        return pc.if_else(needs_quotes, pc.binary_join_element_wise('"', doubled, '"', ""), column)


class RejectedRowsWriter:
    """Writes rejected rows to the CSV that is stored beside an output."""

    def __init__(self) -> None:
        self._writer = CsvWriter()

    def write(self, rows: Sequence[RejectedRow]) -> bytes:
        """Add some rows, and return their bytes."""
        columns = zip(*map(astuple, rows), strict=True)
        return self._writer.write(pa.table([list(column) for column in columns], _REJECTED))


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
