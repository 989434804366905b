"""A deployed stack of Tidegate: found by name, or as the only one there is."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Self

from botocore.exceptions import ClientError

from tidegate.aws.account import Account
from tidegate.aws.errors import AwsError
from worker.aws.errors import error_code
from worker.errors import SettingsError

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

VARIABLE = "TIDEGATE_STACK"
DESCRIPTION = "Tidegate: "  # how the template's description begins


@dataclass(frozen=True, slots=True)
class DeployedStack:
    """What CloudFormation knows of a stack."""

    name: str
    status: str
    reason: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]
    tags: Mapping[str, str]
    id: str = ""
    description: str = ""
    protected: bool = False  # from deletion
    updated: datetime | None = None  # when it was last deployed

    @property
    def is_tidegate(self) -> bool:
        """Return whether the stack is made of Tidegate's template."""
        return self.description.startswith(DESCRIPTION)

    @classmethod
    def of(cls, answer: "StackTypeDef") -> Self:
        """Read a stack of DescribeStacks' answer."""
        return cls(
            answer["StackName"],
            answer["StackStatus"],
            answer.get("StackStatusReason", ""),
            {one["ParameterKey"]: one["ParameterValue"] for one in answer.get("Parameters", [])},
            {one["OutputKey"]: one["OutputValue"] for one in answer.get("Outputs", [])},
            {one["Key"]: one["Value"] for one in answer.get("Tags", [])},
            answer["StackId"],
            answer.get("Description", ""),
            answer.get("EnableTerminationProtection", False),
            answer.get("LastUpdatedTime") or answer.get("CreationTime"),
        )


def describe(account: Account, name: str) -> DeployedStack | None:
    """Return the stack of that name; None only if CloudFormation says that there is none."""
    try:
        (answer,) = account.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        # CloudFormation has no code of its own for this.
        if error_code(error) == "ValidationError" and "does not exist" in str(error):
            return None
        raise
    return DeployedStack.of(answer)


def find(account: Account, name: str | None) -> DeployedStack:
    """Return the stack that is named, that TIDEGATE_STACK names, or that is the only one.

    Raises AwsError if there is none, SettingsError if there are several.
    """
    name = name or os.environ.get(VARIABLE)
    if name:
        stack = describe(account, name)
        if stack is None:
            where = _place(account)
            raise AwsError(f"there is no stack {name} {where}: `tidegate deploy {name} --model …`")
        return stack
    stacks = list(_all(account))
    if not stacks:
        where = _place(account)
        raise AwsError(f"there is no stack of Tidegate {where}: `tidegate deploy NAME --model …`")
    if len(stacks) > 1:
        where, names = _place(account), ", ".join(sorted(stack.name for stack in stacks))
        raise SettingsError(f"there are several stacks {where}: name one with --stack ({names})")
    return stacks[0]


def _place(account: Account) -> str:
    """Return where a stack was looked for; AWS is asked for the account's number."""
    return f"in {account.region} of the account {account.id}"


def _all(account: Account) -> Iterator[DeployedStack]:
    pages = account.client("cloudformation").get_paginator("describe_stacks").paginate()
    for page in pages:
        for answer in page["Stacks"]:
            stack = DeployedStack.of(answer)
            if stack.is_tidegate:
                yield stack
