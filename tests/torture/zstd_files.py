"""zstd: in many frames, damaged, cut off, mislabelled, and blown up."""

import struct

import pyarrow as pa

from tests.torture.case import gives, refused
from tests.torture.csv_cells import ANSWERS, HEADER

_PLAIN = HEADER + b"a,1,2\nb,3,4\n"
_LINES = b'{"id":"a","x":1,"y":2}\n'
_WIDE = b"a" * 999  # of a row in a bomb
_BOMB_ROWS = 40_000
_SKIPPED = struct.pack("<II", 0x184D2A50, 4) + b"note"  # a frame that holds no data
# What the command `zstd` makes of it; Arrow writes no checksum.
_CHECKED = bytes.fromhex("28b52ffd0458990000") + _PLAIN + bytes.fromhex("90d27865")


def packed(plain: bytes) -> bytes:
    """One frame."""
    frame: bytes = pa.compress(plain, codec="zstd", asbytes=True)
    return frame


_HARD = packed(HEADER + b"".join(b"%d,%d,1\n" % (row, row * 7919 % 1009) for row in range(9000)))
_ANSWERS = packed(ANSWERS + b"a,21.0\nb,43.0\n")

CASES = [
    gives("zstd.csv.zst", packed(_PLAIN), _ANSWERS),
    gives("zstd.jsonl.gz", packed(_LINES), packed(b'{"id": "a", "prediction": 21.0}\n')),
    gives("zstd-two-frames.csv.zst", packed(_PLAIN[:10]) + packed(_PLAIN[10:]), _ANSWERS),
    gives("zstd-frame-to-skip-behind.csv.zst", packed(_PLAIN) + _SKIPPED, _ANSWERS),
    gives("zstd-frame-to-skip-first.csv.zst", _SKIPPED + packed(_PLAIN), _ANSWERS),
    gives(
        "zstd-bomb.csv.zst",
        packed(HEADER + (_WIDE + b",1,2\n") * _BOMB_ROWS),
        packed(ANSWERS + (_WIDE + b",21.0\n") * _BOMB_ROWS),
    ),
    refused("zstd-of-nothing.csv.zst", packed(b""), "Unparsable", "the file is empty"),
    refused(
        "zstd-cut-off.csv.zst",
        _HARD[:-100],
        "Unparsable",
        "the zstd data is corrupt or truncated near byte",
    ),
    gives("zstd-with-a-checksum.csv.zst", _CHECKED, _ANSWERS),
    refused(
        "zstd-wrong-checksum.csv.zst",
        _CHECKED.replace(b"b,3,4", b"b,3,7"),
        "Unparsable",
        "the zstd data is corrupt or truncated near byte",
    ),
    refused(
        "zstd-garbage-behind.csv.zst",
        packed(_PLAIN) + b"garbage behind it",
        "Unparsable",
        "the zstd data is corrupt or truncated near byte",
    ),
]
