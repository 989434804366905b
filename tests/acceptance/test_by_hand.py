"""The commands of docs/by-hand.md make, change and delete a stack, with a deployer's rights."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.iam.user import user
from tests.support.template import ROOT
from tests.support.terminal import Terminal
from tidegate.localcloud.cloud import REGION, Cloud, Credentials
from tidegate.localcloud.system import System

STACK = "byhand"
GIVEN, *BLOCKS = re.findall(
    r"^```sh\n(.*?)^```$", (ROOT / "docs" / "by-hand.md").read_text(), re.DOTALL | re.MULTILINE
)
END = next(number for number, block in enumerate(BLOCKS) if "delete-stack" in block)


@pytest.fixture
def deployer(system: System) -> Iterator[Credentials]:
    """Credentials of a user who has the deployer's policies and no other right."""
    with user(system.cloud, STACK) as credentials:
        yield credentials


@pytest.fixture
def terminal(tmp_path: Path, system: System, deployer: Credentials) -> Terminal:
    typed = Terminal.at(tmp_path, system.cloud, deployer)
    (typed.folder / "model.pkl").write_bytes(system.model.read_bytes())
    return typed


async def test_the_commands_of_the_page_make_change_and_delete_a_stack_with_a_deployers_rights(
    system: System, terminal: Terminal
) -> None:
    cloud = system.cloud
    set_names = f"export AWS_REGION={REGION}\nSTACK={STACK}\nMODEL=model.pkl\n"
    assert [line.partition("=")[0] for line in GIVEN.splitlines()] == [
        line.partition("=")[0] for line in set_names.splitlines()
    ]

    printed = await terminal.succeed("set -e\n" + set_names + "".join(BLOCKS[:END]))

    assert f"s3://{STACK}-input-{'0' * 12}-{REGION}/" in printed
    assert re.search(r"^Modify\t.*\tTaskDefinition$", printed, re.MULTILINE)
    assert parameters(cloud)["MaxTasks"] == "8"
    assert tags_of_the_workers(cloud)["CostCentre"] == "42"
    assert pushed(cloud) == {"1", "2"}

    await terminal.succeed("set -e\n" + set_names + "".join(BLOCKS[END:]))

    left = cloud.client("cloudformation").list_stacks()["StackSummaries"]
    assert [one["StackStatus"] for one in left if one["StackName"] == STACK] == ["DELETE_COMPLETE"]


def parameters(cloud: Cloud) -> dict[str, str]:
    (stack,) = cloud.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    return {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}


def tags_of_the_workers(cloud: Cloud) -> dict[str, str]:
    """Return the tags of the task definition, which the dispatcher gives each task."""
    ecs = cloud.client("ecs")
    found = ecs.describe_task_definition(taskDefinition=f"{STACK}-worker", include=["TAGS"])
    return {tag["key"]: tag["value"] for tag in found["tags"]}


def pushed(cloud: Cloud) -> set[str]:
    listed = cloud.client("ecr").list_images(repositoryName=f"{STACK}-worker")["imageIds"]
    return {image["imageTag"] for image in listed}
