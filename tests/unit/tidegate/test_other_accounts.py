"""What is pasted for a bucket of another account: policies, a rule, and a command."""

import json
from typing import Any, cast

import pytest

from tests.support.fakes.account import FakeAccount
from tests.support.iam.policy import Act, is_allowed
from tests.support.template import (
    RESOURCES,
    ROLES,
    Deployed,
    listed,
    properties,
    resolve,
    statements,
)
from tidegate.aws.account import Account
from tidegate.aws.other_accounts import to_read, to_write

ROLE = "arn:aws:iam::123456789012:role"
WORKER = {"aws:PrincipalArn": f"{ROLE}/churn-TaskRole-1ABC"}
ACCOUNT = cast("Account", FakeAccount())
READ = to_read(ACCOUNT, "churn", "lake", "in/")
WRITE = to_write(ACCOUNT, "churn", "lake", "out")


def pasted(text: str) -> list[Any]:
    """Return each document of JSON in a text: it stands between empty lines."""
    return [json.loads(part) for part in text.split("\n\n") if part[0] in "[{"]


def test_the_workers_read_below_the_prefix_alone() -> None:
    policy, *_ = pasted(READ)

    assert is_allowed(policy, Act("s3:GetObject", "arn:aws:s3:::lake/in/a.csv", WORKER))
    assert is_allowed(policy, Act("s3:GetObjectVersion", "arn:aws:s3:::lake/in/a.csv", WORKER))
    assert is_allowed(policy, Act("s3:ListBucket", "arn:aws:s3:::lake", WORKER))
    assert not is_allowed(policy, Act("s3:GetObject", "arn:aws:s3:::lake/a.csv", WORKER))
    assert not is_allowed(policy, Act("s3:PutObject", "arn:aws:s3:::lake/in/a.csv", WORKER))


def test_the_workers_write_below_the_output_key_alone() -> None:
    policy, _ = pasted(WRITE)

    assert is_allowed(policy, Act("s3:PutObject", "arn:aws:s3:::lake/out/a.csv", WORKER))
    assert not is_allowed(policy, Act("s3:PutObject", "arn:aws:s3:::lake/a.csv", WORKER))
    assert not is_allowed(policy, Act("s3:DeleteObject", "arn:aws:s3:::lake/out/a.csv", WORKER))


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (f"{ROLE}/churn-TaskRole-1ABC", True),
        (f"{ROLE}/teams/churn-TaskRole-1ABC", True),
        (f"{ROLE}/other-churn-TaskRole-1ABC", False),
        (f"{ROLE}/admin", False),
    ],
)
def test_only_the_workers_of_the_stack_are_allowed(role: str, allowed: bool) -> None:
    policy, *_ = pasted(READ)
    act = Act("s3:GetObject", "arn:aws:s3:::lake/in/a.csv", {"aws:PrincipalArn": role})

    assert is_allowed(policy, act) == allowed
    assert "TaskRole" in RESOURCES
    assert "RoleName" not in properties("TaskRole")  # so that CloudFormation makes this name


LANDING = to_read(ACCOUNT, "churn", "landing", "in/")
BUCKETS = Deployed(InputBucket="landing", InputPrefix="in/", OutputBucket="lake", OutputKey="out")
OF_ROLES = {role: resolve(list(statements(role)), BUCKETS) for role in ROLES}


def acts(bucket: str) -> set[tuple[str, str]]:
    """Return each action that the template allows any role on the bucket, with a resource."""
    return {
        (action, resource.replace("*", "a.csv"))
        for granted in OF_ROLES.values()
        for statement in granted
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
        if action.startswith("s3:") and resource.startswith(f"arn:aws:s3:::{bucket}")
    }


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("text", "bucket"), [(LANDING, "landing"), (WRITE, "lake")])
def test_each_role_is_allowed_what_the_template_allows_it_and_nothing_else(
    text: str, bucket: str, role: str
) -> None:
    policy = pasted(text)[0]
    caller = {"aws:PrincipalArn": f"{ROLE}/churn-{role}-1ABC"}
    asked = [Act(*act, caller) for act in sorted(acts(bucket))]
    granted = [str(act) for act in asked if is_allowed(OF_ROLES[role], act)]

    assert [str(act) for act in asked if is_allowed(policy, act)] == granted
    assert asked


KEY = "arn:aws:kms:eu-west-1:210987654321:key/1"


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("text", "key"), [(READ, "InputKmsKey"), (WRITE, "OutputKmsKey")])
def test_each_role_may_use_the_buckets_key_as_in_the_template(
    text: str, key: str, role: str
) -> None:
    policy = pasted(text)[-1]
    caller = {"aws:PrincipalArn": f"{ROLE}/churn-{role}-1ABC"}
    granted = {
        action
        for statement in statements(role)
        if statement["Resource"] == {"Ref": key}
        for action in listed(statement["Action"])
    }
    actions = ("kms:Decrypt", "kms:GenerateDataKey", "kms:Encrypt")

    assert {one for one in actions if is_allowed(policy, Act(one, KEY, caller))} == granted


def test_the_owners_rule_sends_what_the_stacks_rule_waits_for() -> None:
    _, template, _ = pasted(READ)
    rule = template["Resources"]["ToTidegate"]["Properties"]
    sender = template["Resources"]["Sender"]["Properties"]
    waits = properties("InputArrived")["EventPattern"]

    assert rule["EventPattern"] == resolve(waits, Deployed(InputBucket="lake", InputPrefix="in/"))
    (target,) = rule["Targets"]
    assert target["Arn"] == "arn:aws:events:eu-west-1:123456789012:event-bus/default"
    (statement,) = sender["Policies"][0]["PolicyDocument"]["Statement"]
    assert (statement["Action"], statement["Resource"]) == ("events:PutEvents", target["Arn"])


def test_a_prefix_is_pasted_as_it_is() -> None:
    odd = "in  [ {x} ]/"
    policy, *_ = pasted(to_read(ACCOUNT, "churn", "lake", odd))

    assert policy[0]["Resource"] == f"arn:aws:s3:::lake/{odd}*"


def test_nothing_is_pasted_that_names_another_partition() -> None:
    china = cast("Account", FakeAccount(region="cn-north-1", partition="aws-cn"))

    for text in (to_read(china, "churn", "lake", ""), to_write(china, "churn", "lake", "")):
        assert "arn:aws-cn:s3:::lake/*" in text
        assert "arn:aws:" not in text
