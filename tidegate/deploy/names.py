"""What a stack may be called: its name is part of its buckets' names."""

import re

from worker.errors import SettingsError

MAX_LETTERS = 28
_NAME = re.compile(rf"[a-z][a-z0-9-]{{0,{MAX_LETTERS - 1}}}")
_RESERVED = ("xn--", "sthree-", "amzn-s3-demo-")  # S3 has no bucket that begins with one of these


def check_name(name: str) -> None:
    """Raise SettingsError if no stack of Tidegate can have this name."""
    if not _NAME.fullmatch(name) or name.startswith(_RESERVED):
        raise SettingsError(
            f"a stack cannot be called {name!r}: its buckets carry the name, so use lower-case"
            f" letters, digits and hyphens, a letter first, {MAX_LETTERS} characters at most"
        )
