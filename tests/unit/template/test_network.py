"""The network that the template creates if no subnets are given."""

import ipaddress
from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.template import PARAMETERS, RESOURCES, of_type, properties, resolve

GIVEN = {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroups": ["sg-1"]}
MADE = {
    "Subnets": [],
    "SecurityGroups": [],
    "FirstSubnet": "subnet-a",
    "SecondSubnet": "subnet-b",
    "WorkerSecurityGroup": "sg-a",
}


def variable(name: str, known: Mapping[str, object]) -> object:
    return resolve(properties("Dispatcher")["Environment"]["Variables"][name], known)


def test_given_subnets_and_security_groups_are_used() -> None:
    assert variable("DISPATCHER_SUBNETS", GIVEN) == "subnet-1,subnet-2"
    assert variable("DISPATCHER_SECURITY_GROUPS", GIVEN) == "sg-1"


def test_without_any_the_stacks_own_are_used() -> None:
    assert variable("DISPATCHER_SUBNETS", MADE) == "subnet-a,subnet-b"
    assert variable("DISPATCHER_SECURITY_GROUPS", MADE) == "sg-a"


def test_no_part_of_the_network_is_made_where_one_is_given() -> None:
    network = [found for found in RESOURCES.values() if found["Type"].startswith("AWS::EC2::")]

    assert {found["Condition"] for found in network} == {"MakesNetwork"}


def subnets(zones: str) -> list[dict[str, Any]]:
    """Return the properties of the subnets in a region with three zones."""
    in_region = ["us-east-1a", "us-east-1b", "us-east-1c"]
    known = {"Zones": zones, "AZs": in_region, "AWS::StackName": "tide", "Vpc": "vpc-1"}
    return [resolve(subnet["Properties"], known) for subnet in of_type("AWS::EC2::Subnet").values()]


@pytest.mark.parametrize("zones", ["", "us-east-1b,us-east-1c"])
def test_its_subnets_have_room_for_the_most_workers(zones: str) -> None:
    blocks = [ipaddress.ip_network(subnet["CidrBlock"]) for subnet in subnets(zones)]
    vpc = ipaddress.ip_network(resolve(properties("Vpc")["CidrBlock"], {"Zones": zones}))

    assert not blocks[0].overlaps(blocks[1])
    assert all(block.subnet_of(vpc) for block in blocks)  # type: ignore[arg-type] # both are IPv4
    assert min(block.num_addresses for block in blocks) > PARAMETERS["MaxTasks"]["MaxValue"]


@pytest.mark.parametrize(
    ("zones", "chosen"),
    [
        ("", ["us-east-1a", "us-east-1b"]),
        ("us-east-1b,us-east-1c", ["us-east-1b", "us-east-1c"]),
    ],
)
def test_its_subnets_are_in_the_zones_that_are_named_else_in_the_first_two(
    zones: str, chosen: list[str]
) -> None:
    assert [subnet["AvailabilityZone"] for subnet in subnets(zones)] == chosen


def test_subnets_in_other_zones_get_addresses_of_their_own() -> None:
    # CloudFormation makes the new subnets before it deletes the old ones.
    before, after = (
        ipaddress.ip_network(resolve(properties("Vpc")["CidrBlock"], {"Zones": zones}))
        for zones in ("", "us-east-1b,us-east-1c")
    )

    assert not before.overlaps(after)


def test_nothing_may_come_in_and_only_https_may_go_out() -> None:
    group = properties("WorkerSecurityGroup")
    (out,) = group["SecurityGroupEgress"]

    assert "SecurityGroupIngress" not in group
    assert (out["IpProtocol"], out["FromPort"], out["ToPort"]) == ("tcp", 443, 443)


def test_s3_is_reached_by_the_endpoint_that_is_free() -> None:
    (endpoint,) = of_type("AWS::EC2::VPCEndpoint").values()

    assert endpoint["Properties"]["VpcEndpointType"] == "Gateway"
    assert endpoint["Properties"]["ServiceName"] == {"Fn::Sub": "com.amazonaws.${AWS::Region}.s3"}
    assert endpoint["Properties"]["RouteTableIds"] == [{"Ref": "RouteTable"}]


@pytest.mark.parametrize("subnet", of_type("AWS::EC2::Subnet"))
def test_every_subnet_has_the_routes(subnet: str) -> None:
    assert properties(f"{subnet}Routes") == {
        "SubnetId": {"Ref": subnet},
        "RouteTableId": {"Ref": "RouteTable"},
    }
