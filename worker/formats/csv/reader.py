"""Reads CSV: every cell as its text; malformed rows are left out of the tables."""

import codecs
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import ClassVar, Self

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from worker.errors import Unparsable
from worker.formats.base import CellForm, RejectedRow, rebatch
from worker.formats.csv.blocks import Block, BlockSplitter
from worker.formats.csv.dialect import Dialect, with_doubled_quotes
from worker.formats.csv.header import Header, read_header, rows_of, shown_line
from worker.formats.csv.odd_rows import OddRows
from worker.formats.csv.rejects import RejectedRows
from worker.formats.csv.writer import CsvWriter
from worker.formats.text import cut_pieces, resize_pieces
from worker.interfaces import Format, Position
from worker.quoting import message_of

BLOCK_BYTES = 2**20
_COLUMNS_PER_BLOCK = 256  # wider files get larger blocks: Arrow's time grows with columns x blocks
_SEARCHED_BYTES = 2**16  # where the line of column names is looked for, if the first line is none


class CsvReader:
    """Reads the rows of a CSV from text in UTF-8, which begins at a row.

    A cell is a string, or null if it is empty and not quoted. `begin` is where the text begins in
    the file. With `stop` only the rows are read that begin before that offset. `hold` is called
    with the bytes of text in memory, and raises if they are too many. Without `may_reject` the file
    fails if it has a malformed row, so only the first few such rows are kept.
    """

    format: ClassVar[Format] = "csv"
    position_unit: ClassVar[str] = "line"
    cells: ClassVar[CellForm] = "text"
    index_names: Collection[str] = ()

    def __init__(
        self,
        header: Header,
        text: Iterator[bytes],
        begin: Position,
        *,
        stop: int | None = None,
        encoding: str,
        hold: Callable[[int], None],
        may_reject: bool,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        self.header = header
        self.begin = begin
        self.names = header.names
        self.has_names = header.text is not None
        self.delimiter = header.dialect.delimiter
        self.first_line = None if header.text is None else shown_line(header.names)
        """The first line as errors show it; None if it is a row."""
        self._encoding = encoding
        limit = None if stop is None else max(0, stop - begin.offset)
        self._splitter = BlockSplitter(header.dialect, begin.line, limit=limit)
        # Behind the stop only the end of one row is needed, and no whole block is waited for.
        block_bytes *= 1 + header.width // _COLUMNS_PER_BLOCK
        behind: Iterator[bytes] = iter(())
        if limit is not None:
            text, behind = cut_pieces(text, limit)
        self._blocks = self._splitter.split(chain(resize_pieces(text, block_bytes), behind))
        self._odd_rows = OddRows(header.dialect, header.width, header.text)
        self._rejected = RejectedRows(
            may_reject=may_reject, odd_reason=partial(self._odd_rows.reason, names=self.names)
        )
        self._hold = hold
        # Names may stand twice, so Arrow gets the columns by number.
        self._numbers = [str(number) for number in range(header.width)]
        self._nameless = self._numbers[len(header.names) :]

    @classmethod
    def open(
        cls,
        text: Iterator[bytes],
        *,
        delimiter: str | None,
        encoding: str,
        hold: Callable[[int], None],
        may_reject: bool,
        quote: str | None = '"',
        escape: str | None = None,
        has_header: bool = True,
        block_bytes: int = BLOCK_BYTES,
    ) -> Self:
        """Read the header of a file's text, and return a reader of its rows."""
        pieces = resize_pieces(text, block_bytes)
        header = read_header(pieces, Dialect(delimiter or "", quote, escape), has_header=has_header)
        return cls(
            replace(header, rest=header.rest[:_SEARCHED_BYTES]),
            chain([header.rest], pieces),
            Position(header.offset, header.line),
            encoding=encoding,
            hold=hold,
            may_reject=may_reject,
            block_bytes=block_bytes,
        )

    @property
    def end(self) -> Position:
        """Where the rows that were read so far end."""
        return Position(self.begin.offset + self._splitter.offset, self._splitter.line)

    def null_count(self, _: str, /) -> int | None:
        """Return None: only reading the file tells."""
        return None

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
        """Read the columns in tables of `rows` rows; every cell is a string."""
        schema = pa.schema([(name, pa.string()) for name in columns])
        for table in rebatch(self._read_blocks(columns), schema, rows):
            self._rejected.end_batch(table.num_rows)
            yield table

    def find_row(self, fits: Callable[[list[str]], bool]) -> int | None:
        """Return the line of the first row near the beginning whose cells fit; None: no row."""
        rows = rows_of(self.header.rest, self.header.line, self.header.dialect)
        return next((number for number, cells in rows if fits(cells)), None)

    def _read_blocks(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        places = dict(zip(self.names, self._numbers, strict=False))
        read = [*(places[name] for name in columns), *self._nameless]
        convert = arrow_csv.ConvertOptions(
            check_utf8=False,
            column_types=dict.fromkeys(read, pa.string()),
            include_columns=read,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
        for block in self._blocks:
            malformed: dict[int, str] = {}
            table = self._parse_block(block, convert, malformed)
            if self._nameless:
                table = self._without_nameless_cells(table, malformed)
            self._rejected.add_block(block, table.num_rows, malformed)
            self._hold(self._rejected.text_bytes)
            yield from table.rename_columns(list(columns)).to_batches()

    def _parse_block(
        self, block: Block, convert: arrow_csv.ConvertOptions, malformed: dict[int, str]
    ) -> pa.Table:
        """Parse a block; add the reason for each malformed row to `malformed`, by row number."""
        text = self._odd_rows.set_aside(block)
        table = self._parse(text, block.line, convert, malformed)
        # Parsing tells at no cost whether a row of delimiters alone is possible.
        if all(table.column(place).null_count for place in range(table.num_columns)):
            with_blank = self._odd_rows.set_aside(block, may_be_blank=True)
            if with_blank != text:
                malformed.clear()
                table = self._parse(with_blank, block.line, convert, malformed)
        return table

    def _parse(
        self,
        text: bytes,
        line: int,
        convert: arrow_csv.ConvertOptions,
        malformed: dict[int, str],
    ) -> pa.Table:
        text = with_doubled_quotes(text, self.header.dialect)
        # Arrow drops a byte order mark at the beginning, but here it belongs to a cell. So put a
        # blank line before it, which Arrow drops instead.
        text = b"\n" + text if text.startswith(codecs.BOM_UTF8) else text
        quote = self.header.dialect.quote
        try:
            return arrow_csv.read_csv(
                pa.BufferReader(text),
                # Arrow numbers rows only with one thread, and each process has one core anyway.
                arrow_csv.ReadOptions(
                    use_threads=False, column_names=self._numbers, block_size=len(text) + 1
                ),
                arrow_csv.ParseOptions(
                    delimiter=self.delimiter,
                    quote_char=quote or False,
                    newlines_in_values=quote is not None and quote.encode() in text,
                    invalid_row_handler=partial(
                        _skip_row, malformed, "header" if self.has_names else "first row"
                    ),
                ),
                convert,
            )
        except pa.ArrowInvalid as error:
            raise Unparsable(
                f"the CSV cannot be read from line {line} on: {message_of(error)}"
            ) from error

    def _without_nameless_cells(self, table: pa.Table, malformed: dict[int, str]) -> pa.Table:
        """Drop the columns without a name; a row with a cell in them is malformed."""
        named = table.drop_columns(self._nameless)
        is_empty = [pc.equal(pc.fill_null(table[name], ""), "") for name in self._nameless]
        fits = is_empty[0]
        for column in is_empty[1:]:
            fits = pc.and_(fits, column)
        if pc.all(fits).as_py():
            return named
        numbers = range(table.num_rows + len(malformed))
        well_formed = [number for number in numbers if number not in malformed]
        for number, row_fits in zip(well_formed, fits.to_pylist(), strict=True):
            if not row_fits:
                malformed[number] = "a cell stands behind the last column that has a name"
        return named.filter(fits)

    def malformed_count(self) -> int:
        """Count the rows without as many cells as the header, to the end of the latest batch."""
        return self._rejected.malformed_count

    def rejected_rows(self, bad: Mapping[int, str]) -> Iterator[RejectedRow]:
        """Return the malformed and the bad rows of the latest batch, with their lines."""
        return self._rejected.of_batch(bad)

    def writer(self) -> CsvWriter:
        """Return a writer with the same dialect and encoding."""
        return CsvWriter(
            delimiter=self.delimiter,
            encoding=self._encoding,
            quote=self.header.dialect.quote,
            escape=self.header.dialect.escape,
            has_header=self.has_names,
        )


def _skip_row(malformed: dict[int, str], model: str, row: arrow_csv.InvalidRow) -> str:
    """Let Arrow leave a malformed row out, and add the reason to `malformed`."""
    malformed[row.number - 1] = (
        f"{row.actual_columns} cells where the {model} has {row.expected_columns}"
    )
    return "skip"
