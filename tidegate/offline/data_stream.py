"""Standard output for data alone."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO


@contextmanager
def data_stream() -> Iterator[IO[bytes]]:
    """Provide standard output for data; what a model prints meanwhile goes to standard error."""
    sys.stdout.flush()
    data = os.dup(1)
    os.dup2(2, 1)
    try:
        with os.fdopen(os.dup(data), "wb") as stream:
            yield stream
    finally:
        sys.stdout.flush()
        os.dup2(data, 1)
        os.close(data)
