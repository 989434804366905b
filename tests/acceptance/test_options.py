"""The template with every parameter set, deployed, updated and destroyed by `tidegate`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.terminal import Terminal
from tidegate.localcloud.system import System

STACK = "laden"
# Uploaded when the stack of the session was deployed.
MODEL = "s3://tidegate-artifacts/model.pkl"
SECRET = "arn:aws:ssm:us-east-1:000000000000:parameter/laden/key"


@pytest.fixture
def terminal(tmp_path: Path, system: System) -> Terminal:
    return Terminal.at(tmp_path, system.cloud)


@pytest.fixture
def network(system: System) -> Iterator[dict[str, str]]:
    """Subnets and a security group that belong to no stack."""
    ec2 = system.cloud.client("ec2")
    subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]][:2]
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    made = ec2.create_security_group(GroupName="own", Description="own", VpcId=vpc)["GroupId"]
    yield {"Subnets": ",".join(subnets), "SecurityGroups": made, "AssignPublicIp": "DISABLED"}
    ec2.delete_security_group(GroupId=made)


async def test_every_option_is_taken_at_once(
    system: System, terminal: Terminal, network: dict[str, str]
) -> None:
    options = network | {
        "Image": "ghcr.io/team/worker:1",
        "Architecture": "ARM64",
        "Capacity": "FARGATE_SPOT",
        "PredictorSecret": SECRET,
        "AlarmEmail": "night@example.com",
        "Dashboard": "DISABLED",
    }
    chosen = " ".join(f"--parameter {name}={value}" for name, value in options.items())

    await terminal.succeed(f"tidegate deploy {STACK} --model {MODEL} --no-smoke {chosen}")

    client = system.cloud.client
    told = function_environment(client("lambda"))
    assert told["DISPATCHER_SUBNETS"] == network["Subnets"]
    assert told["DISPATCHER_SECURITY_GROUPS"] == network["SecurityGroups"]
    (container,) = task_definition(client("ecs"))["containerDefinitions"]
    assert container["image"] == "ghcr.io/team/worker:1"
    assert len(container["secrets"]) == 1  # the emulator loses its name and value
    resources = client("cloudformation").list_stack_resources(StackName=STACK)
    made = [one["ResourceType"] for one in resources["StackResourceSummaries"]]
    assert made.count("AWS::CloudWatch::Alarm") == 6
    assert "AWS::SNS::Topic" in made
    assert [kind for kind in made if kind.startswith("AWS::EC2::")] == []
    assert "AWS::CloudWatch::Dashboard" not in made

    # An update without parameters keeps every option.
    said = await terminal.succeed(f"tidegate deploy {STACK}")
    assert "no changes" in said
    await terminal.succeed(f"tidegate destroy {STACK} --yes")


def function_environment(functions: Any) -> dict[str, str]:  # noqa: ANN401 - a client of any service
    found = functions.get_function_configuration(FunctionName=f"{STACK}-dispatcher")
    environment: dict[str, str] = found["Environment"]["Variables"]
    return environment


def task_definition(ecs: Any) -> dict[str, Any]:  # noqa: ANN401 - a client of any service
    found = ecs.describe_task_definition(taskDefinition=f"{STACK}-worker")
    definition: dict[str, Any] = found["taskDefinition"]
    return definition
