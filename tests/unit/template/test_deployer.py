"""The policies of who deploys and operates: they allow all that is needed, and no more."""

import re
from collections.abc import Iterable
from fnmatch import filter as filter_names
from typing import Any

import pytest

from tests.support.iam import operator
from tests.support.iam.command_calls import (
    DEPLOYED,
    FUNCTION,
    IN_CLUSTER,
    of_an_existing_bucket,
    of_the_deployer,
    of_the_doctor,
)
from tests.support.iam.deployer import (
    BOUNDARY,
    NOT_CALLED,
    by_cloudformation,
    filled_in,
    role_arn,
    statements,
)
from tests.support.iam.handlers import permissions
from tests.support.iam.policy import Act, denied, is_allowed, listed
from tests.support.template import RESOURCES

DEPLOYER = ("commands", "resources", "network")
MAX_CHARACTERS = 6144  # of a managed policy, spaces not counted
COMMANDS = {
    "commands": of_the_deployer(),
    "doctor": of_the_doctor(),
    "existing-bucket": of_an_existing_bucket(),
}
OPERATING: dict[str, Iterable[Act]] = {
    "read": operator.needed(operator.READING),
    "act": operator.needed(operator.CHANGING),
}
NEEDED: dict[str, Iterable[Act]] = (
    COMMANDS
    | OPERATING
    | {
        name: {
            act: why
            for act, why in by_cloudformation().items()
            if act.action.startswith("ec2:") is (name == "network")
        }
        for name in ("resources", "network")
    }
)


@pytest.mark.parametrize("name", NEEDED)
def test_a_policy_allows_all_that_is_needed_of_it(name: str) -> None:
    assert [str(act) for act in denied(statements(name), NEEDED[name])] == []


def test_there_are_many_requests_to_judge() -> None:
    assert sum(len(list(acts)) for acts in NEEDED.values()) > 300


@pytest.mark.parametrize("name", NEEDED)
def test_each_action_and_each_resource_of_a_policy_is_needed(name: str) -> None:
    for_show = [
        (statement["Sid"], part, one)
        for statement in statements(name)
        for part in ("Action", "Resource")
        for one in listed(statement[part])
        if not any(is_allowed([statement | {part: one}], act) for act in NEEDED[name])
    ]

    assert for_show == []


@pytest.mark.parametrize("name", NEEDED)
def test_without_any_one_statement_something_is_denied(name: str) -> None:
    granted = {statement["Sid"]: statement for statement in statements(name)}
    allowing = [
        [sid for sid, statement in granted.items() if is_allowed([statement], act)]
        for act in NEEDED[name]
    ]

    assert len(granted) == len(statements(name))  # every Sid is used once
    assert {sids[0] for sids in allowing if len(sids) == 1} == granted.keys()


def test_what_is_left_out_is_something_that_a_handler_may_call() -> None:
    kinds = {resource["Type"] for resource in RESOURCES.values()}
    handlers = ("create", "read", "update", "delete")
    named = {action for kind in kinds for action in permissions(kind, *handlers)}

    assert [pattern for pattern in NOT_CALLED if not filter_names(named, pattern)] == []


@pytest.mark.parametrize("name", [*NEEDED, "boundary"])
def test_a_policy_is_no_longer_than_iam_takes(name: str) -> None:
    longest = {"tide": "t" * 28, "eu-west-1": "ap-southeast-2", "arn:aws:": "arn:aws-us-gov:"}
    text = filled_in(name)
    for short, long in longest.items():
        text = text.replace(short, long)

    assert len(re.sub(r"\s", "", text)) <= MAX_CHARACTERS


@pytest.mark.parametrize(
    "act",
    [
        Act("s3:DeleteObject", "arn:aws:s3:::tide-output-123456789012-eu-west-1/p/a.csv"),
        Act("s3:GetObject", "arn:aws:s3:::tide-output-123456789012-eu-west-1/p/a.csv"),
        Act("s3:PutBucketPolicy", "arn:aws:s3:::another"),
        Act("sqs:ReceiveMessage", "arn:aws:sqs:eu-west-1:123456789012:tide-jobs"),
        Act("sqs:DeleteQueue", "arn:aws:sqs:eu-west-1:123456789012:another-jobs"),
        Act("lambda:InvokeFunction", "arn:aws:lambda:eu-west-1:123456789012:function:another"),
        Act("iam:CreateRole", "arn:aws:iam::123456789012:role/admin"),
        Act("iam:PutRolePolicy", "arn:aws:iam::123456789012:role/team/tide-role"),
        Act("iam:PassRole", role_arn("TaskRole"), {"iam:PassedToService": "ec2.amazonaws.com"}),
        Act("iam:AttachRolePolicy", role_arn("TaskRole")),
        Act("iam:CreatePolicyVersion", BOUNDARY),
        Act("ec2:DeleteVpc", "*", {"aws:RequestedRegion": "eu-west-1"}),
        Act("ecs:StopTask", "*", {"ecs:cluster": "arn:aws:ecs:eu-west-1:1:cluster/another"}),
        Act("cloudformation:DeleteStack", "arn:aws:cloudformation:eu-west-1:1:stack/another/0"),
    ],
    ids=str,
)
def test_what_is_no_part_of_a_deploy_is_denied(act: Act) -> None:
    assert not is_allowed(statements(*DEPLOYER), act)


@pytest.mark.parametrize(
    "act",
    [
        Act("s3:PutObject", "arn:aws:s3:::tide-output-123456789012-eu-west-1/predictions/a.csv"),
        Act("s3:DeleteObject", "arn:aws:s3:::tide-output-123456789012-eu-west-1/predictions/a.csv"),
        Act("s3:PutObject", "arn:aws:s3:::tide-input-123456789012-eu-west-1/a.csv"),
        Act("sqs:ReceiveMessage", operator.JOBS),
        Act("sqs:DeleteMessage", operator.JOBS),
        Act("sqs:PurgeQueue", operator.DEAD),
        Act("ecs:RunTask", "*", IN_CLUSTER),
        Act("lambda:UpdateFunctionCode", FUNCTION),
    ],
    ids=str,
)
def test_an_operator_changes_no_file_and_takes_no_job(act: Act) -> None:
    assert not is_allowed(statements(*operator.OPERATOR), act)


def test_an_operator_reads_a_baseline_and_no_model() -> None:
    model = Act("s3:GetObject", f"{DEPLOYED}/models/0a1b/model.pkl")

    assert not is_allowed(statements(*operator.OPERATOR), model)


def test_who_only_reads_changes_nothing() -> None:
    changed = operator.needed(operator.CHANGING)
    assert [act for act in changed if is_allowed(statements("read"), act)] == []


# With a permissions boundary


HELD: list[dict[str, Any]] = statements(*DEPLOYER, "boundary")
MAKING = ("iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy")


@pytest.mark.parametrize("action", MAKING)
@pytest.mark.parametrize(
    ("context", "allowed"),
    [
        ({}, False),
        ({"iam:PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"}, False),
        ({"iam:PermissionsBoundary": BOUNDARY}, True),
    ],
)
def test_a_deployer_with_a_boundary_gives_every_role_the_same_one(
    action: str, context: dict[str, str], *, allowed: bool
) -> None:
    assert is_allowed(HELD, Act(action, role_arn("TaskRole"), context)) is allowed


def test_a_deployer_with_a_boundary_takes_it_from_no_role() -> None:
    assert not is_allowed(HELD, Act("iam:DeleteRolePermissionsBoundary", role_arn("TaskRole")))


def test_a_deployer_with_a_boundary_may_do_all_else() -> None:
    bounded = {"iam:PermissionsBoundary": BOUNDARY}
    needed = [
        Act(act.action, act.resource, {**act.context, **bounded})
        for name in DEPLOYER
        for act in NEEDED[name]
        if act.action != "iam:DeleteRolePermissionsBoundary"
    ]

    assert denied(HELD, needed) == []
