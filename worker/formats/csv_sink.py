"""CSV out: text verbatim, minimal quoting, floats as short as they read back the same."""

import re
from collections.abc import Iterable
from dataclasses import astuple

import pyarrow as pa
import pyarrow.compute as pc

from worker.errors import PredictionFailed, SchemaMismatch
from worker.formats.json_cells import plain_text
from worker.formats.shortest import shortest
from worker.formats.tables import Reject


class CsvSink:
    """Tables to one CSV with a header and LF line ends."""

    def __init__(self, *, delimiter: str = ",", encoding: str = "utf-8") -> None:
        self._delimiter = delimiter
        self._encoding = encoding
        self._special = f'["\\r\\n{re.escape(delimiter)}]'
        self._parts: list[str] = []

    def write(self, table: pa.Table) -> None:
        """Add the table's rows; the first table's names become the header."""
        table = plain_text(table)
        if not self._parts:
            names = [self._quoted(pa.chunked_array([[name]])) for name in table.column_names]
            self._add(names)
        if table.num_rows:
            self._add(
                [
                    self._quoted(_text(name, column))
                    for name, column in zip(table.column_names, table.columns, strict=True)
                ]
            )

    def finish(self) -> bytes:
        """The whole file."""
        try:
            return "".join(self._parts).encode(self._encoding)
        except UnicodeEncodeError as error:
            raise PredictionFailed(
                f"{error.object[error.start]!r} cannot be written as {self._encoding} "
                "(WORKER_ENCODING)"
            ) from error

    def _add(self, columns: list[pa.ChunkedArray]) -> None:
        rows = pc.binary_join_element_wise(*columns, self._delimiter).to_pylist()
        self._parts.append("\n".join(rows) + "\n")

    def _quoted(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        special = pc.match_substring_regex(column, self._special)
        if not pc.any(special).as_py():
            return column
        doubled = pc.replace_substring(column, '"', '""')
        return pc.if_else(special, pc.binary_join_element_wise('"', doubled, '"', ""), column)


def rejects_csv(rejects: Iterable[Reject]) -> bytes:
    """Rejected rows as the CSV that stands beside an output: line, reason, row."""
    rows = [astuple(reject) for reject in rejects]
    lines, reasons, raw = zip(*rows, strict=True)
    sink = CsvSink()
    sink.write(pa.table({"line": list(lines), "reason": list(reasons), "row": list(raw)}))
    return sink.finish()


def _text(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column as strings, a null as nothing."""
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
    return pc.fill_null(text, "")
