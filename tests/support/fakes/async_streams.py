"""What the pool is given, and gives: a file in memory, and what was made of it."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from worker.interfaces import AsyncInputReader, OutputForm, Range


@dataclass
class BytesBlob:
    """Implements worker.interfaces.AsyncBlob; so many bytes of it come first, all unless told."""

    content: bytes
    begins_with: int | None = None
    piece: int = 1 << 20
    asked: list[Range] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.content)

    @property
    def first(self) -> bytes:
        return self.content[: self.begins_with]

    async def read(self, ranges: Sequence[Range]) -> AsyncGenerator[bytes, None]:
        self.asked += ranges
        for start, stop in ranges:
            for at in range(start, stop, self.piece):
                yield self.content[at : min(stop, at + self.piece)]


@dataclass
class Collected:
    """Implements worker.interfaces.AsyncOutlet."""

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


async def whole(reader: AsyncInputReader) -> bytes:
    """Read all of an input."""
    content = bytearray(reader.first)
    async for piece in reader.read([(len(reader.first), reader.size)]):
        content += piece
    return bytes(content)
