"""What a terminal shows: each line fits, but for what people copy, which is left whole."""

import re
from collections.abc import Iterable

# Rows with a name or a command, and lines with a file's address: the terminal itself wraps these.
WHOLE = re.compile(
    r"(next|file|files|such as|output|rejects|report) |would submit |\d\d:\d\d:\d\d "
)
MORE = re.compile(r" {11}(tidegate|aws|s3:)")  # of the row before


def too_long(lines: Iterable[str], columns: int) -> list[str]:
    """Return the lines that do not fit, and that nobody copies."""
    return [
        line
        for line in lines
        if len(line) > columns and not (WHOLE.match(line) or MORE.match(line))
    ]
