"""CSV in: every cell as the text it is, every row that is not well-formed set aside."""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from worker.errors import Unparsable
from worker.formats.csv_sink import CsvSink
from worker.formats.dialect import read_header, row_pattern, to_utf8
from worker.formats.tables import Reject, rebatch
from worker.scored import Format

_BLOCK_BYTES = 16 * 2**20
_END = "\0end"


class CsvSource:
    """A CSV with a header."""

    format: ClassVar[Format] = "csv"
    place: ClassVar[str] = "line"
    typed: ClassVar[bool] = False

    def __init__(self, body: bytes, *, delimiter: str | None, encoding: str) -> None:
        self._text = to_utf8(body, encoding)
        self._encoding = encoding
        header = read_header(self._text, delimiter)
        self.names = header.names
        self.delimiter = header.delimiter
        self._start = header.end
        self._malformed: dict[int, str] = {}

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
        """Tables of `rows` rows, every cell a string."""
        schema = pa.schema([(name, pa.string()) for name in columns])
        closed = _Closed(self.delimiter * len(self.names) + _END)
        while closed.row.encode() in self._text:
            closed.row += _END
        data = pa.py_buffer(self._text).slice(self._start)
        if quoted := b'"' in self._text:
            data = pa.py_buffer(b"".join((data, b"\n", closed.row.encode(), b"\n")))
        if not data.size:
            yield schema.empty_table()
            return
        try:
            with self._open(data, columns, closed, quoted=quoted) as reader:
                yield from rebatch(reader, schema, rows)
        except pa.ArrowInvalid as error:
            if "straddling" not in str(error):
                raise Unparsable(f"the CSV cannot be read: {error}") from error
            mib = _BLOCK_BYTES // 2**20
            raise Unparsable(
                f"a row is longer than {mib} MiB, or a quote is never closed"
            ) from error
        if quoted and not closed.seen:
            raise Unparsable("a quote is never closed: it swallows the rows after it")

    def _open(
        self, data: pa.Buffer, columns: Sequence[str], closed: "_Closed", *, quoted: bool
    ) -> arrow_csv.CSVStreamingReader:
        def set_aside(row: arrow_csv.InvalidRow) -> str:
            if row.text == closed.row:
                closed.seen = True
            else:
                self._malformed[row.number - 1] = (
                    f"{row.actual_columns} cells where the header has {row.expected_columns}"
                )
            return "skip"

        return arrow_csv.open_csv(
            pa.BufferReader(data),
            # One thread: Arrow numbers rows only then, and the pool has its share of the cores.
            arrow_csv.ReadOptions(
                use_threads=False,
                column_names=list(self.names),
                block_size=min(data.size + 1, _BLOCK_BYTES),
            ),
            arrow_csv.ParseOptions(
                delimiter=self.delimiter,
                newlines_in_values=quoted,
                invalid_row_handler=set_aside,
            ),
            arrow_csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(self.names, pa.string()),
                include_columns=list(columns),
                null_values=[],
            ),
        )

    def malformed(self) -> int:
        """How many rows read so far have not as many cells as the header."""
        return len(self._malformed)

    def rejects(self, bad: Mapping[int, str]) -> Iterator[Reject]:
        """Every row set aside, with its line in the file; the text is walked for them only now."""
        aside = np.array(sorted(self._malformed), dtype=np.int64)
        good = np.array(sorted(bad), dtype=np.int64)
        # The n-th well-formed row stands as many rows later as were set aside before it.
        numbers = good + np.searchsorted(aside - np.arange(len(aside)), good, side="right")
        reasons = self._malformed | {
            int(number): bad[int(row)] for number, row in zip(numbers, good, strict=True)
        }
        pattern = row_pattern(self.delimiter)
        line, counted = 1, 0
        number, position = 0, self._start
        while reasons and position < len(self._text):
            row = pattern.match(self._text, position)
            assert row is not None
            if row["row"]:
                if (reason := reasons.pop(number, None)) is not None:
                    line += _line_ends(self._text, counted, position)
                    counted = position
                    yield Reject(line, reason, row["row"].decode())
                number += 1
            position = row.end()

    def sink(self) -> CsvSink:
        """A writer with the same delimiter and encoding."""
        return CsvSink(delimiter=self.delimiter, encoding=self._encoding)


class _Closed:
    """A malformed row put after the last: Arrow lets an unclosed quote swallow it in silence."""

    def __init__(self, row: str) -> None:
        self.row = row
        self.seen = False


def _line_ends(text: bytes, start: int, end: int) -> int:
    lone, both = text.count(b"\r", start, end), text.count(b"\r\n", start, end)
    return text.count(b"\n", start, end) + lone - both
