"""CSV out: text verbatim, minimal quoting, floats in as few digits as read back."""

import codecs
import re
from collections.abc import Sequence
from dataclasses import astuple

import pyarrow as pa
import pyarrow.compute as pc

from worker.errors import PredictionFailed, SchemaMismatch
from worker.formats.base import Reject
from worker.formats.float_text import shortest
from worker.formats.json_lines.cells import plain_text

_REJECTS = pa.schema([("line", pa.int64()), ("reason", pa.string()), ("row", pa.string())])


class CsvSink:
    """Tables to one CSV with a header and LF line ends; nulls are nothing, empty text is quoted."""

    def __init__(self, *, delimiter: str = ",", encoding: str = "utf-8") -> None:
        self._delimiter = delimiter
        self._encoding = encoding
        self._encoder = codecs.getincrementalencoder(encoding)()
        self._special = f'^$|["\\r\\n{re.escape(delimiter)}]'
        self._has_header = False

    def write(self, table: pa.Table) -> bytes:
        """Add the table's rows; the first table's names become the header."""
        table = plain_text(table)
        text = ""
        if not self._has_header:
            self._has_header = True
            names = [pa.array([name or None], pa.string()) for name in table.column_names]
            text = self._rows(names)
        if table.num_rows:
            columns = zip(table.column_names, table.columns, strict=True)
            text += self._rows([_text(name, column) for name, column in columns])
        try:
            return self._encoder.encode(text)
        except UnicodeEncodeError as error:
            raise PredictionFailed(
                f"{error.object[error.start]!r} cannot be written as {self._encoding} "
                "(WORKER_ENCODING)"
            ) from error

    def finish(self) -> bytes:
        """The rest, which only an encoding with shifts has."""
        return self._encoder.encode("", final=True)

    def _rows(self, columns: list[pa.Array | pa.ChunkedArray]) -> str:
        # A line with nothing on it would be no row to any reader.
        nothing = "" if len(columns) > 1 else '""'
        cells = [pc.fill_null(self._quoted(column), nothing) for column in columns]
        rows = pc.binary_join_element_wise(*cells, self._delimiter).to_pylist()
        return "\n".join(rows) + "\n"

    def _quoted(self, column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
        special = pc.match_substring_regex(column, self._special)
        if not pc.any(special).as_py():
            return column
        doubled = pc.replace_substring(column, '"', '""')
        return pc.if_else(special, pc.binary_join_element_wise('"', doubled, '"', ""), column)


class RejectsSink:
    """Rejected rows to the CSV that stands beside an output: line, reason, row."""

    def __init__(self) -> None:
        self._sink = CsvSink()

    def write(self, rejects: Sequence[Reject]) -> bytes:
        """Add some of them."""
        columns = zip(*map(astuple, rejects), strict=True)
        return self._sink.write(pa.table([list(column) for column in columns], _REJECTS))


def _text(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column as strings; a null remains one."""
    if pa.types.is_string(column.type):
        text = column
    elif pa.types.is_floating(column.type):
        text = shortest(column)
    else:
        try:
            text = pc.cast(column, pa.string())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise SchemaMismatch(
                f"the column {name!r} is of type {column.type}, which CSV cannot hold: "
                "leave it out of WORKER_KEEP_COLUMNS"
            ) from error
    return text
