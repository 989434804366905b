"""The first file after an update waits until no worker runs that has the model before."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

from tidegate.aws.account import Account
from tidegate.aws.stack import DeployedStack
from tidegate.deploy.proof.smoke import SmokeTest
from tidegate.deploy.screen import Screen

OLD, NEW = "task-definition/churn-worker:1", "task-definition/churn-worker:2"
STACK = DeployedStack(
    name="churn",
    status="UPDATE_COMPLETE",
    reason="",
    parameters={},
    outputs={
        "InputBucket": "in",
        "OutputBucket": "out",
        "OutputKey": "predictions",
        "Cluster": "churn",
        "TaskDefinition": NEW,
    },
    tags={},
)


class Cloud:
    """S3 and ECS: the worker of the old revision ends after some looks at it."""

    def __init__(self, looks: int) -> None:
        self.looks = looks
        self.happened: list[str] = []

    def client(self, _: str) -> Any:  # noqa: ANN401 - as boto3 has it
        return self

    def shown_as(self, _: str) -> nullcontext[None]:
        return nullcontext()

    def list_tasks(self, **_: object) -> dict[str, object]:
        return {"taskArns": ["worker"]}

    def describe_tasks(self, **_: object) -> dict[str, object]:
        self.looks -= 1
        runs = OLD if self.looks > 0 else NEW
        return {"tasks": [{"taskDefinitionArn": runs, "lastStatus": "RUNNING"}]}

    def put_object(self, **_: object) -> dict[str, str]:
        self.happened.append("file uploaded")
        return {"ETag": '"e"'}

    def get_object(self, **_: object) -> dict[str, object]:
        return {"Body": SimpleNamespace(read=lambda: b"a,1\n")}

    def list_object_versions(self, **_: object) -> dict[str, object]:
        return {}


def put_through(looks: int) -> list[str]:
    """Put a file through; return what happened, in order."""
    cloud = Cloud(looks)
    screen = SimpleNamespace(say=lambda _: None, show_wait=lambda _: None)
    SmokeTest(
        cast("Account", cloud),
        STACK,
        cast("Screen", screen),
        pause=lambda _: cloud.happened.append("paused"),
        bound_seconds=30,
    ).run("rows.csv", b"")
    return cloud.happened


def test_the_file_is_uploaded_once_the_older_workers_have_ended() -> None:
    assert put_through(looks=3) == ["paused", "paused", "file uploaded"]


def test_a_worker_of_this_revision_is_not_waited_for() -> None:
    assert put_through(looks=0) == ["file uploaded"]


def test_a_worker_that_does_not_end_is_not_waited_for_for_ever() -> None:
    assert put_through(looks=1000) == [*["paused"] * 10, "file uploaded"]
