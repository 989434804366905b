"""Unit tests run on a virtual clock: hours of heartbeats take milliseconds."""

import inspect
from collections.abc import Iterator

import pytest
import structlog
from structlog.testing import LogCapture


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function):
            item.add_marker(pytest.mark.looptime)


@pytest.fixture(autouse=True)
def logs() -> Iterator[LogCapture]:
    """What was logged, as a list of dictionaries in `entries`."""
    capture = LogCapture()
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, capture],
        wrapper_class=structlog.BoundLogger,
        cache_logger_on_first_use=False,
    )
    yield capture
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
