"""gzip: in many pieces, damaged, cut off, mislabelled, and blown up."""

import gzip
import io
import struct
import zlib

from tests.torture.case import gives, refused
from tests.torture.csv_cells import ANSWERS, HEADER
from tests.torture.runs import LENIENT

_PLAIN = HEADER + b"a,1,2\nb,3,4\n"
_LINES = b'{"id":"a","x":1,"y":2}\n'
_BATCH = 10_000
_WIDE = b"a" * 999  # of a row in a bomb
_BOMB_ROWS = 40_000


def packed(plain: bytes, level: int = 6) -> bytes:
    """One member, without a time in it."""
    return gzip.compress(plain, level, mtime=0)


def _with_name_and_comment(plain: bytes) -> bytes:
    """Every optional part that the header of gzip can have (RFC 1952)."""
    header = b"\x1f\x8b\x08\x1e" + struct.pack("<I", 1) + b"\x02\x03"
    header += struct.pack("<H", 6) + b"AB\x02\0no" + b"data.csv\0" + b"a comment\0"
    header += struct.pack("<H", zlib.crc32(header) & 0xFFFF)
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    body = deflate.compress(plain) + deflate.flush()
    return header + body + struct.pack("<II", zlib.crc32(plain), len(plain))


def _with_another_checksum(packed: bytes) -> bytes:
    return packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:]


def _with_a_flipped_bit(packed: bytes) -> bytes:
    middle = len(packed) // 2
    return packed[:middle] + bytes([packed[middle] ^ 0x10]) + packed[middle + 1 :]


def _with_a_name(plain: bytes) -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile("data.csv", "wb", fileobj=buffer, mtime=1) as file:
        file.write(plain)
    return buffer.getvalue()


_HARD = HEADER + b"".join(
    b"%d,%d,%d\n" % (n, n * 7919 % 1009, n * 104729 % 997) for n in range(9000)
)

_PACKED = packed(_PLAIN)
_ANSWERS = packed(ANSWERS + b"a,21.0\nb,43.0\n")

CASES = [
    gives("plain.csv.gz", _PLAIN, ANSWERS + b"a,21.0\nb,43.0\n"),
    gives("gzip.csv", _PACKED, _ANSWERS),
    gives("lines.jsonl.gz", packed(_LINES), packed(b'{"id": "a", "prediction": 21.0}\n')),
    gives("gzip-with-a-name.csv.gz", _with_a_name(_PLAIN), _ANSWERS),
    gives("gzip-with-everything.csv.gz", _with_name_and_comment(_PLAIN), _ANSWERS),
    gives("gzip-stored.csv.gz", packed(_PLAIN, 0), _ANSWERS),
    gives(
        "gzip-two-members-in-mid-cell.csv.gz",
        packed(_PLAIN[:10]) + packed(b"") + packed(_PLAIN[10:]),
        _ANSWERS,
    ),
    gives(
        "gzip-a-member-a-row.csv.gz",
        packed(HEADER) + packed(b"a,1,2\n") * 3000,
        packed(ANSWERS + b"a,21.0\n" * 3000),
    ),
    gives("gzip-padded-with-zeros.csv.gz", _PACKED + bytes(512), _ANSWERS),
    gives("gzip-header-only.csv.gz", packed(HEADER), packed(ANSWERS)),
    gives(
        "gzip-with-bad-rows.csv.gz",
        packed(b"id,x,y\na,1,2\nb\n"),
        packed(b"id,x,y,prediction\na,1,2,21.0\n"),
        rejects=b"line,reason,row\n3,1 cells where the header has 3,b\n",
        run=LENIENT,
    ),
    gives(
        "gzip-bomb.csv.gz",
        packed(HEADER + (_WIDE + b",1,2\n") * _BOMB_ROWS),
        packed(ANSWERS + (_WIDE + b",21.0\n") * _BOMB_ROWS),
    ),
    refused(
        "gzip-bomb-of-one-batch.csv.gz",
        packed(HEADER + (_WIDE * 4 + b",1,2\n") * _BATCH),
        "Unparsable",
        "the rows of one batch",
        "the 32 MiB that WORKER_MEMORY_MB allows",
    ),
    refused(
        "gzip-bomb-of-one-row.csv.gz",
        packed(HEADER + bytes(20 * 2**20)),
        "Unparsable",
        "line 2: the row is longer than 16 MiB",
    ),
    refused("gzip-of-nothing.csv.gz", packed(b""), "Unparsable", "the file is empty"),
    refused(
        "gzip-cut-off.csv.gz",
        _PACKED[:-9],
        "Unparsable",
        f"the gzip data is truncated: it ends at byte {len(_PACKED) - 9}",
    ),
    refused(
        "gzip-cut-off-in-its-checksum.csv.gz",
        _PACKED[:-3],
        "Unparsable",
        f"the gzip data is truncated: it ends at byte {len(_PACKED) - 3}",
    ),
    refused(
        "gzip-cut-off-in-its-header.csv.gz",
        _PACKED[:5],
        "Unparsable",
        "the gzip data is truncated: it ends at byte 5",
    ),
    refused(
        "gzip-second-member-cut-off.csv.gz",
        _PACKED + packed(b"c,1,2\n")[:-9],
        "Unparsable",
        "the gzip data is truncated",
    ),
    refused(
        "gzip-wrong-checksum.csv.gz",
        _with_another_checksum(_PACKED),
        "Unparsable",
        "the gzip data is corrupt near byte",
        "incorrect data check",
    ),
    refused(
        "gzip-wrong-length.csv.gz",
        _PACKED[:-1] + b"\x01",
        "Unparsable",
        "the gzip data is corrupt near byte",
        "incorrect length check",
    ),
    refused(
        "gzip-flipped-bit.csv.gz",
        _with_a_flipped_bit(packed(_HARD)),
        "Unparsable",
        "the gzip data is corrupt near byte",
    ),
    refused(
        "gzip-garbage-behind.csv.gz",
        _PACKED + b"garbage",
        "Unparsable",
        f"the gzip data is corrupt near byte {len(_PACKED)}",
    ),
    refused(
        "gzip-twice.csv.gz",
        packed(_PACKED),
        "Unparsable",
        "gzip inside gzip",
    ),
]
