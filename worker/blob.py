"""What a pool process reads from and writes to: an object by its ranges, and an output in pieces.

`Blob` and `Outlet` are how the pool process has them, `AsyncBlob` and `AsyncOutlet` its parent.
"""

from collections.abc import AsyncGenerator, Iterator, Sequence
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
        """See to it that so many bytes of the worker's budget are this job's, and not fewer."""
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


class AsyncBlob(Protocol):
    """An input object, in the process that fetches it."""

    @property
    def size(self) -> int: ...  # noqa: D102 - as above
    @property
    def first(self) -> bytes: ...  # noqa: D102 - as above

    def read(self, ranges: Sequence[Range]) -> AsyncGenerator[bytes, None]:
        """The bytes of the ranges, in order, in pieces of any length; fetched ahead."""
        ...


class AsyncOutlet(Protocol):
    """Where predictions go, in the process that sends them there."""

    async def open(self, form: OutputForm) -> None:
        """Learn what the output will be."""

    async def write(self, data: bytes) -> None:
        """Add to the output; whoever writes faster than can be sent waits here."""

    async def reject(self, data: bytes) -> None:
        """Add to the file of rejected rows."""
