"""Failures of one cause, known by their error's type and by its message without its particulars."""

import hashlib
import re

LISTED = r"'…'(?: \([^()]*\))?"
MASKS = (
    (re.compile(r"s3://\S+"), "s3://…"),
    # A quote, but no apostrophe: one inside a word opens and closes nothing.
    (re.compile(r"(?<!\w)('[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`)(?!\w)"), "'…'"),
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b"), "#"),  # digests and ids
    (re.compile(r"[-+]?\b\d[\d,.]*(?:[eE][-+]?\d+)?\b"), "#"),
    (re.compile(r"#(?:[.,:]#)+"), "#"),
    # Lists of any length are one: of names, or of names with their explanation in brackets.
    (
        re.compile(r"'…'(?: \([^()]*\))?(?:(?:, and |, or |, | and | or )'…'(?: \([^()]*\))?)*"),
        "'…'",
    ),
)
DIGITS = 4


def mask(message: str, *names: str) -> str:
    """Return the message without what differs from file to file.

    That is the file's own names, quoted text, addresses, digests, and numbers such as a line's.
    """
    for name in sorted(filter(None, names), key=len, reverse=True):
        message = message.replace(name, "FILE")
    for pattern, replacement in MASKS:
        message = pattern.sub(replacement, message)
    return message


def group_name(error_type: str, masked: str) -> str:
    """Return a short name for a group, the same on every day: `SchemaMismatch-3fa2`."""
    digest = hashlib.sha256(f"{error_type}\0{masked}".encode()).hexdigest()
    return f"{error_type}-{digest[:DIGITS]}"
