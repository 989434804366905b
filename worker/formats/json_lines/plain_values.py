"""Checks many JSON values at once, and makes columns of their text.

A value is plain if it is not nested and has no escape: its text in the file is its JSON text.
"""

import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from worker.formats.json_lines.lines import LineBlock, Places

Mask = npt.NDArray[np.bool_]
Weights = npt.NDArray[np.uint32]

_QUOTE, _MINUS, _ZERO, _LAST_OF_FALSE = b'"-0e'
_DIGITS = np.uint8(10)
# Sums of these weights tell how many bytes of each kind a value has, if it has no more than _MOST.
_MOST = 2**10 - 1
_POINT_WEIGHT, _MARK_WEIGHT = 2**10, 2**20
_ONE_POINT = _POINT_WEIGHT - 1  # more than the weight of as many digits
_WEIGHTS = np.zeros(256, np.uint32)
_WEIGHTS[list(b"0123456789")] = 1
_WEIGHTS[ord(".")] = _POINT_WEIGHT
_WEIGHTS[[*range(32), *b'"\\']] = _MARK_WEIGHT  # what is in no string without escapes
# Values that are few in most files.
_OTHER = re.compile(
    rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|NaN|-?Infinity"
    rb'|"[^"\\\x00-\x1f]*"'
)
_FOUR_BYTES = np.uint64(2**32 - 1)
_TRUE, _FALS, _NULL = (
    np.uint64(int.from_bytes(word, "little")) for word in (b"true", b"fals", b"null")
)


def sum_weights(block: LineBlock) -> Weights:
    """Return the sums of the weights of all bytes to the end of each; they wrap around."""
    sums: Weights = np.cumsum(np.take(_WEIGHTS, block.bytes), dtype=np.uint32)
    return sums


def are_plain(block: LineBlock, sums: Weights, starts: Places, ends: Places) -> Mask:
    """Return whether each text from a start to an end is a plain value.

    No text begins at the block's beginning. The block is UTF-8.
    """
    sizes = ends - starts
    weights = sums[ends - 1] - sums[starts - 1]
    is_string = _are_strings(block, starts, ends, weights)
    plain: Mask = is_string | _are_numbers(block, starts, ends, weights)
    plain &= (sizes > 0) & (sizes <= _MOST)
    if not plain.all():
        others = ~plain & (sizes > 0)
        plain[others] = _are_others(block, starts[others], ends[others])
    return plain


def _are_strings(block: LineBlock, starts: Places, ends: Places, weights: Weights) -> Mask:
    """Return whether each text is a string without escapes: its quotes are its only marks."""
    is_quoted = (block.bytes[starts] == _QUOTE) & (block.bytes[ends - 1] == _QUOTE)
    are_strings: Mask = is_quoted & (weights // _MARK_WEIGHT == len('""'))
    return are_strings


def _are_numbers(block: LineBlock, starts: Places, ends: Places, weights: Weights) -> Mask:
    """Return whether each text is a number without an exponent."""
    data = block.bytes
    starts = starts + (data[starts] == _MINUS)
    first, last = data[starts] - _ZERO, data[ends - 1] - _ZERO
    surplus = weights - (ends - starts).astype(np.uint32)
    are_numbers: Mask = (surplus == 0) | (surplus == _ONE_POINT)
    are_numbers &= (first < _DIGITS) & (last < _DIGITS)
    # No digit follows a zero at the beginning.
    are_numbers &= (first != 0) | (data[starts + 1] - _ZERO >= _DIGITS)
    return are_numbers


def _are_others(block: LineBlock, starts: Places, ends: Places) -> Mask:
    """Return whether each text is a word of JSON, a number, or a string without escapes."""
    words, sizes = block.words[starts] & _FOUR_BYTES, ends - starts
    found: Mask = (sizes == len("true")) & ((words == _TRUE) | (words == _NULL))
    is_last = block.bytes[ends - 1] == _LAST_OF_FALSE
    found |= (sizes == len("false")) & (words == _FALS) & is_last
    for index in np.flatnonzero(~found).tolist():
        found[index] = _OTHER.fullmatch(block.text, starts[index], ends[index]) is not None
    return found


def to_columns(block: LineBlock, starts: Places, ends: Places) -> list[pa.Array]:
    """Return texts in columns. The places have a row for each row; no text overlaps the next."""
    rows, width = starts.shape
    # One array on the block's own text, in which every second cell is a value.
    offsets = np.zeros(2 * rows * width + 1, np.int32)
    offsets[1::2], offsets[2::2] = starts.ravel(), ends.ravel()
    cells = pa.StringArray.from_buffers(
        len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(block.text)
    )
    return [
        cells.take(pa.array(np.arange(2 * column + 1, len(offsets), 2 * width)))
        for column in range(width)
    ]
