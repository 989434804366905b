"""Compression of a whole file by gzip or zstd, undone and done as the bytes pass."""

import io
import re
import zlib
from collections.abc import Iterator
from typing import Literal, Protocol

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


Compression = Literal["gzip", "zstd"]

_MAGIC: dict[Compression, bytes] = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}
_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")  # a frame of zstd, as pzstd begins with one
_GZIP_WINDOW = 31  # the largest, in gzip's wrapping
_GZIP_LEVEL = 6
# An error is known to lie in one step of compressed bytes, and no step can become more than this.
_STEP_BYTES = 2**14
_PLAIN_BYTES = 2**20


class Compressor(Protocol):
    """Bytes to compressed bytes: the same pieces always give the same."""

    def compress(self, data: bytes, /) -> bytes:
        """Add to what is compressed, and hand over what is ready."""
        ...

    def flush(self) -> bytes:
        """The rest."""
        ...


def recognised(head: bytes) -> Compression | None:
    """What a file is compressed with, by its first four bytes."""
    if _SKIPPABLE.match(head):
        return "zstd"
    return next((name for name, magic in _MAGIC.items() if head.startswith(magic)), None)


def unpacked(pieces: Iterator[bytes], compression: Compression | None) -> Iterator[bytes]:
    """The bytes inside, a bounded piece at a time.

    Raises Unparsable naming the place in the compressed bytes where they are damaged or end early.
    """
    if compression == "gzip":
        return _gunzipped(_steps(pieces))
    if compression == "zstd":
        return unzstd(_steps(pieces), _PLAIN_BYTES)
    return pieces


def compressor(compression: Compression | None) -> Compressor:
    """What undoes `unpacked`; no time and no name goes in."""
    if compression == "gzip":
        return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    if compression == "zstd":
        return Zstd()
    return _Plain()


def _steps(pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        for start in range(0, len(piece), _STEP_BYTES):
            yield piece[start : start + _STEP_BYTES]


def _gunzipped(steps: Iterator[bytes]) -> Iterator[bytes]:
    member = zlib.decompressobj(_GZIP_WINDOW)
    offset = 0
    for step in steps:
        rest = step
        if member.eof:
            rest = _after_padding(rest)
        while rest:
            if member.eof:
                member = zlib.decompressobj(_GZIP_WINDOW)
            try:
                yield from _inflated(member, rest)
            except zlib.error as error:
                place = offset + len(step) - len(rest)
                raise Unparsable(f"the gzip data is corrupt near byte {place}: {error}") from error
            rest = _after_padding(member.unused_data)
        offset += len(step)
    if not member.eof:
        raise Unparsable(f"the gzip data is truncated: it ends at byte {offset}")


def _inflated(member: "zlib._Decompress", step: bytes) -> Iterator[bytes]:
    while True:
        plain = member.decompress(step, _PLAIN_BYTES)
        yield plain
        step = member.unconsumed_tail
        if not step and len(plain) < _PLAIN_BYTES:
            return


def _after_padding(rest: bytes) -> bytes:
    """What follows a member but for zeros, which fill a block of some medium and are no garbage."""
    return rest.lstrip(b"\0")


class _Plain:
    """No compression."""

    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""
