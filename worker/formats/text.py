"""What the text formats share: decoding to UTF-8, and the pieces that a file is read in."""

import codecs
from collections.abc import Iterator
from itertools import chain

from worker.errors import Unparsable

MAX_ROW_BYTES = 16 * 2**20  # a longer row is refused: it is rather a quote that never closes

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def to_utf8(pieces: Iterator[bytes], encoding: str, *, position: int = 0) -> Iterator[bytes]:
    """Recode text to UTF-8 in pieces of whole characters; a file's byte order mark is left out.

    `position` is where the text begins in its file. Raises Unparsable with the position of the
    first byte that is invalid in the encoding.
    """
    head, pieces = peek(pieces, 2)
    decoder = _Decoder(encoding, position, looks_like_utf16=head.startswith(_UTF16))
    texts = (decoder.decode(piece) for piece in pieces)
    first = next((text for text in texts if text), b"")
    yield first if position else first.removeprefix(codecs.BOM_UTF8)
    yield from texts
    yield decoder.decode(b"", final=True)


def is_utf8(encoding: str) -> bool:
    """Return whether text of this encoding is UTF-8 as it stands."""
    return codecs.lookup(encoding).name == "utf-8"


def peek(pieces: Iterator[bytes], size: int) -> tuple[bytes, Iterator[bytes]]:
    """Return at least the first `size` bytes, or all if there are fewer, and all the pieces."""
    head = b""
    while len(head) < size and (piece := next(pieces, None)) is not None:
        head += piece
    return head, chain([head], pieces)


def cut_pieces(pieces: Iterator[bytes], size: int) -> tuple[Iterator[bytes], Iterator[bytes]]:
    """Return the first `size` bytes, and what follows; the former are to be read first."""
    behind: list[bytes] = []

    def before() -> Iterator[bytes]:
        left = size
        while left and (piece := next(pieces, None)) is not None:
            yield piece[:left]
            behind.append(piece[left:])
            left -= min(left, len(piece))

    return before(), (piece for piece in chain(behind, pieces) if piece)


def resize_pieces(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Return the same bytes in pieces of exactly `size` bytes; the last one may be shorter."""
    waiting: list[memoryview] = []
    length = 0
    for piece in pieces:
        rest = memoryview(piece)
        while length + len(rest) >= size:
            end = size - length
            yield b"".join([*waiting, rest[:end]])
            waiting, length, rest = [], 0, rest[end:]
        waiting.append(rest)
        length += len(rest)
    if length:
        yield b"".join(waiting)


class _Decoder:
    """Recodes text of one encoding to UTF-8, piece by piece."""

    def __init__(self, encoding: str, position: int, *, looks_like_utf16: bool) -> None:
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._is_utf8 = is_utf8(encoding)
        self._hint = " (it looks like utf-16)" * (self._is_utf8 and looks_like_utf16)
        self._position = position

    def decode(self, piece: bytes, *, final: bool = False) -> bytes:
        """Return the piece as UTF-8; an incomplete last character waits for the next piece."""
        recode = self._validate if self._is_utf8 else self._recode
        try:
            text = recode(piece, final)
        except UnicodeDecodeError as error:
            waiting = len(error.object) - len(piece)
            raise Unparsable(
                f"byte {self._position - waiting + error.start} "
                f"(0x{error.object[error.start]:02x}) is not {self._encoding}{self._hint}: set "
                "WORKER_ENCODING to the encoding of the file"
            ) from error
        except UnicodeError as error:  # UTF-16 without a byte order mark, for example
            raise Unparsable(
                f"the text is not {self._encoding} (WORKER_ENCODING): {error}"
            ) from error
        self._position += len(piece)
        return text

    def _recode(self, piece: bytes, final: bool) -> bytes:
        try:
            return self._decoder.decode(piece, final).encode()
        except UnicodeDecodeError as error:
            if "start with BOM" not in error.reason:
                raise
            # Python 3.13 reports a missing byte order mark as a wrong byte; earlier ones do not.
            raise UnicodeError(error.reason) from error

    def _validate(self, piece: bytes, final: bool) -> bytes:
        """Return whole characters of UTF-8 as they are; ASCII is not decoded, to save time."""
        waiting = self._decoder.getstate()[0]
        if waiting or final or not piece.isascii():
            self._decoder.decode(piece, final)
        text = waiting + piece
        return text[: len(text) - len(self._decoder.getstate()[0])]
