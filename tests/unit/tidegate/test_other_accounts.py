"""What is pasted for a bucket of another account: policies, a rule, and a command."""

import json
from typing import Any, cast

import pytest

from tests.support.fakes.account import FakeAccount
from tests.support.iam.policy import Act, is_allowed
from tests.support.template import RESOURCES, Deployed, properties, resolve
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
    policy, _ = pasted(READ)

    assert is_allowed(policy, Act("s3:GetObject", "arn:aws:s3:::lake/in/a.csv", WORKER))
    assert is_allowed(policy, Act("s3:GetObjectVersion", "arn:aws:s3:::lake/in/a.csv", WORKER))
    assert is_allowed(policy, Act("s3:ListBucket", "arn:aws:s3:::lake", WORKER))
    assert not is_allowed(policy, Act("s3:GetObject", "arn:aws:s3:::lake/a.csv", WORKER))
    assert not is_allowed(policy, Act("s3:PutObject", "arn:aws:s3:::lake/in/a.csv", WORKER))


def test_the_workers_write_below_the_output_key_alone() -> None:
    (policy,) = pasted(WRITE)

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
    policy, _ = pasted(READ)
    act = Act("s3:GetObject", "arn:aws:s3:::lake/in/a.csv", {"aws:PrincipalArn": role})

    assert is_allowed(policy, act) == allowed
    assert "TaskRole" in RESOURCES
    assert "RoleName" not in properties("TaskRole")  # so that CloudFormation makes this name


@pytest.mark.parametrize("text", [READ, WRITE])
def test_the_reconciler_may_list_and_nothing_else(text: str) -> None:
    policy, *_ = pasted(text)
    bucket = policy[-1]["Resource"]
    reconciler = {"aws:PrincipalArn": f"{ROLE}/churn-ReconcilerRole-1ABC"}

    assert is_allowed(policy, Act("s3:ListBucket", bucket, reconciler))
    assert not is_allowed(
        policy, Act("s3:GetObject", policy[0]["Resource"].replace("*", "a.csv"), reconciler)
    )
    assert "ReconcilerRole" in RESOURCES
    assert "RoleName" not in properties("ReconcilerRole")


def test_the_owners_rule_sends_what_the_stacks_rule_waits_for() -> None:
    _, template = pasted(READ)
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
    policy, _ = pasted(to_read(ACCOUNT, "churn", "lake", odd))

    assert policy[0]["Resource"] == f"arn:aws:s3:::lake/{odd}*"


def test_nothing_is_pasted_that_names_another_partition() -> None:
    china = cast("Account", FakeAccount(region="cn-north-1", partition="aws-cn"))

    for text in (to_read(china, "churn", "lake", ""), to_write(china, "churn", "lake", "")):
        assert "arn:aws-cn:s3:::lake/*" in text
        assert "arn:aws:" not in text
