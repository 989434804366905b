"""The network that the template creates if no subnets are given."""

import ipaddress
from collections.abc import Mapping

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


def test_its_subnets_are_in_two_zones_and_have_room_for_the_most_workers() -> None:
    subnets = [found["Properties"] for found in of_type("AWS::EC2::Subnet").values()]
    blocks = [ipaddress.ip_network(subnet["CidrBlock"]) for subnet in subnets]
    vpc = ipaddress.ip_network(properties("Vpc")["CidrBlock"])
    zones = [subnet["AvailabilityZone"]["Fn::Select"][0] for subnet in subnets]

    assert sorted(zones) == [0, 1]
    assert not blocks[0].overlaps(blocks[1])
    assert all(block.subnet_of(vpc) for block in blocks)  # type: ignore[arg-type] # both are IPv4
    assert min(block.num_addresses for block in blocks) > PARAMETERS["MaxTasks"]["MaxValue"]


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
