"""The three roles of the deployed stack, and the ARNs of the resources that they use."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tidegate.localcloud.cloud import REGION, Cloud, Credentials
from tidegate.localcloud.stack import NAME

ROLES = ("DispatcherRole", "TaskRole", "ExecutionRole")
POLICY = "copied"
ANYBODY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
}


@dataclass(frozen=True, slots=True)
class Arns:
    """ARNs of the stack's resources, and of resources outside the stack."""

    account: str
    names: Mapping[str, str]  # physical names by logical id

    def bucket(self, logical_id: str, key: str | None = None) -> str:
        path = "" if key is None else f"/{key}"
        return f"arn:aws:s3:::{self.names[logical_id]}{path}"

    def queue(self, logical_id: str) -> str:
        return self.arn("sqs", self.names[logical_id].rpartition("/")[2])

    def role(self, logical_id: str) -> str:
        return f"arn:aws:iam::{self.account}:role/{self.names[logical_id]}"

    @property
    def cluster(self) -> str:
        return self.arn("ecs", f"cluster/{self.names['Cluster']}")

    @property
    def task(self) -> str:
        return self.arn("ecs", f"task/{self.names['Cluster']}/{'0' * 32}")

    @property
    def task_definition(self) -> str:
        return self.names["TaskDefinition"]

    def log_stream(self, logical_id: str) -> str:
        return self.arn("logs", f"log-group:{self.names[logical_id]}:log-stream:any")

    def arn(self, service: str, rest: str) -> str:
        return f"arn:aws:{service}:{REGION}:{self.account}:{rest}"


def arns(cloud: Cloud) -> Arns:
    """Read the names of the stack's resources."""
    client = cloud.client("cloudformation")
    found = client.describe_stack_resources(StackName=NAME)["StackResources"]
    names = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in found}
    return Arns(cloud.client("sts").get_caller_identity()["Account"], names)


def statements(cloud: Cloud, role: str) -> list[dict[str, Any]]:
    """Return the statements of a role."""
    iam = cloud.client("iam")
    found: list[dict[str, Any]] = []
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        found += document["Statement"]
    return found


@contextmanager
def copied(
    cloud: Cloud, name: str, granted: list[dict[str, Any]], renamed: Mapping[str, str]
) -> Iterator[Credentials]:
    """Yield credentials of a new role with these statements, for renamed resources."""
    text = json.dumps({"Version": "2012-10-17", "Statement": granted})
    for old, new in renamed.items():
        text = text.replace(old, new)
    iam = cloud.client("iam")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(ANYBODY))["Role"]
    iam.put_role_policy(RoleName=name, PolicyName=POLICY, PolicyDocument=text)
    sts = cloud.client("sts")
    issued = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="at-work")["Credentials"]
    try:
        yield Credentials(issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"])
    finally:
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
        iam.delete_role(RoleName=name)
