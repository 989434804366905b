"""botocore's descriptions of the services, read once for all clients of a test run.

Each session of botocore reads them anew, which takes most of a short test's time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
from botocore.loaders import JSONFileLoader


@contextmanager
def models_read_once() -> Iterator[None]:
    """Keep what is read from botocore's files for the length of the block."""
    load = JSONFileLoader.load_file

    @cache
    def kept(path: str) -> Any:  # noqa: ANN401 - as botocore has it
        return load(JSONFileLoader(), path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda _, path: kept(path))
        yield
