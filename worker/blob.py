"""What a pool process reads from and writes to: an object by its ranges, and an output in pieces."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from worker.scored import OutputForm

Range = tuple[int, int]  # from the first byte to before the last, as a slice


class Blob(Protocol):
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
        """Wait until so many bytes of the worker's budget are this job's, and not fewer."""
        ...


class Outlet(Protocol):
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
