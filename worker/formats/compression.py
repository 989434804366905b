"""Whole-file compression, undone and done again."""

import gzip
import zlib
from typing import Literal

import pyarrow as pa

from worker.errors import Unparsable

Compression = Literal["gzip", "zstd"]

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_GZIP_LEVEL = 6


def unpack(body: bytes) -> tuple[bytes, Compression | None]:
    """The bytes inside and what they were wrapped in; raises Unparsable where they are damaged."""
    if body.startswith(_GZIP):
        try:
            return gzip.decompress(body), "gzip"
        except (EOFError, OSError, zlib.error) as error:
            raise Unparsable(f"the gzip data is corrupt or truncated: {error}") from error
    if body.startswith(_ZSTD):
        try:
            with pa.CompressedInputStream(pa.BufferReader(body), "zstd") as stream:
                return stream.read(), "zstd"
        except OSError as error:
            raise Unparsable(f"the zstd data is corrupt or truncated: {error}") from error
    return body, None


def pack(plain: bytes, compression: Compression | None) -> bytes:
    """The same bytes for the same input, always: no time and no name goes in."""
    if compression == "gzip":
        return gzip.compress(plain, _GZIP_LEVEL, mtime=0)
    if compression == "zstd":
        return bytes(pa.compress(plain, codec="zstd", asbytes=True))
    return plain
