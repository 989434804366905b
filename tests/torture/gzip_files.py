"""gzip: of many members, damaged, truncated, with a wrong file name, and decompression bombs."""

import gzip
import io
import struct
import zlib

from tests.torture.case import predicted, refused
from tests.torture.csv_cells import ANSWERS, HEADER
from tests.torture.runs import LENIENT

_PLAIN = HEADER + b"a,1,2\nb,3,4\n"
_LINES = b'{"id":"a","x":1,"y":2}\n'
_BATCH = 10_000
_WIDE = b"a" * 999  # a cell of each row in a decompression bomb
_BOMB_ROWS = 40_000


def gzipped(plain: bytes, level: int = 6) -> bytes:
    """Return one gzip member, without a time."""
    return gzip.compress(plain, level, mtime=0)


def _with_name_and_comment(plain: bytes) -> bytes:
    """Return gzip with every optional part that its header can have (RFC 1952)."""
    header = b"\x1f\x8b\x08\x1e" + struct.pack("<I", 1) + b"\x02\x03"
    header += struct.pack("<H", 6) + b"AB\x02\0no" + b"data.csv\0" + b"a comment\0"
    header += struct.pack("<H", zlib.crc32(header) & 0xFFFF)
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    body = deflate.compress(plain) + deflate.flush()
    return header + body + struct.pack("<II", zlib.crc32(plain), len(plain))


def _with_another_checksum(compressed: bytes) -> bytes:
    return compressed[:-8] + bytes([compressed[-8] ^ 1]) + compressed[-7:]


def _with_a_flipped_bit(compressed: bytes) -> bytes:
    middle = len(compressed) // 2
    return compressed[:middle] + bytes([compressed[middle] ^ 0x10]) + compressed[middle + 1 :]


def _with_a_name(plain: bytes) -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile("data.csv", "wb", fileobj=buffer, mtime=1) as file:
        file.write(plain)
    return buffer.getvalue()


_HARD = HEADER + b"".join(
    b"%d,%d,%d\n" % (n, n * 7919 % 1009, n * 104729 % 997) for n in range(9000)
)

_COMPRESSED = gzipped(_PLAIN)
_ANSWERS = gzipped(ANSWERS + b"a,21.0\nb,43.0\n")

CASES = [
    predicted("plain.csv.gz", _PLAIN, ANSWERS + b"a,21.0\nb,43.0\n"),
    predicted("gzip.csv", _COMPRESSED, _ANSWERS),
    predicted("lines.jsonl.gz", gzipped(_LINES), gzipped(b'{"id": "a", "prediction": 21.0}\n')),
    predicted("gzip-with-a-name.csv.gz", _with_a_name(_PLAIN), _ANSWERS),
    predicted("gzip-with-everything.csv.gz", _with_name_and_comment(_PLAIN), _ANSWERS),
    predicted("gzip-stored.csv.gz", gzipped(_PLAIN, 0), _ANSWERS),
    predicted(
        "gzip-two-members-in-mid-cell.csv.gz",
        gzipped(_PLAIN[:10]) + gzipped(b"") + gzipped(_PLAIN[10:]),
        _ANSWERS,
    ),
    predicted(
        "gzip-a-member-a-row.csv.gz",
        gzipped(HEADER) + gzipped(b"a,1,2\n") * 3000,
        gzipped(ANSWERS + b"a,21.0\n" * 3000),
    ),
    predicted("gzip-padded-with-zeros.csv.gz", _COMPRESSED + bytes(512), _ANSWERS),
    predicted("gzip-header-only.csv.gz", gzipped(HEADER), gzipped(ANSWERS)),
    predicted(
        "gzip-with-bad-rows.csv.gz",
        gzipped(b"id,x,y\na,1,2\nb\n"),
        gzipped(b"id,x,y,prediction\na,1,2,21.0\n"),
        rejects=b"line,reason,row\n3,1 cells where the header has 3,b\n",
        run=LENIENT,
    ),
    predicted(
        "gzip-bomb.csv.gz",
        gzipped(HEADER + (_WIDE + b",1,2\n") * _BOMB_ROWS),
        gzipped(ANSWERS + (_WIDE + b",21.0\n") * _BOMB_ROWS),
    ),
    refused(
        "gzip-bomb-of-one-batch.csv.gz",
        gzipped(HEADER + (_WIDE * 4 + b",1,2\n") * _BATCH),
        "Unparsable",
        "the rows of one batch",
        "the 32 MiB that WORKER_MEMORY_MB allows",
    ),
    refused(
        "gzip-bomb-of-one-row.csv.gz",
        gzipped(HEADER + bytes(20 * 2**20)),
        "Unparsable",
        "line 2: the row is longer than 16 MiB",
    ),
    refused("gzip-of-nothing.csv.gz", gzipped(b""), "Unparsable", "the file is empty"),
    refused(
        "gzip-cut-off.csv.gz",
        _COMPRESSED[:-9],
        "Unparsable",
        f"the gzip data is truncated: it ends at byte {len(_COMPRESSED) - 9}",
    ),
    refused(
        "gzip-cut-off-in-its-checksum.csv.gz",
        _COMPRESSED[:-3],
        "Unparsable",
        f"the gzip data is truncated: it ends at byte {len(_COMPRESSED) - 3}",
    ),
    refused(
        "gzip-cut-off-in-its-header.csv.gz",
        _COMPRESSED[:5],
        "Unparsable",
        "the gzip data is truncated: it ends at byte 5",
    ),
    refused(
        "gzip-second-member-cut-off.csv.gz",
        _COMPRESSED + gzipped(b"c,1,2\n")[:-9],
        "Unparsable",
        "the gzip data is truncated",
    ),
    refused(
        "gzip-wrong-checksum.csv.gz",
        _with_another_checksum(_COMPRESSED),
        "Unparsable",
        "the gzip data is corrupt near byte",
        "incorrect data check",
    ),
    refused(
        "gzip-wrong-length.csv.gz",
        _COMPRESSED[:-1] + b"\x01",
        "Unparsable",
        "the gzip data is corrupt near byte",
        "incorrect length check",
    ),
    refused(
        "gzip-flipped-bit.csv.gz",
        _with_a_flipped_bit(gzipped(_HARD)),
        "Unparsable",
        "the gzip data is corrupt near byte",
    ),
    refused(
        "gzip-garbage-behind.csv.gz",
        _COMPRESSED + b"garbage",
        "Unparsable",
        f"the gzip data is corrupt near byte {len(_COMPRESSED)}",
    ),
    refused(
        "gzip-twice.csv.gz",
        gzipped(_COMPRESSED),
        "Unparsable",
        "gzip inside gzip",
    ),
]
