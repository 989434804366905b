"""Large tables of one shape, made as they are sent: an id and twenty floats a row."""

import io
from collections.abc import Iterator
from functools import cache

import numpy as np
import pandas as pd

COLUMNS = 20
BLOCK_ROWS = 10_000


@cache
def block() -> tuple[bytes, bytes]:
    """The header, and the rows that a large table repeats."""
    values = np.random.default_rng(1).normal(size=(BLOCK_ROWS, COLUMNS))
    frame = pd.DataFrame(values, columns=[f"x{number}" for number in range(COLUMNS)])
    frame.insert(0, "id", [f"{number:08}" for number in range(BLOCK_ROWS)])
    header, rows = frame.to_csv(index=False).encode().split(b"\n", 1)
    return header + b"\n", rows


class CsvFile(io.RawIOBase):
    """A CSV of at least so many bytes, read without ever being whole."""

    def __init__(self, size: int) -> None:
        header, rows = block()
        self.blocks = max(1, round(size / len(rows)))
        self.size = len(header) + self.blocks * len(rows)
        self._pieces = self._made()
        self._rest = memoryview(b"")

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return self.blocks * BLOCK_ROWS

    def readable(self) -> bool:
        """It is for reading only."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # any writable buffer
        """Fill the buffer, or a part of it."""
        if not self._rest:
            self._rest = memoryview(next(self._pieces, b""))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def _made(self) -> Iterator[bytes]:
        header, rows = block()
        yield header
        for _ in range(self.blocks):
            yield rows
