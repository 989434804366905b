from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from tests.support.fakes.cloudformation import FakeCloudFormation
from tests.support.fakes.deploying import REGION, FakeAccount, FakeScreen, Surroundings
from tidegate.deploy.cloudformation.template import Template
from tidegate.project_files import project_file


@pytest.fixture(scope="session")
def account() -> Iterator[FakeAccount]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_DEFAULT_REGION", REGION)
        with mock_aws():  # which has credentials of its own
            made = FakeAccount()
        yield made


@pytest.fixture
def around(account: FakeAccount) -> Iterator[Surroundings]:
    """An account with nothing in it."""
    with mock_aws():
        cloudformation, screen = FakeCloudFormation(), FakeScreen()
        account.forget(cloudformation, screen)
        surroundings = Surroundings(cloudformation, screen, account, calls=cloudformation.calls)
        cloudformation.on_complete = surroundings.bring_up
        yield surroundings


@pytest.fixture(scope="session")
def template() -> Template:
    return Template.read(project_file("infra/cloudformation.yaml").read_text())


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"a model")
    return path
