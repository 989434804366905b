"""The network that workers start in: subnets, security groups and the way out."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from tidegate.doctor.facts import Facts
from tidegate.doctor.finding import Finding, broken, ok, warning
from worker.aws.errors import error_code

ANYWHERE = "0.0.0.0/0"
HTTPS = 443
ENDPOINTS = ("s3", "sqs", "logs", "ecr.api", "ecr.dkr")  # what a worker talks to


def network(facts: Facts) -> Finding:
    """Look at the subnets and security groups that the dispatcher starts workers in."""
    given = facts.function["Configuration"].get("Environment", {}).get("Variables", {})
    if not given.get("DISPATCHER_SUBNETS") and not facts.is_aws:
        return ok("the local cloud has none: workers run on this machine")
    subnets = given.get("DISPATCHER_SUBNETS", "").split(",")
    groups = given.get("DISPATCHER_SECURITY_GROUPS", "").split(",")
    has_address = given.get("DISPATCHER_ASSIGN_PUBLIC_IP") == "ENABLED"
    ec2: Any = facts.client("ec2")
    try:
        described = ec2.describe_subnets(SubnetIds=subnets)["Subnets"]
        security = ec2.describe_security_groups(GroupIds=groups)["SecurityGroups"]
    except ClientError as error:
        if not error_code(error).endswith((".NotFound", ".NotFoundException")):
            raise
        return broken(f"{error}", "Name others:", _deploy(facts))
    problems = [*_closed(security), *_ways_out(ec2, described, has_address=has_address)]
    if problems:
        what = "; ".join(problems)
        return broken(
            f"{what}: a worker there does not start",
            "Mend it, or name other subnets:",
            _deploy(facts),
        )
    free = sum(subnet["AvailableIpAddressCount"] for subnet in described)
    most = int(facts.stack.parameters["MaxTasks"])
    if free < most:
        return warning(
            f"{free:,} addresses are free, and MaxTasks is {most:,}",
            "Not all workers can start. Name more subnets, or fewer tasks:",
            f"tidegate deploy {facts.stack.name} --parameter MaxTasks={free}",
        )
    return ok(f"{', '.join(subnets)} reach AWS")


def _deploy(facts: Facts) -> str:
    return (
        f"tidegate deploy {facts.stack.name} --parameter Subnets=SUBNET,SUBNET"
        " --parameter SecurityGroups=GROUP"
    )


def _closed(groups: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield why no HTTPS leaves: one group that lets it out is enough."""
    if not any(_lets_out(rule) for group in groups for rule in group["IpPermissionsEgress"]):
        names = ", ".join(group["GroupId"] for group in groups)
        yield f"{names} lets no HTTPS out"


def _lets_out(rule: Mapping[str, Any]) -> bool:
    protocol = rule["IpProtocol"]
    return protocol == "-1" or (
        protocol in {"tcp", "6"} and rule.get("FromPort", 0) <= HTTPS <= rule.get("ToPort", 65_535)
    )


def _ways_out(
    ec2: Any,  # noqa: ANN401 (its stubs are not among ours)
    subnets: Sequence[Mapping[str, Any]],
    *,
    has_address: bool,
) -> Iterator[str]:
    """Yield each subnet from which AWS is not reached."""
    vpc = subnets[0]["VpcId"]
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
    for subnet in subnets:
        way = _default_route(tables, subnet["SubnetId"])
        if way.startswith("igw-") and not has_address:
            yield (
                f"{subnet['SubnetId']} leads to an internet gateway, and workers get no public"
                " address (AssignPublicIp)"
            )
        elif not way and (missing := _missing_endpoints(ec2, vpc)):
            yield (
                f"{subnet['SubnetId']} has no route out, and its VPC no endpoints for"
                f" {', '.join(missing)}"
            )


def _default_route(tables: Sequence[Any], subnet: str) -> str:
    """Return what the subnet's route to everywhere leads to; empty if it has none."""

    def associated(table: Any, name: str, value: object) -> bool:  # noqa: ANN401 - an answer of EC2
        return any(one.get(name) == value for one in table["Associations"])

    own = [table for table in tables if associated(table, "SubnetId", subnet)]
    main = [table for table in tables if associated(table, "Main", True)]
    for route in (own or main or [{"Routes": []}])[0]["Routes"]:
        if route.get("DestinationCidrBlock") == ANYWHERE and route.get("State") != "blackhole":
            targets = [value for name, value in route.items() if name.endswith("Id")]
            return str(targets[0]) if targets else ""
    return ""


def _missing_endpoints(ec2: Any, vpc: str) -> list[str]:  # noqa: ANN401 (as above)
    answer = ec2.describe_vpc_endpoints(Filters=[{"Name": "vpc-id", "Values": [vpc]}])
    there = [one["ServiceName"] for one in answer["VpcEndpoints"]]
    return [name for name in ENDPOINTS if not any(one.endswith(f".{name}") for one in there)]
