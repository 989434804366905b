"""CSV in: every cell as the text it is, every row that is not well-formed set aside."""

import codecs
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import ClassVar

import pyarrow as pa
from pyarrow import csv as arrow_csv

from worker.errors import Unparsable
from worker.formats.base import Cells, Reject, rebatch
from worker.formats.csv.blocks import Block, blocks
from worker.formats.csv.dialect import read_header
from worker.formats.csv.rejects import Aside
from worker.formats.csv.writer import CsvSink
from worker.formats.memory import Room
from worker.formats.text import evenly
from worker.interfaces import Format

BLOCK_BYTES = 2**20
_COLUMNS = 256  # for which a block is long enough: Arrow takes its time for each in every block


class CsvSource:
    """A CSV with a header, from its text in UTF-8.

    Cells are strings, and null where there is nothing, not even quotes. Unless it `may_reject`
    rows, the file fails at the first that is malformed, and is read on only to count them.
    """

    format: ClassVar[Format] = "csv"
    place: ClassVar[str] = "line"
    cells: ClassVar[Cells] = "text"

    def __init__(
        self,
        text: Iterator[bytes],
        *,
        delimiter: str | None,
        encoding: str,
        room: Room,
        may_reject: bool,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        pieces = evenly(text, block_bytes)
        header = read_header(pieces, delimiter)
        self.names = header.names
        self.delimiter = header.delimiter
        self._encoding = encoding
        rows: Iterator[bytes] = chain([header.rest], pieces)
        if wide := len(header.names) // _COLUMNS:
            rows = evenly(rows, block_bytes * (1 + wide))
        self._blocks = blocks(rows, header.delimiter, header.line)
        self._aside = Aside(may_be=may_reject)
        self._room = room

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
        """Tables of `rows` rows, every cell a string."""
        schema = pa.schema([(name, pa.string()) for name in columns])
        for table in rebatch(self._read(columns), schema, rows):
            self._aside.yielded(table.num_rows)
            yield table

    def _read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for block in self._blocks:
            malformed: dict[int, str] = {}
            table = self._parsed(block, columns, malformed)
            self._aside.read(block, table.num_rows, malformed)
            self._room.hold(self._aside.text_bytes)
            yield from table.to_batches()

    def _parsed(self, block: Block, columns: Sequence[str], malformed: dict[int, str]) -> pa.Table:
        def set_aside(row: arrow_csv.InvalidRow) -> str:
            malformed[row.number - 1] = (
                f"{row.actual_columns} cells where the header has {row.expected_columns}"
            )
            return "skip"

        # At the beginning Arrow would drop it; a blank line is dropped instead.
        text = b"\n" + block.text if block.text.startswith(codecs.BOM_UTF8) else block.text
        try:
            return arrow_csv.read_csv(
                pa.BufferReader(text),
                # One thread: Arrow numbers rows only then, and the pool has its share of the cores.
                arrow_csv.ReadOptions(
                    use_threads=False, column_names=list(self.names), block_size=len(text) + 1
                ),
                arrow_csv.ParseOptions(
                    delimiter=self.delimiter,
                    newlines_in_values=b'"' in text,
                    invalid_row_handler=set_aside,
                ),
                arrow_csv.ConvertOptions(
                    check_utf8=False,
                    column_types=dict.fromkeys(self.names, pa.string()),
                    include_columns=list(columns),
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid as error:
            raise Unparsable(
                f"the CSV cannot be read from line {block.line} on: {error}"
            ) from error

    def malformed(self) -> int:
        """How many rows have not as many cells as the header, up to the batch last yielded."""
        return self._aside.malformed

    def rejects(self, bad: Mapping[int, str]) -> Iterator[Reject]:
        """Every row set aside, with its line in the file; the text is walked for them only now."""
        return self._aside.rejects(bad)

    def sink(self) -> CsvSink:
        """A writer with the same delimiter and encoding."""
        return CsvSink(delimiter=self.delimiter, encoding=self._encoding)
