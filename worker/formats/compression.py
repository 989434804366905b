"""Compression of a whole file with gzip or zstd, undone and applied as its bytes pass.

The output of a large file is put together from pieces that processes have compressed. In zstd each
piece is a frame. In gzip all pieces are in one member, because some readers read only the first;
`worker.scoring.gzip_member` has what stands before and behind them.
"""

import io
import re
import zlib
from collections.abc import Iterator
from typing import Protocol

import pyarrow as pa

from worker.errors import Unparsable
from worker.interfaces import Checksum, Compression

_MAGIC: dict[Compression, bytes] = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}
_SKIPPABLE_FRAME = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")  # of zstd; files of pzstd begin with one
_GZIP_WBITS = 31  # zlib's code for gzip's header and the largest window
_DEFLATE_WBITS = -15  # and for no header, with the largest window
_GZIP_LEVEL = 6
# Compressed bytes are handled in chunks of this size: an error names the chunk it was found in.
_CHUNK_BYTES = 2**14
_PLAIN_BYTES = 2**20  # decompressed at once: a small chunk may decompress to gigabytes


class Compressor(Protocol):
    """Compresses a stream; equal pieces give equal bytes."""

    def compress(self, data: bytes, /) -> bytes:
        """Add data, and return the compressed bytes that are ready."""
        ...

    def flush(self) -> bytes:
        """End the stream, and return the remaining compressed bytes."""
        ...


def detect_compression(head: bytes) -> Compression | None:
    """Return the compression of a file, by its first four bytes."""
    if _SKIPPABLE_FRAME.match(head):
        return "zstd"
    return next((name for name, magic in _MAGIC.items() if head.startswith(magic)), None)


def decompress(pieces: Iterator[bytes], compression: Compression | None) -> Iterator[bytes]:
    """Decompress a stream, in pieces of bounded size.

    Raises Unparsable with the position in the compressed bytes where they are damaged or end early.
    """
    if compression == "gzip":
        return _decompress_gzip(_in_chunks(pieces))
    if compression == "zstd":
        return _decompress_zstd(_in_chunks(pieces))
    return pieces


def compressor(compression: Compression | None) -> Compressor:
    """Return a compressor; its output contains neither the time nor a file name."""
    if compression == "gzip":
        return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WBITS)
    if compression == "zstd":
        return _ZstdCompressor()
    return _NoCompressor()


class PieceCompressor:
    """Compresses one piece of an output; pieces can be put behind each other in any number."""

    def __init__(self, compression: Compression | None) -> None:
        self._deflate = (
            zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _DEFLATE_WBITS)
            if compression == "gzip"
            else None
        )
        self._stream = compressor(None if compression == "gzip" else compression)
        self.checksum = Checksum()
        """Of the data so far, if the output is gzip."""

    def compress(self, data: bytes) -> bytes:
        """Add data, and return the compressed bytes that are ready."""
        if self._deflate is None:
            return self._stream.compress(data)
        before = self.checksum
        self.checksum = Checksum(zlib.crc32(data, before.crc), before.size + len(data))
        return self._deflate.compress(data)

    def flush(self) -> bytes:
        """End the piece at a whole byte, and return the remaining compressed bytes."""
        if self._deflate is None:
            return self._stream.flush()
        return self._deflate.flush(zlib.Z_FULL_FLUSH)


def _in_chunks(pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        for start in range(0, len(piece), _CHUNK_BYTES):
            yield piece[start : start + _CHUNK_BYTES]


def _decompress_gzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    member = zlib.decompressobj(_GZIP_WBITS)
    offset = 0
    for chunk in chunks:
        rest = chunk
        if member.eof:
            rest = _without_padding(rest)
        while rest:
            if member.eof:
                member = zlib.decompressobj(_GZIP_WBITS)
            try:
                yield from _inflate(member, rest)
            except zlib.error as error:
                position = offset + len(chunk) - len(rest)
                raise Unparsable(
                    f"the gzip data is corrupt near byte {position}: {error}"
                ) from error
            rest = _without_padding(member.unused_data)
        offset += len(chunk)
    if not member.eof:
        raise Unparsable(f"the gzip data is truncated: it ends at byte {offset}")


def _inflate(member: "zlib._Decompress", chunk: bytes) -> Iterator[bytes]:
    while True:
        plain = member.decompress(chunk, _PLAIN_BYTES)
        yield plain
        chunk = member.unconsumed_tail
        if not chunk and len(plain) < _PLAIN_BYTES:
            return


def _without_padding(rest: bytes) -> bytes:
    """Drop zeros after a gzip member: they fill a block of a medium such as tape."""
    return rest.lstrip(b"\0")


def _decompress_zstd(chunks: Iterator[bytes]) -> Iterator[bytes]:
    compressed = _ChunkFile(chunks)
    with pa.CompressedInputStream(pa.PythonFile(compressed, mode="r"), "zstd") as stream:
        while True:
            try:
                plain = stream.read(_PLAIN_BYTES)
            except OSError as error:
                if compressed.input_failed:
                    raise
                raise Unparsable(
                    f"the zstd data is corrupt or truncated near byte {compressed.offset}: {error}"
                ) from error
            if not plain:
                return
            yield plain


class _ChunkFile(io.RawIOBase):
    """The file that Arrow reads compressed bytes from."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._chunk = b""
        self.offset = 0
        """Where the latest chunk begins."""
        self.input_failed = False
        """Whether the error came from reading the input, and not from its content."""

    def readable(self) -> bool:
        """Arrow calls this."""
        return True

    def read(self, _size: int = -1, /) -> bytes:
        """Return one chunk, which is shorter than what Arrow asks for."""
        self.input_failed = True
        chunk = next(self._chunks, b"")
        self.input_failed = False
        self.offset += len(self._chunk)
        self._chunk = chunk
        return chunk


class _ZstdCompressor:
    """Compresses to one zstd frame."""

    def __init__(self) -> None:
        self._buffer = _OutputBuffer()
        self._stream = pa.CompressedOutputStream(pa.PythonFile(self._buffer, mode="w"), "zstd")

    def compress(self, data: bytes, /) -> bytes:
        self._stream.write(data)
        return self._buffer.take()

    def flush(self) -> bytes:
        self._stream.close()
        return self._buffer.take()


class _OutputBuffer(io.RawIOBase):
    """The file that Arrow writes compressed bytes to."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        """Arrow calls this."""
        return True

    def write(self, data: pa.Buffer, /) -> int:
        """Keep a copy: the memory of `data` belongs to Arrow."""
        self._pieces.append(bytes(data))
        return len(self._pieces[-1])

    def take(self) -> bytes:
        """Return what was written since the last call, even if the file is closed."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


class _NoCompressor:
    """Leaves bytes as they are."""

    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""
