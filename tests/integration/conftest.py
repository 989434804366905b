"""moto's server, in this process, with real HTTP between it and whoever calls."""

from collections.abc import Iterator
from urllib.request import Request, urlopen

import pytest
from moto.server import ThreadedMotoServer

from tests.scenario import Endpoint


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def endpoint(moto_url: str) -> Endpoint:
    """An empty account with buckets and queues."""
    with urlopen(Request(f"{moto_url}/moto-api/reset", method="POST")):  # noqa: S310 - our own
        return Endpoint(moto_url, "jobs")
