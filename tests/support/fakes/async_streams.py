"""A pool's input and output in memory: what the parent downloads from and uploads to."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from worker.interfaces import AsyncInputReader, OutputForm, Range


@dataclass
class AsyncMemoryInput:
    """Implements worker.interfaces.AsyncInputReader; with `first_bytes` None, `first` is all."""

    content: bytes
    first_bytes: int | None = None
    piece: int = 1 << 20
    asked: list[Range] = field(default_factory=list)
    ahead: list[Range] = field(default_factory=list)
    open_downloads: int = 0

    @property
    def size(self) -> int:
        return len(self.content)

    @property
    def first(self) -> bytes:
        return self.content[: self.first_bytes]

    def read_ahead(self, start: int, stop: int) -> "AsyncMemoryReadAhead":
        self.ahead.append((start, stop))
        return AsyncMemoryReadAhead(self)

    async def read(self, ranges: Sequence[Range]) -> AsyncGenerator[bytes, None]:
        self.asked += ranges
        for start, stop in ranges:
            for at in range(start, stop, self.piece):
                yield self.content[at : min(stop, at + self.piece)]


@dataclass
class AsyncMemoryReadAhead:
    """Implements worker.interfaces.AsyncReadAhead."""

    input: AsyncMemoryInput
    is_open: bool = True

    def __post_init__(self) -> None:
        self.input.open_downloads += 1

    def read(self, ranges: Sequence[Range]) -> AsyncGenerator[bytes, None]:
        return self.input.read(ranges)

    async def close(self) -> None:
        assert self.is_open
        self.is_open = False
        self.input.open_downloads -= 1
        await asyncio.sleep(0)  # a real one waits for the downloads that it cancels


@dataclass
class AsyncMemoryOutput:
    """Implements worker.interfaces.AsyncOutputSink: keeps what is written."""

    form: OutputForm | None = None
    output: bytearray = field(default_factory=bytearray)
    rejects: bytearray = field(default_factory=bytearray)

    async def open(self, form: OutputForm) -> None:
        assert self.form is None
        self.form = form

    async def write(self, data: bytes) -> None:
        assert self.form is not None
        self.output += data

    async def reject(self, data: bytes) -> None:
        self.rejects += data


async def read_all(reader: AsyncInputReader) -> bytes:
    """Read the whole of an input."""
    content = bytearray(reader.first)
    async for piece in reader.read([(len(reader.first), reader.size)]):
        content += piece
    return bytes(content)
