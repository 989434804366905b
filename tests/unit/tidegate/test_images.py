import sys
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tidegate.localcloud.images import CannotPullContainer, Image, pull, push

REPOSITORY = "churn-worker"
NAME = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{REPOSITORY}"


@pytest.fixture
def ecr() -> Any:  # noqa: ANN401 - its stubs are not among ours
    with mock_aws():
        client = boto3.client("ecr", region_name="us-east-1")
        client.create_repository(repositoryName=REPOSITORY)
        yield client


def test_each_tag_brings_its_own_python_and_settings(ecr: Any) -> None:  # noqa: ANN401 - as above
    first = Image("/first/bin/python", {"WORKER_PREDICTOR": "own:Rule"})
    second = Image(environment={"WORKER_PREDICTOR": "other:Rule"})
    push(ecr, REPOSITORY, "1", first)
    push(ecr, REPOSITORY, "2", second)

    assert pull(ecr, f"{NAME}:1") == first
    assert pull(ecr, f"{NAME}:2") == second


def test_any_other_manifest_stands_for_the_worker_of_the_checkout() -> None:
    assert Image.of('{"schemaVersion": 2}') == Image(sys.executable, {})


def test_an_image_outside_of_ecr_is_the_worker_of_the_checkout(ecr: Any) -> None:  # noqa: ANN401 - as above
    assert pull(ecr, "ghcr.io/team/worker:1") == Image()


@pytest.mark.parametrize("name", [f"{NAME}:absent", NAME.replace("churn", "no-such") + ":1"])
def test_an_image_that_is_not_there_cannot_be_pulled(ecr: Any, name: str) -> None:  # noqa: ANN401 - as above
    with pytest.raises(CannotPullContainer, match=r"^CannotPullContainerError: "):
        pull(ecr, name)
