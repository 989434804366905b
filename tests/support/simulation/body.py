"""The body of a simulated GetObject response."""

import re
from typing import Self

from tests.support.simulation.errors import refused


class SimulatedBody:
    """A body as aiobotocore streams it."""

    def __init__(self, content: bytes) -> None:
        self._rest = memoryview(content)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def read(self, n: int | None = -1) -> bytes:
        """Read at most `n` bytes, or the rest."""
        size = len(self._rest) if n is None or n < 0 else n
        chunk, self._rest = self._rest[:size], self._rest[size:]
        return bytes(chunk)

    def close(self) -> None:
        """Discard the rest."""
        self._rest = self._rest[:0]


def span(asked: str | None, size: int) -> tuple[int, int] | None:
    """Return start and stop of a Range header; None if it asks for the whole object."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", asked or "")
    if match is None or match.group() == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
    if start >= stop:
        raise refused("GetObject", "InvalidRange", "The range is not satisfiable.", 416)
    return start, stop
