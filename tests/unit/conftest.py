"""Unit tests run on a virtual clock: hours of heartbeats take milliseconds."""

from collections.abc import Callable, Iterator, Mapping

import pytest
import structlog
from structlog.testing import LogCapture

from tests.support.fakes.clock import VirtualLoop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], VirtualLoop]]:
    return {"virtual": VirtualLoop}


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
