"""Names what a file is that is no model: a pointer, a page, an archive, a text."""

import bz2
import gzip
import json
import lzma
import os
import re
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

_HEAD_BYTES = 4096
_SHOWN_CHARACTERS = 40
_LFS = b"version https://git-lfs.github.com/spec/"
_TAR = (257, b"ustar")  # the offset and the word there
_ZIP = b"PK\x03\x04"

_PAGE = re.compile(rb"(?i)\s*<(?:!doctype html|html|head|body)\b")
_XML = re.compile(rb"\s*<[?!a-zA-Z]")
# No pickle begins with a brace or a bracket.
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\{\s*[\"}]|\[)")
_MAGIC = {
    b"\x89HDF\r\n\x1a\n": "an HDF5 file, as Keras writes them",
    b"PAR1": "a Parquet file",
    b"%PDF-": "a PDF file",
    b"CBM1": "CatBoost's own format: save the estimator with joblib",
    b"tree\nversion=": "LightGBM's own text format: save the estimator with joblib",
    b"\x7fELF": "a program or a shared library",
    b"\x93NUMPY": "an array of numpy",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a rar archive",
}
_plain = partial(open, mode="rb")
_COMPRESSED: dict[bytes, tuple[str, Callable[[Path], Any]]] = {
    b"\x1f\x8b": ("gzip", gzip.open),
    b"BZh": ("bzip2", bz2.open),
    b"\xfd7zXZ\0": ("xz", lzma.open),
}


def kind_of_no_model(path: Path) -> str | None:
    """Return what a file is if it is certainly no model; None if it may be one.

    It looks inside of gzip, bzip2 and xz, by which joblib may have compressed a pickle.
    """
    head = _head(path)
    for magic, (name, opened) in _COMPRESSED.items():
        if head.startswith(magic):
            kind = _kind(_head(path, opened))
            return kind and f"{kind} (compressed by {name})"
    if head.startswith(_ZIP):
        return _kind_of_zip(path)
    return _kind(head)


def kind_of_text(path: Path) -> str | None:
    """Return that a file is empty or a text; None if it may be a pickle or is missing.

    Pickles of the first protocol are texts that end with a dot. To unpickling, other texts are
    damaged pickles, or name modules that nobody has.
    """
    if not path.is_file():
        return None
    head = _head(path)
    if not head:
        return "an empty file"
    if _last_byte(path) == b".":
        return None
    with suppress(UnicodeDecodeError):
        text = head[: _HEAD_BYTES - 4].decode() if len(head) == _HEAD_BYTES else head.decode()
        first = text.strip().partition("\n")[0].strip()
        if first.isprintable() and all(char.isprintable() or char.isspace() for char in text):
            return f"a text that begins with {first[:_SHOWN_CHARACTERS]!r}"
    return None


def _kind(head: bytes) -> str | None:
    if head.startswith(_LFS):
        return (
            "a pointer of Git LFS and not the file that it stands for: run `git lfs pull`, and "
            "upload the model again"
        )
    offset, word = _TAR
    if head.startswith(word, offset):
        return "a tar archive: upload the model that is in it"
    if _PAGE.match(head):
        return "an HTML page, such as the answer of a server to a failed download"
    if _JSON.match(head) and _is_text(head):
        return "JSON"
    if _XML.match(head) and _is_text(head):
        return "XML"
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


def _kind_of_zip(path: Path) -> str | None:
    if path.suffix.lower() == ".skops":
        return None
    names: list[str] = []
    with suppress(zipfile.BadZipFile, OSError), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if "schema.json" in names and "__loader__" in json.loads(archive.read("schema.json")):
            return "a file of skops: give it the suffix .skops"
    return f"a zip archive, which holds {', '.join(names[:3])}" if names else "a zip archive"


def _is_text(head: bytes) -> bool:
    return b"\0" not in head


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read()


def _head(path: Path, opened: Callable[[Path], Any] = _plain) -> bytes:
    """Return the first bytes; none if the file is missing or damaged, as loading it says."""
    with suppress(OSError, EOFError, zlib.error, lzma.LZMAError), opened(path) as file:
        head: bytes = file.read(_HEAD_BYTES)
        return head
    return b""
