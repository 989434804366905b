import functools
from collections.abc import Iterator

import pytest
from botocore.loaders import JSONFileLoader
from moto import mock_aws

from tests.support.mocked_stack import NAME, MockedStack, make_stack

# Each command makes its own clients, as each process does. To parse AWS's models anew for each of
# them would take most of the tests' time.
parsed_once = functools.cache(JSONFileLoader().load_file)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockedStack]:
    """Make a stack's buckets, queues, cluster and log groups on moto, in this process."""
    monkeypatch.setattr(JSONFileLoader, "load_file", lambda _, path: parsed_once(path))
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("TIDEGATE_STACK", NAME)
    monkeypatch.setenv("COLUMNS", "100")
    with mock_aws():
        yield make_stack()
