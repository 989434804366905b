"""moto's server in this process, called over real HTTP."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from moto.server import ThreadedMotoServer

from tests.support.aws_models import models_read_once
from tests.support.certificates import make_authority
from tests.support.scenario import REGION, Endpoint
from tests.support.tls_front import Front, tls_front


@pytest.fixture(scope="session", autouse=True)
def models() -> Iterator[None]:
    """Read the descriptions of AWS's services once."""
    with models_read_once():
        yield


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the authority that certifies the tests' servers."""
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def front(moto_url: str, bundle: Path) -> Iterator[Front]:
    """moto's server over TLS."""
    with tls_front(moto_url, bundle) as front:
        yield front


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the AWS settings of this machine."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", REGION)


@pytest.fixture
def endpoint(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    """An empty account with buckets and queues, which every client of the test uses."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    with urlopen(Request(f"{moto_url}/moto-api/reset", method="POST")):  # noqa: S310 - our own
        return Endpoint(moto_url, "jobs")
