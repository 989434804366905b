"""What the event loop's process and a pool process exchange. Imports nothing heavy.

A pool process reads an `InputReader` and writes to an `OutputSink`. The async protocols are the
parent's side of each.

The data classes have no slots: pickle copies the fields of a frozen class with slots by Python code
of `dataclasses`, one after the other, and takes twice as long.
"""

from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from worker.columns import ColumnType
from worker.distributions import Distributions
from worker.errors import TidegateError
from worker.footers.thrift import MovableStruct

Format = Literal["csv", "jsonl", "parquet"]
Compression = Literal["gzip", "zstd"]  # of a whole file
MODEL_SUFFIXES = (".pkl", ".pickle", ".joblib", ".skops", ".onnx")
PredictMethod = Literal["auto", "predict", "predict_proba", "decision_function"]
MAX_SHOWN_ROWS = 10  # so many rejected rows are named in the error of a file that fails
# A compressed file is read from its beginning by ranges of so many bytes, if it goes in parts.
PACKED_BYTES = 2 << 20


@dataclass(frozen=True)
class ScoreOptions:
    """How a file is read and what its output looks like."""

    delimiter: str | None = None  # None: detected
    encoding: str = "utf-8"
    quote: str | None = '"'  # None: no character quotes
    escape: str | None = None  # before a quote inside quotes; None: the quote is doubled
    has_header: bool = True  # False: columns by position, named 0, 1, 2 ...
    dtypes: tuple[tuple[str, ColumnType], ...] = ()  # types of columns by name, before the model's
    keep_columns: tuple[str, ...] | None = None  # None: the first; ("*",): all
    output_format: Format | None = None  # None: format and compression of the input
    max_rejected: float = 0.0  # a fraction of the rows
    memory_bytes: int = 512 << 20  # the most that any part of a file may need at once
    reserved_bytes: int = 32 << 20  # what the job has reserved of it: the runner sets this
    content_encoding: str | None = None  # of the input object: the runner sets this
    found_types: str | None = None  # of an attempt that ended with NeedsTypes: the runner sets this
    summarize: bool = False  # whether the result has a summary of the predictions


@dataclass(frozen=True)
class OutputForm:
    """The kind of an output, known before its first byte is written."""

    content_type: str
    converted_to: Format | None  # None: the format of the input
    content_encoding: str | None = None  # named by the input too; None: the output has none


@dataclass(frozen=True)
class ScoreResult:
    """How many rows of a file were predicted, and how many were rejected."""

    rows: int
    rejected: int
    parts: "PartCounts | None" = None  # None: the file was not cut into parts
    predictions: Distributions | None = None  # None: not asked for


@dataclass(frozen=True)
class PartCounts:
    """How a large file was predicted."""

    parts: int
    repeated_parts: int
    """The parts that were predicted again, because a process had guessed wrong where they begin."""
    processes: int
    """The most processes that were at work on the file at the same time."""


@dataclass(frozen=True)
class Position:
    """Where a row begins: its offset in the file, and its line (in Parquet row group and row)."""

    offset: int
    line: int


@dataclass(frozen=True)
class FilePlan:
    """How to predict a large file part by part; it has what is decided once for all parts.

    A part has the rows that begin at or behind its start and before the next part's start. Where
    they begin depends on the file alone, so a file's output does not depend on who predicts which
    part, or when. Offsets in a compressed file are those in its text.
    """

    form: OutputForm
    begin: Position
    """Where the first row begins: it is in the first part."""
    starts: Sequence[int]
    """The offset at which each part starts; of a compressed file only that of the first one."""
    end: int | None
    """The offset behind the last row; None: the file is compressed, so nobody knows it yet."""
    position_unit: str
    """What `Position.line` counts: `line` or `row`."""
    state: bytes
    """What a process needs to know of the file: only pool processes understand it."""
    output_compression: Compression | None = None
    cut_bytes: int = 0
    """How long the parts of a compressed file are, about."""

    @property
    def is_packed(self) -> bool:
        """Whether the file is compressed: its parts are cut one after the other, when unpacked."""
        return self.end is None

    @property
    def has_byte_offsets(self) -> bool:
        """Whether offsets are bytes of the file. In Parquet they are numbers of row groups."""
        return self.position_unit == "line" and not self.is_packed


@dataclass(frozen=True)
class Part:
    """A part to predict. If `begin` is None, the process guesses where the first row begins."""

    number: int
    begin: Position | None
    """If the file is compressed this is the place for certain, but its line may be 0: unknown."""
    has_predicted: bool = False
    """Whether the model has predicted rows of earlier parts: rows that it raises on are bad.

    A part whose begin is a guess is predicted as if it had.
    """

    @property
    def is_guess(self) -> bool:
        """Whether the place or the line where it begins is not known for certain."""
        return self.begin is None or not self.begin.line


@dataclass(frozen=True)
class PartBegin:
    """The first thing that a process sends for a part: the offset at which it has begun."""

    offset: int


@dataclass(frozen=True)
class Checksum:
    """CRC-32 and length of what stands in gzip, before compression."""

    crc: int = 0
    size: int = 0


@dataclass(frozen=True)
class CutPart:
    """The end of the next part of a compressed file, whose text a process has written."""

    stop: int
    """Where the part ends in the text. If it ends where it starts, the text has ended."""


@dataclass(frozen=True)
class OutputHeader:
    """What stands before the rows of an output; a process sends it before the rows of each part."""

    data: bytes
    columns: str
    """The names and types of the model's columns, which must be the same in every part."""
    footer: bytes = b""
    """The footer of an output without rows, in Parquet: it has the names and types of all columns.

    It must be the same in every part.
    """
    checksum: Checksum = Checksum()


@dataclass(frozen=True)
class OutputPiece:
    """Bytes of the output, or of its rejected rows."""

    data: bytes
    rejects: bool


@dataclass(frozen=True)
class RowGroups:
    """What the footer of a Parquet output says of the row groups that a part has sent."""

    entries: Sequence[MovableStruct]
    """One for each row group; their offsets are those of an output that begins with this part."""
    size: int
    """The bytes of the row groups."""
    rows: int


@dataclass(frozen=True)
class RejectedLines:
    """Rejected rows of a part: the line, counted from the part's begin, and the other cells."""

    rows: Sequence[tuple[int, bytes]]


@dataclass(frozen=True)
class PartResult:
    """The end of a part, and the counts of its rows."""

    end: int
    """The offset of the first row of the next part."""
    lines: int
    """The lines from the part's begin to its end."""
    rows: int
    """The rows that were predicted."""
    read: int
    """All rows, the rejected ones among them."""
    rejected: int
    raising: int
    """The rejected rows that the model raises on."""
    shown: Sequence[tuple[int, str]]
    """Line (counted from the part's begin) and reason of the first rejected rows."""
    empty: OutputHeader | TidegateError | None
    """If no row was predicted: the header that the model's answer to a table without rows gives."""
    predictions: Distributions | None = None
    """How the predictions are distributed; None: not asked for."""
    checksum: Checksum = Checksum()
    """Of the part's output."""


PartMessage = (
    PartBegin | OutputHeader | OutputPiece | RowGroups | RejectedLines | PartResult | TidegateError
)
"""What a process sends for a part; the last is a PartResult, or the error that it raised."""

Range = tuple[int, int]  # the first byte, and the one after the last


class InputReader(Protocol):
    """An input object in the pool process, which asks its parent for the bytes."""

    size: int
    """The bytes of the whole object."""
    first: bytes
    """The first bytes, which came with the job: the whole object if it is small."""

    def read(self, ranges: Sequence[Range]) -> Iterator[bytes]:
        """Yield the bytes of the ranges in order, in pieces of any length.

        The next read ends this one, if it has not ended yet.
        """
        ...

    def reserve(self, size: int) -> None:
        """Make sure that the job has reserved this many bytes; raises NeedsMemory if not."""
        ...


class OutputSink(Protocol):
    """Takes the predictions for one file in the pool process, and hands them to its parent."""

    def open(self, form: OutputForm) -> None:
        """Announce the kind of the output; once, before anything is written."""
        ...

    def write(self, data: bytes) -> None:
        """Append to the output."""
        ...

    def reject(self, data: bytes) -> None:
        """Append to the file of rejected rows, which is written beside the output."""
        ...


class PartSink(Protocol):
    """Takes what a pool process sends for one part, and hands it to its parent."""

    def send_part(self, message: PartMessage) -> None:
        """Send a message: a PartBegin first, then the output; the result is returned instead."""
        ...


class AsyncRangeReader(Protocol):
    """Reads an input object in the parent, which downloads it."""

    def read(self, ranges: Sequence[Range]) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of the ranges in order, in pieces of any length."""
        ...


class AsyncReadAhead(AsyncRangeReader, Protocol):
    """Reads an input object of which a range is downloaded ahead."""

    async def close(self) -> None:
        """Drop what was downloaded and not read, and end the downloads under way."""


class AsyncInputReader(AsyncRangeReader, Protocol):
    """An input object in the parent."""

    @property
    def size(self) -> int: ...  # noqa: D102 - as in InputReader
    @property
    def first(self) -> bytes: ...  # noqa: D102 - as in InputReader

    def read_ahead(self, start: int, stop: int) -> AsyncReadAhead:
        """Begin to download a range now, before anybody asks for its bytes."""
        ...


class AsyncOutputSink(Protocol):
    """Takes the predictions for one file in the parent, which uploads them."""

    async def open(self, form: OutputForm) -> None:
        """Start the output; called once, before the first write."""

    async def write(self, data: bytes) -> None:
        """Append to the output; waits while earlier data is still being uploaded."""

    async def reject(self, data: bytes) -> None:
        """Append to the file of rejected rows."""
