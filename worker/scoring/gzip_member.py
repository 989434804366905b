"""One member of gzip, around pieces that several processes have compressed.

Imports nothing heavy: the parent of the pool processes uses it.
"""

import struct

from worker.interfaces import Checksum

# Method deflate; neither the time nor a file name; written on Unix. zlib writes the same.
BEGIN = b"\x1f\x8b\x08\0\0\0\0\0\0\x03"
_LAST_BLOCK = b"\x03\0"  # of deflate: an empty one
_TRAILER = struct.Struct("<II")
_POLYNOMIAL = 0xEDB88320  # of CRC-32, with the lowest power in the highest bit
_ONE = 1 << 31


def join_checksums(first: Checksum, second: Checksum) -> Checksum:
    """Return the checksum of two pieces, the second behind the first."""
    crc = _multiply(first.crc, _power_of_x(8 * second.size)) ^ second.crc
    return Checksum(crc, first.size + second.size)


def end(checksum: Checksum) -> bytes:
    """Return what stands behind the pieces, whose data has this checksum."""
    return _LAST_BLOCK + _TRAILER.pack(checksum.crc, checksum.size % 2**32)


def _power_of_x(exponent: int) -> int:
    power, square = _ONE, _ONE >> 1
    while exponent:
        if exponent & 1:
            power = _multiply(power, square)
        square = _multiply(square, square)
        exponent >>= 1
    return power


def _multiply(first: int, second: int) -> int:
    """Multiply two polynomials modulo that of CRC-32; behind so many zeros a CRC is multiplied."""
    product = 0
    while first:
        if first & _ONE:
            product ^= second
        first = first << 1 & 0xFFFFFFFF
        second = second >> 1 ^ (_POLYNOMIAL if second & 1 else 0)
    return product
