"""The reason of a dead letter as message attributes, which fit into the message with its body."""

import re
from collections.abc import Mapping

MAX_ATTRIBUTE_CHARACTERS = 1000
LEAST_BYTES = 40  # a text that has to be shorter than that to fit is left out
NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_TYPE_BYTES = len("String")  # SQS counts an attribute's type too


def fitting_attributes(attributes: Mapping[str, str], room: int) -> dict[str, str]:
    """Return attributes that take at most `room` bytes, with the characters that SQS allows.

    The longest one, which is the reason, is shortened first. If that is not enough, the last ones
    are left out.
    """
    kept = {name: _allowed(text) for name, text in attributes.items()}
    while kept:
        excess = _size(kept) - room
        if excess <= 0:
            break
        longest = max(kept, key=lambda name: len(kept[name].encode()))
        shortened = _cut(kept[longest], len(kept[longest].encode()) - excess)
        if len(shortened.encode()) >= LEAST_BYTES:
            kept[longest] = shortened
        else:
            kept.popitem()
    return kept


def _allowed(text: str) -> str:
    return NOT_IN_XML.sub("?", text)[:MAX_ATTRIBUTE_CHARACTERS] or "?"


def _size(attributes: Mapping[str, str]) -> int:
    return sum(
        len(name.encode()) + _TYPE_BYTES + len(text.encode()) for name, text in attributes.items()
    )


def _cut(text: str, size: int) -> str:
    """Return the beginning of a text that takes so many bytes at most, in whole characters."""
    return text.encode()[: max(0, size)].decode(errors="ignore")
