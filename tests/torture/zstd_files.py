"""zstd: of many frames, damaged, truncated, with a wrong file name, and decompression bombs."""

import struct

import pyarrow as pa

from tests.torture.case import predicted, refused
from tests.torture.csv_cells import ANSWERS, HEADER

_PLAIN = HEADER + b"a,1,2\nb,3,4\n"
_LINES = b'{"id":"a","x":1,"y":2}\n'
_WIDE = b"a" * 999  # a cell of each row in a decompression bomb
_BOMB_ROWS = 40_000
_SKIPPED = struct.pack("<II", 0x184D2A50, 4) + b"note"  # a frame that holds no data
# As the command `zstd` writes it: with a checksum, which Arrow leaves out.
_CHECKED = bytes.fromhex("28b52ffd0458990000") + _PLAIN + bytes.fromhex("90d27865")


def compressed(plain: bytes) -> bytes:
    """Return one frame."""
    frame: bytes = pa.compress(plain, codec="zstd", asbytes=True)
    return frame


_HARD = compressed(
    HEADER + b"".join(b"%d,%d,1\n" % (row, row * 7919 % 1009) for row in range(9000))
)
_ANSWERS = compressed(ANSWERS + b"a,21.0\nb,43.0\n")

CASES = [
    predicted("zstd.csv.zst", compressed(_PLAIN), _ANSWERS),
    predicted(
        "zstd.jsonl.gz", compressed(_LINES), compressed(b'{"id": "a", "prediction": 21.0}\n')
    ),
    predicted(
        "zstd-two-frames.csv.zst", compressed(_PLAIN[:10]) + compressed(_PLAIN[10:]), _ANSWERS
    ),
    predicted("zstd-frame-to-skip-behind.csv.zst", compressed(_PLAIN) + _SKIPPED, _ANSWERS),
    predicted("zstd-frame-to-skip-first.csv.zst", _SKIPPED + compressed(_PLAIN), _ANSWERS),
    predicted(
        "zstd-bomb.csv.zst",
        compressed(HEADER + (_WIDE + b",1,2\n") * _BOMB_ROWS),
        compressed(ANSWERS + (_WIDE + b",21.0\n") * _BOMB_ROWS),
    ),
    refused("zstd-of-nothing.csv.zst", compressed(b""), "Unparsable", "the file is empty"),
    refused(
        "zstd-cut-off.csv.zst",
        _HARD[:-100],
        "Unparsable",
        "the zstd data is corrupt or truncated near byte",
    ),
    predicted("zstd-with-a-checksum.csv.zst", _CHECKED, _ANSWERS),
    refused(
        "zstd-wrong-checksum.csv.zst",
        _CHECKED.replace(b"b,3,4", b"b,3,7"),
        "Unparsable",
        "the zstd data is corrupt or truncated near byte",
    ),
    refused(
        "zstd-garbage-behind.csv.zst",
        compressed(_PLAIN) + b"garbage behind it",
        "Unparsable",
        "the zstd data is corrupt or truncated near byte",
    ),
]
