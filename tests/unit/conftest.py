"""Unit tests run on a virtual clock: hours of heartbeats take milliseconds.

Hypothesis draws the same examples in each run of the profile `test`, and half as many as its own
default: they take much of the tests' time. The profile `chaos` draws more examples, and others in
each run: set HYPOTHESIS_PROFILE=chaos.
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping

import pytest
import structlog
from hypothesis import HealthCheck, settings
from structlog.testing import LogCapture

from tests.support.aws_models import models_read_once
from tests.support.fakes.clock import VirtualLoop

# Hypothesis measures seconds for its deadline and for `too_slow`: a slow machine is not a failure.
settings.register_profile(
    "test",
    deadline=None,
    derandomize=True,
    max_examples=50,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "chaos", settings.get_profile("test"), derandomize=False, database=None, max_examples=1000
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))


@pytest.fixture(scope="session", autouse=True)
def models() -> Iterator[None]:
    """Read the descriptions of AWS's services once."""
    with models_read_once():
        yield


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], VirtualLoop]]:
    return {"virtual": VirtualLoop}


@pytest.hookimpl(trylast=True)  # Hypothesis marks its own tests first
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give a test of Hypothesis the time of all its examples: only a hang takes an hour."""
    for item in items:
        if item.get_closest_marker("hypothesis"):
            item.add_marker(pytest.mark.timeout(3600))


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
    # A test may have configured the logs as a worker does. Its standard error is closed by now.
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(handler)
