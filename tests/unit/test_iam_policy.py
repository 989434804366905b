"""The policy evaluation that the tests of the roles use follows IAM's rules."""

from typing import Any

import pytest

from tests.support.iam.policy import Act, is_allowed

READ = {"Effect": "Allow", "Action": ["s3:Get*"], "Resource": "arn:aws:s3:::in/*"}
PASS = {
    "Effect": "Allow",
    "Action": "iam:PassRole",
    "Resource": "arn:aws:iam::1:role/task",
    "Condition": {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
}


@pytest.mark.parametrize(
    ("act", "allowed"),
    [
        (Act("s3:GetObject", "arn:aws:s3:::in/a/b.csv"), True),
        (Act("S3:getobject", "arn:aws:s3:::in/a"), True),
        (Act("s3:PutObject", "arn:aws:s3:::in/a"), False),
        (Act("s3:GetObject", "arn:aws:s3:::in"), False),
        (Act("s3:GetObject", "arn:aws:s3:::IN/a"), False),
        (Act("s3:GetObject", "arn:aws:s3:::inn/a"), False),
    ],
)
def test_actions_and_resources_match_by_wildcards(act: Act, *, allowed: bool) -> None:
    assert is_allowed([READ], act) is allowed


@pytest.mark.parametrize(
    ("context", "allowed"),
    [
        ({"iam:PassedToService": "ecs-tasks.amazonaws.com"}, True),
        ({"iam:PassedToService": "lambda.amazonaws.com"}, False),
        ({}, False),
    ],
)
def test_a_condition_holds_only_with_the_value_in_the_request(
    context: dict[str, str], *, allowed: bool
) -> None:
    assert is_allowed([PASS], Act("iam:PassRole", "arn:aws:iam::1:role/task", context)) is allowed


def test_a_deny_overrides_an_allow() -> None:
    denied: dict[str, Any] = {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::in/b*"}
    assert is_allowed([READ, denied], Act("s3:GetObject", "arn:aws:s3:::in/a"))
    assert not is_allowed([READ, denied], Act("s3:GetObject", "arn:aws:s3:::in/b"))


def test_an_unknown_condition_operator_is_an_error() -> None:
    odd = {**READ, "Condition": {"DateLessThan": {"aws:CurrentTime": "2030-01-01"}}}
    with pytest.raises(KeyError, match="DateLessThan"):
        is_allowed([odd], Act("s3:GetObject", "arn:aws:s3:::in/a"))


@pytest.mark.parametrize(
    ("context", "allowed"),
    [({"k": "edge"}, True), ({"k": "another"}, False), ({}, False)],
)
def test_a_deny_of_all_but_one_value_applies_to_a_request_without_any(
    context: dict[str, str], *, allowed: bool
) -> None:
    only: dict[str, Any] = {
        "Effect": "Deny",
        "Action": "s3:GetObject",
        "Resource": "*",
        "Condition": {"StringNotEquals": {"k": "edge"}},
    }

    assert is_allowed([READ, only], Act("s3:GetObject", "arn:aws:s3:::in/a", context)) is allowed


def test_a_key_with_several_values_needs_any_one_of_them() -> None:
    called_via = {
        **READ,
        "Condition": {"ForAnyValue:StringEquals": {"aws:CalledVia": ["cloudformation", "athena"]}},
    }
    act = Act("s3:GetObject", "arn:aws:s3:::in/a", {"aws:CalledVia": "athena"})

    assert is_allowed([called_via], act)
    assert not is_allowed([called_via], Act(act.action, act.resource))
