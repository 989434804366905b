"""How-to pages: their commands are run in order, and print what the pages show."""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pages import blocks_of, check_screen, save_files
from tests.support.template import ROOT
from tests.support.terminal import Terminal
from tests.support.warm_commands import WarmCommands
from tidegate.localcloud.cloud import REGION
from tidegate.localcloud.system import System

PROGRAM = Path(sys.executable).with_name("aws")


def text_of(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


@pytest.fixture
def terminal(tmp_path: Path, system: System) -> Iterator[Terminal]:
    """A terminal that uses the local cloud; the stacks of the pages are deleted at the end."""
    typed = Terminal.at(tmp_path, system.cloud)
    typed.environment["TIDEGATE_STACK"] = "loyalty"
    aws = typed.folder.parent / "bin" / "aws"  # what the function does that the local cloud prints
    aws.write_text(f'#!/bin/sh\nexec {PROGRAM} --endpoint-url {system.cloud.url} "$@"\n')
    aws.chmod(0o755)
    yield typed
    for stack in ("loyalty", "private"):
        system.cloud.client("cloudformation").delete_stack(StackName=stack)


async def type_page(name: str, terminal: Terminal, commands: WarmCommands) -> None:
    """Type the commands of a page."""
    page = text_of(name)
    save_files(page, terminal.folder)
    for block in blocks_of(page):
        for command, _ in block.commands if block.is_run else ():
            ran = await terminal.type(command, commands)
            check_screen(block, command, ran.status, ran.printed)


@pytest.mark.parametrize("name", ["big-files.md", "formats.md"])
async def test_a_page_without_a_cloud(name: str, tmp_path: Path, commands: WarmCommands) -> None:
    await type_page(name, Terminal.offline(tmp_path), commands)


async def test_a_model_is_changed_safely_and_rolled_back_and_its_workers_go_to_spot(
    terminal: Terminal, commands: WarmCommands
) -> None:
    for name in ("change-a-model.md", "roll-back.md", "spot.md"):
        await type_page(name, terminal, commands)


async def test_a_message_of_the_post_is_predicted(
    terminal: Terminal, commands: WarmCommands
) -> None:
    await type_page("from-the-post.md", terminal, commands)


async def test_a_stack_is_deployed_into_private_subnets(system: System, terminal: Terminal) -> None:
    names, *scripts = (
        block.text for block in blocks_of(text_of("private-subnets.md")) if block.language == "sh"
    )
    shutil.copy(system.model, terminal.folder / "model.pkl")
    ec2 = system.cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(
            VpcId=vpc, CidrBlock=f"10.7.{number}.0/24", AvailabilityZone=f"{REGION}{zone}"
        )["Subnet"]["SubnetId"]
        for number, zone in enumerate("ab")
    ]
    names = names.replace("STACK=churn", "STACK=private").replace("eu-west-1", REGION)
    names = re.sub(r"^VPC=.*", f"VPC={vpc}", names, flags=re.MULTILINE)
    names = re.sub(r"^SUBNETS=.*", f"SUBNETS={','.join(subnets)}", names, flags=re.MULTILINE)

    await terminal.succeed("set -e\n" + names + "".join(scripts))

    function = system.cloud.client("lambda").get_function_configuration(
        FunctionName="private-dispatcher"
    )
    variables = function["Environment"]["Variables"]
    assert variables["DISPATCHER_SUBNETS"] == ",".join(subnets)
    assert variables["DISPATCHER_ASSIGN_PUBLIC_IP"] == "DISABLED"
    groups = ec2.describe_security_groups()["SecurityGroups"]
    workers = [one["GroupId"] for one in groups if one["GroupName"] == "private-workers"]
    assert [variables["DISPATCHER_SECURITY_GROUPS"]] == workers
    found = ec2.describe_vpc_endpoints(Filters=[{"Name": "vpc-id", "Values": [vpc]}])
    services = {one["ServiceName"].partition(f"{REGION}.")[2] for one in found["VpcEndpoints"]}
    assert services == {"s3", "sqs", "logs", "ecr.api", "ecr.dkr"}
