"""`tidegate push` builds an image and pushes it, and changes nothing else."""

import json

import pytest

from tests.support.fakes.deploying import OWNER, REGION, REPOSITORY, Surroundings
from tidegate.aws.errors import AwsError
from tidegate.deploy.images import record_key
from tidegate.deploy.push import push_image
from tidegate.image.source import ImageSource

BUCKET = f"tide-deploy-{OWNER}-{REGION}"


def push(around: Surroundings, architecture: str | None = None) -> None:
    push_image(
        around.account,
        "tide",
        ImageSource(python="3.12"),
        architecture,
        screen=around.screen,
        make_builder=around.make_builder,
    )


@pytest.fixture
def standing(around: Surroundings) -> Surroundings:
    """A stack for ARM64, with its artifact bucket."""
    stack = around.cloudformation.add("tide", "CREATE_COMPLETE")
    stack.parameters = {"Architecture": "ARM64"}
    around.bring_up(stack)
    around.account.client("s3").create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    return around


def test_the_image_is_built_for_the_stacks_processor_and_recorded(standing: Surroundings) -> None:
    push(standing)

    made = [call for call in standing.calls if call.startswith(("build", "push"))]
    assert made == ["build", f"push {REPOSITORY}"]
    assert standing.sources[0].architecture == "ARM64"
    s3 = standing.account.client("s3")
    record = s3.get_object(Bucket=BUCKET, Key=record_key("0123456789ab"))["Body"].read()
    assert json.loads(record)["python"] == "3.12"


def test_an_image_that_is_there_is_not_built(standing: Surroundings) -> None:
    standing.keep()

    push(standing, "X86_64")

    assert "build" not in standing.calls
    assert f"the image 0123456789ab is in {REPOSITORY} already" in standing.screen.said


def test_nothing_is_built_for_a_stack_that_is_not_there(around: Surroundings) -> None:
    with pytest.raises(AwsError, match="there is no stack tide"):
        push(around)

    assert around.calls == ["describe_stacks"]
