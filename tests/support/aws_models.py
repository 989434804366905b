"""botocore's descriptions of the services, read once for all clients of a test run.

Each session of botocore reads them anew, which takes most of a short test's time.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
from botocore.loaders import JSONFileLoader, Loader


@contextmanager
def models_read_once() -> Iterator[None]:
    """Keep what is read from botocore's files for the length of the block."""
    load = JSONFileLoader.load_file

    @cache
    def kept(path: str) -> Any:  # noqa: ANN401 - as botocore has it
        return load(JSONFileLoader(), path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda _, path: kept(path))
        # The folders of four hundred services are listed to find the file of one.
        for name in ("list_available_services", "load_service_model"):
            patch.setattr(Loader, name, _once(getattr(Loader, name)))
        yield


def _once(find: Callable[..., Any]) -> Callable[..., Any]:
    """Return a loader's method whose answers all loaders of the same folders share."""
    answers: dict[object, Any] = {}

    def found(loader: Loader, *arguments: str, **named: str) -> Any:  # noqa: ANN401 - as above
        key = tuple(loader.search_paths), arguments, tuple(named.items())
        if key not in answers:
            answers[key] = find(loader, *arguments, **named)
        return answers[key]

    return found
