"""Zstandard as a stream, by Arrow's codec."""

import io
from collections.abc import Iterator

import pyarrow as pa

from worker.errors import Unparsable


def unzstd(steps: Iterator[bytes], size: int) -> Iterator[bytes]:
    """What all frames hold, in pieces of a size; raises Unparsable naming the step that is bad."""
    compressed = _Steps(steps)
    with pa.CompressedInputStream(pa.PythonFile(compressed, mode="r"), "zstd") as stream:
        while True:
            try:
                plain = stream.read(size)
            except OSError as error:
                if compressed.failing:
                    raise
                raise Unparsable(
                    f"the zstd data is corrupt or truncated near byte {compressed.offset}: {error}"
                ) from error
            if not plain:
                return
            yield plain


class Zstd:
    """One frame, as it grows."""

    def __init__(self) -> None:
        self._ready = _Ready()
        self._stream = pa.CompressedOutputStream(pa.PythonFile(self._ready, mode="w"), "zstd")

    def compress(self, data: bytes, /) -> bytes:
        """Add to what is compressed, and hand over what is ready."""
        self._stream.write(data)
        return self._ready.take()

    def flush(self) -> bytes:
        """The rest."""
        self._stream.close()
        return self._ready.take()


class _Steps(io.RawIOBase):
    """The file that Arrow reads from."""

    def __init__(self, steps: Iterator[bytes]) -> None:
        self._steps = steps
        self._step = b""
        self.offset = 0
        """At which the step last read begins."""
        self.failing = False
        """Whether an error is that of the steps' own source."""

    def readable(self) -> bool:
        """So Arrow asks."""
        return True

    def read(self, _size: int = -1, /) -> bytes:
        """One step, which is shorter than what Arrow has room for."""
        self.failing = True
        step = next(self._steps, b"")
        self.failing = False
        self.offset += len(self._step)
        self._step = step
        return step


class _Ready(io.RawIOBase):
    """The file that Arrow writes to."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        """So Arrow asks."""
        return True

    def write(self, data: pa.Buffer, /) -> int:
        """Keep a copy: what is handed over is Arrow's own memory."""
        self._pieces.append(bytes(data))
        return len(self._pieces[-1])

    def take(self) -> bytes:
        """What was written since the last time, even after the end."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
