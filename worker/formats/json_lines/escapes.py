"""Strings with escapes, among values of which all others are plain: their escapes are undone."""

import json
from collections import defaultdict
from collections.abc import Mapping
from json.encoder import encode_basestring as quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from worker.formats.json_lines.lines import LineBlock, Places
from worker.formats.json_lines.plain_values import Mask

Texts = Mapping[int, str]
"""The JSON text of some values of a column, by their line."""


def unescape(
    block: LineBlock, starts: Places, ends: Places, lines: Places, plain: Mask
) -> Mapping[int, Texts]:
    """Return the JSON text of strings that are not plain, by their column; these are plain then.

    `plain` has a row for each of the lines. Other values than strings are left as they are.
    """
    found: dict[int, dict[int, str]] = defaultdict(dict)
    for row, column in np.argwhere(~plain).tolist():
        text = block.text[starts[row, column] : ends[row, column]]
        if not text.startswith(b'"'):
            continue
        try:
            unescaped = quote(json.loads(text.decode()))
            unescaped.encode()  # half a character cannot be encoded
        except ValueError:
            continue
        found[column][int(lines[row])] = unescaped
        plain[row, column] = True
    return found


def replace_texts(column: pa.Array, lines: Places, texts: Texts) -> pa.Array:
    """Return a column, whose cells are on these lines, with some of its texts replaced."""
    is_replaced = np.isin(lines, np.fromiter(texts, np.intp, len(texts)))
    replacements = [texts[line] for line in lines[is_replaced].tolist()]
    return pc.replace_with_mask(column, pa.array(is_replaced), pa.array(replacements, pa.string()))
