"""What the event loop's process and a pool process exchange. Imports nothing heavy.

A pool process reads an `InputReader` and writes to an `OutputSink`. The async protocols are the
parent's side of each.
"""

from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from worker.columns import ColumnType

Format = Literal["csv", "jsonl", "parquet"]
MODEL_SUFFIXES = (".pkl", ".pickle", ".joblib", ".skops", ".onnx")
PredictMethod = Literal["auto", "predict", "predict_proba", "decision_function"]


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class OutputForm:
    """The kind of an output, known before its first byte is written."""

    content_type: str
    converted_to: Format | None  # None: the format of the input
    content_encoding: str | None = None  # named by the input too; None: the output has none


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """How many rows of a file were predicted, and how many were rejected."""

    rows: int
    rejected: int


Range = tuple[int, int]  # the first byte, and the one after the last


class InputReader(Protocol):
    """An input object in the pool process, which asks its parent for the bytes."""

    size: int
    """The bytes of the whole object."""
    first: bytes
    """The first bytes, which came with the job: the whole object if it is small."""

    def read(self, ranges: Sequence[Range]) -> Iterator[bytes]:
        """Yield the bytes of the ranges in order, in pieces of any length.

        One read must be read to its end before the next one begins.
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


class AsyncInputReader(Protocol):
    """An input object in the parent, which downloads it."""

    @property
    def size(self) -> int: ...  # noqa: D102 - as in InputReader
    @property
    def first(self) -> bytes: ...  # noqa: D102 - as in InputReader

    def read(self, ranges: Sequence[Range]) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of the ranges in order, in pieces of any length."""
        ...


class AsyncOutputSink(Protocol):
    """Takes the predictions for one file in the parent, which uploads them."""

    async def open(self, form: OutputForm) -> None:
        """Start the output; called once, before the first write."""

    async def write(self, data: bytes) -> None:
        """Append to the output; waits while earlier data is still being uploaded."""

    async def reject(self, data: bytes) -> None:
        """Append to the file of rejected rows."""
