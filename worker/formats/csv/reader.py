"""Reads CSV: every cell as its text; malformed rows are left out of the tables."""

import codecs
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import ClassVar

import pyarrow as pa
from pyarrow import csv as arrow_csv

from worker.errors import Unparsable
from worker.formats.base import CellForm, RejectedRow, rebatch
from worker.formats.csv.blocks import Block, split_blocks
from worker.formats.csv.dialect import read_header
from worker.formats.csv.rejects import RejectedRows
from worker.formats.csv.writer import CsvWriter
from worker.formats.text import resize_pieces
from worker.interfaces import Format

BLOCK_BYTES = 2**20
_COLUMNS_PER_BLOCK = 256  # wider files get larger blocks: Arrow's time grows with columns x blocks


class CsvReader:
    """Reads a CSV with a header from its text in UTF-8.

    A cell is a string, or null if it is empty and not quoted. `hold` is called with the bytes of
    text in memory, and raises if they are too many. Without `may_reject` the file fails if it has
    a malformed row, so only the first few such rows are kept.
    """

    format: ClassVar[Format] = "csv"
    position_unit: ClassVar[str] = "line"
    cells: ClassVar[CellForm] = "text"

    def __init__(
        self,
        text: Iterator[bytes],
        *,
        delimiter: str | None,
        encoding: str,
        hold: Callable[[int], None],
        may_reject: bool,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        pieces = resize_pieces(text, block_bytes)
        header = read_header(pieces, delimiter)
        self.names = header.names
        self.delimiter = header.delimiter
        self._encoding = encoding
        rows: Iterator[bytes] = chain([header.rest], pieces)
        if extra := len(header.names) // _COLUMNS_PER_BLOCK:
            rows = resize_pieces(rows, block_bytes * (1 + extra))
        self._blocks = split_blocks(rows, header.delimiter, header.line)
        self._rejected = RejectedRows(may_reject=may_reject)
        self._hold = hold

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
        """Read the columns in tables of `rows` rows; every cell is a string."""
        schema = pa.schema([(name, pa.string()) for name in columns])
        for table in rebatch(self._read_blocks(columns), schema, rows):
            self._rejected.end_batch(table.num_rows)
            yield table

    def _read_blocks(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for block in self._blocks:
            malformed: dict[int, str] = {}
            table = self._parse(block, columns, malformed)
            self._rejected.add_block(block, table.num_rows, malformed)
            self._hold(self._rejected.text_bytes)
            yield from table.to_batches()

    def _parse(self, block: Block, columns: Sequence[str], malformed: dict[int, str]) -> pa.Table:
        """Parse a block; add the reason for each malformed row to `malformed`, by row number."""
        # Arrow drops a byte order mark at the beginning, but here it belongs to a cell. So put a
        # blank line before it, which Arrow drops instead.
        text = b"\n" + block.text if block.text.startswith(codecs.BOM_UTF8) else block.text
        try:
            return arrow_csv.read_csv(
                pa.BufferReader(text),
                # Arrow numbers rows only with one thread, and each process has one core anyway.
                arrow_csv.ReadOptions(
                    use_threads=False, column_names=list(self.names), block_size=len(text) + 1
                ),
                arrow_csv.ParseOptions(
                    delimiter=self.delimiter,
                    newlines_in_values=b'"' in text,
                    invalid_row_handler=partial(_skip_row, malformed),
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

    def malformed_count(self) -> int:
        """Count the rows without as many cells as the header, to the end of the latest batch."""
        return self._rejected.malformed_count

    def rejected_rows(self, bad: Mapping[int, str]) -> Iterator[RejectedRow]:
        """Return the malformed and the bad rows of the latest batch, with their lines."""
        return self._rejected.of_batch(bad)

    def writer(self) -> CsvWriter:
        """Return a writer with the same delimiter and encoding."""
        return CsvWriter(delimiter=self.delimiter, encoding=self._encoding)


def _skip_row(malformed: dict[int, str], row: arrow_csv.InvalidRow) -> str:
    """Let Arrow leave a malformed row out, and add the reason to `malformed`."""
    malformed[row.number - 1] = (
        f"{row.actual_columns} cells where the header has {row.expected_columns}"
    )
    return "skip"
