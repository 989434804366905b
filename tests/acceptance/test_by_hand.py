"""The commands of docs/by-hand.md make, change and delete a stack, with a deployer's rights."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.iam.deployer import POLICIES
from tests.support.template import ROOT
from tests.support.terminal import Terminal
from tidegate.localcloud.cloud import REGION, Cloud, Credentials
from tidegate.localcloud.system import System

STACK = "byhand"
GIVEN, *BLOCKS = re.findall(
    r"^```sh\n(.*?)^```$", (ROOT / "docs" / "by-hand.md").read_text(), re.DOTALL | re.MULTILINE
)
END = next(number for number, block in enumerate(BLOCKS) if "delete-stack" in block)
ATTACHED = ("commands", "resources", "network")


@pytest.fixture
def deployer(system: System) -> Iterator[Credentials]:
    """Credentials of a user who has the deployer's policies and no other right."""
    iam = system.cloud.client("iam")
    iam.create_user(UserName="deployer")
    for name in ATTACHED:
        iam.put_user_policy(UserName="deployer", PolicyName=name, PolicyDocument=policy(name))
    key = iam.create_access_key(UserName="deployer")["AccessKey"]
    yield Credentials(key["AccessKeyId"], key["SecretAccessKey"])
    iam.delete_access_key(UserName="deployer", AccessKeyId=key["AccessKeyId"])
    for name in ATTACHED:
        iam.delete_user_policy(UserName="deployer", PolicyName=name)
    iam.delete_user(UserName="deployer")


def policy(name: str) -> str:
    text = (POLICIES / f"{name}.json").read_text()
    own = {"PARTITION": "aws", "ACCOUNT": "0" * 12, "REGION": REGION, "STACK": STACK}
    for placeholder, value in own.items():
        text = text.replace(placeholder, value)
    return text


@pytest.fixture
def terminal(tmp_path: Path, system: System, deployer: Credentials) -> Terminal:
    typed = Terminal.at(tmp_path, system.cloud)
    typed.environment |= system.cloud.environment(deployer) | {"PATH": typed.environment["PATH"]}
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
    assert tags_of_a_new_task(cloud)["CostCentre"] == "42"
    assert pushed(cloud) == {"1", "2"}

    await terminal.succeed("set -e\n" + set_names + "".join(BLOCKS[END:]))

    left = cloud.client("cloudformation").list_stacks()["StackSummaries"]
    assert [one["StackStatus"] for one in left if one["StackName"] == STACK] == ["DELETE_COMPLETE"]


def parameters(cloud: Cloud) -> dict[str, str]:
    (stack,) = cloud.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    return {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}


def tags_of_a_new_task(cloud: Cloud) -> dict[str, str]:
    """Start a task as the dispatcher does, and return its tags."""
    ecs = cloud.client("ecs")
    started = ecs.run_task(
        cluster=STACK,
        taskDefinition=f"{STACK}-worker",
        launchType="FARGATE",
        propagateTags="TASK_DEFINITION",
    )
    return {tag["key"]: tag["value"] for tag in started["tasks"][0]["tags"]}


def pushed(cloud: Cloud) -> set[str]:
    listed = cloud.client("ecr").list_images(repositoryName=f"{STACK}-worker")["imageIds"]
    return {image["imageTag"] for image in listed}
