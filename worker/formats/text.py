"""What the text formats share: pieces of a file in any encoding, as pieces of UTF-8."""

import codecs
from collections.abc import Iterator
from itertools import chain

from worker.errors import Unparsable

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def utf8(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """The text as UTF-8 without a byte order mark, in pieces of whole characters.

    Raises Unparsable naming the first byte that is not of the encoding, by its place in the text.
    """
    head, pieces = peek(pieces, 2)
    decoder = _Decoder(encoding, looks_like_utf16=head.startswith(_UTF16))
    texts = (decoder.decode(piece) for piece in pieces)
    first = next((text for text in texts if text), b"")
    yield first.removeprefix(codecs.BOM_UTF8)
    yield from texts
    yield decoder.decode(b"", final=True)


def peek(pieces: Iterator[bytes], size: int) -> tuple[bytes, Iterator[bytes]]:
    """The beginning, at least that long if there is as much; and all the pieces, with it."""
    head = b""
    while len(head) < size and (piece := next(pieces, None)) is not None:
        head += piece
    return head, chain([head], pieces)


def evenly(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in pieces of exactly that size, the last one shorter."""
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
    """Text in one encoding to UTF-8, piece by piece."""

    def __init__(self, encoding: str, *, looks_like_utf16: bool) -> None:
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._is_utf8 = codecs.lookup(encoding).name == "utf-8"
        self._looks_like = " (it looks like utf-16)" * (self._is_utf8 and looks_like_utf16)
        self._seen = 0

    def decode(self, piece: bytes, *, final: bool = False) -> bytes:
        """The piece as UTF-8; the beginning of a character waits for the rest of it."""
        recode = self._checked if self._is_utf8 else self._recoded
        try:
            text = recode(piece, final)
        except UnicodeDecodeError as error:
            waited = len(error.object) - len(piece)
            raise Unparsable(
                f"byte {self._seen - waited + error.start} (0x{error.object[error.start]:02x}) is "
                f"not {self._encoding}{self._looks_like}: set WORKER_ENCODING to the encoding of "
                "the file"
            ) from error
        except UnicodeError as error:  # utf-16 without a byte order mark is one
            raise Unparsable(
                f"the text is not {self._encoding} (WORKER_ENCODING): {error}"
            ) from error
        self._seen += len(piece)
        return text

    def _recoded(self, piece: bytes, final: bool) -> bytes:
        try:
            return self._decoder.decode(piece, final).encode()
        except UnicodeDecodeError as error:
            if "start with BOM" not in error.reason:
                raise
            # Python 3.13 reports a missing byte order mark as a wrong byte; earlier ones do not.
            raise UnicodeError(error.reason) from error

    def _checked(self, piece: bytes, final: bool) -> bytes:
        waiting = self._decoder.getstate()[0]
        if waiting or final or not piece.isascii():
            self._decoder.decode(piece, final)
        text = waiting + piece
        return text[: len(text) - len(self._decoder.getstate()[0])]
