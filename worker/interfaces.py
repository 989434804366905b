"""What the event loop's process and a pool process exchange. Imports nothing heavy.

A pool process reads an `InputReader` and writes to an `OutputSink`; their async counterparts are
the parent's side of the same.
"""

from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Format = Literal["csv", "jsonl", "parquet"]
PredictMethod = Literal["auto", "predict", "predict_proba", "decision_function"]


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """How a file is read and what its output looks like."""

    delimiter: str | None = None  # None: sniffed
    encoding: str = "utf-8"
    keep_columns: tuple[str, ...] | None = None  # None: the first; ("*",): all
    output_format: Format | None = None  # None: format and compression of the input
    max_rejected: float = 0.0  # a fraction of the rows
    memory_bytes: int = 512 << 20  # more than this no part of a file may need at once
    reserved_bytes: int = 32 << 20  # how much of it this file may use


@dataclass(frozen=True, slots=True)
class OutputForm:
    """What an output is, known before its first byte."""

    content_type: str
    converted_to: Format | None  # set when the output has another format than the input


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """How many of a file's rows were predicted, and how many set aside."""

    rows: int
    rejected: int


Range = tuple[int, int]  # from the first byte to before the last, as a slice


class InputReader(Protocol):
    """An input object, whose bytes are fetched as they are asked for."""

    size: int
    """Of the whole object, in bytes."""
    first: bytes
    """Its beginning, which came with the job; all of it when it is small."""

    def read(self, ranges: Sequence[Range]) -> Iterator[bytes]:
        """The bytes of the ranges, in order, in pieces of any length; fetched ahead.

        A read is read to its end before the next one begins.
        """
        ...

    def reserve(self, size: int) -> None:
        """See to it that so many bytes of the worker's budget are this job's, and not fewer."""
        ...


class OutputSink(Protocol):
    """Where a file's predictions go, while they are made."""

    def open(self, form: OutputForm) -> None:
        """Say what the output will be; once, before anything is written."""
        ...

    def write(self, data: bytes) -> None:
        """Add to the output."""
        ...

    def reject(self, data: bytes) -> None:
        """Add to the file of rejected rows, which stands beside the output."""
        ...


class AsyncInputReader(Protocol):
    """An input object, in the process that fetches it."""

    @property
    def size(self) -> int: ...  # noqa: D102 - as above
    @property
    def first(self) -> bytes: ...  # noqa: D102 - as above

    def read(self, ranges: Sequence[Range]) -> AsyncGenerator[bytes, None]:
        """The bytes of the ranges, in order, in pieces of any length; fetched ahead."""
        ...


class AsyncOutputSink(Protocol):
    """Where predictions go, in the process that sends them there."""

    async def open(self, form: OutputForm) -> None:
        """Learn what the output will be."""

    async def write(self, data: bytes) -> None:
        """Add to the output; whoever writes faster than can be sent waits here."""

    async def reject(self, data: bytes) -> None:
        """Add to the file of rejected rows."""
