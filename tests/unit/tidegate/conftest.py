from collections.abc import Iterator

import pytest
from moto import mock_aws

from tests.support.mocked_stack import NAME, MockedStack, make_stack


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockedStack]:
    """Make a stack's buckets, queues, cluster and log groups on moto, in this process."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("TIDEGATE_STACK", NAME)
    monkeypatch.setenv("COLUMNS", "100")
    with mock_aws():
        yield make_stack()
