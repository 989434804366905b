"""The Content-Encoding of an object: what S3 was told of the bytes, which are stored as they are.

The bytes decide how a file is read. What was told of them is told of the output too if it is true,
and is named in the error if the file cannot be read.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from worker.errors import SchemaMismatch, Unparsable
from worker.interfaces import Compression

# `aws-chunked` is how an SDK has sent the bytes; some stores keep it.
_NOT_OF_THE_BYTES = frozenset(("", "identity", "aws-chunked"))
_OTHER_NAMES = {"x-gzip": "gzip"}
_COMPRESSIONS = frozenset(("br", "compress", "deflate", "x-compress", "dcb", "dcz"))


def encoding_of_output(told: str | None, compression: Compression | None) -> str | None:
    """Return the encoding that an output names: that of its input if it is true of both."""
    return compression if compression and _encodings(told) == [compression] else None


@contextmanager
def naming_encoding(told: str | None) -> Iterator[None]:
    """Add the encoding to the error if a file that is said to have an unknown one is refused."""
    try:
        yield
    except (Unparsable, SchemaMismatch) as error:
        if unknown := [name for name in _encodings(told) if name in _COMPRESSIONS]:
            raise type(error)(
                f"{error} (the object's Content-Encoding is {', '.join(unknown)}, which is not "
                "decoded: store it as it is, or with gzip or zstd)"
            ) from error
        raise


def _encodings(told: str | None) -> list[str]:
    names = (name.strip().lower() for name in (told or "").split(","))
    return [_OTHER_NAMES.get(name, name) for name in names if name not in _NOT_OF_THE_BYTES]
