"""An existing input bucket: what is changed in it, what stays, and what is undone."""

import copy
import json
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from tests.support.fakes.account import FakeAccount, FakeBucket, FakeEvents, FakeS3
from tidegate.aws.account import Account
from tidegate.aws.event_rules import may_match
from tidegate.aws.input_bucket import TAG, Wiring, apply, plan_wiring, undo
from tidegate.aws.other_accounts import event_pattern
from tidegate.aws.stack import DeployedStack
from worker.errors import SettingsError

FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:churn-dispatcher"
QUEUE: dict[str, Any] = {
    "Id": "orders",
    "QueueArn": "arn:aws:sqs:eu-west-1:123456789012:orders",
    "Events": ["s3:ObjectCreated:*"],
    "Filter": {"Key": {"FilterRules": [{"Name": "Prefix", "Value": "orders/"}]}},
}
TOPIC: dict[str, Any] = {
    "Id": "gone",
    "TopicArn": "arn:aws:sns:eu-west-1:123456789012:gone",
    "Events": ["s3:ObjectRemoved:*"],
}
BEFORE = {"QueueConfigurations": [QUEUE], "TopicConfigurations": [TOPIC]}
ON: dict[str, Any] = {"EventBridgeConfiguration": {}}
TURNED_ON = {f"{TAG}lake": "true"}


def account_with(**notifications: Any) -> FakeAccount:  # noqa: ANN401 - S3's own shapes
    """Return an account with one bucket, which has these notifications."""
    return FakeAccount(FakeS3({"lake": FakeBucket(notifications=copy.deepcopy(notifications))}))


def planned(account: FakeAccount, bucket: str = "lake", prefix: str = "in/") -> Wiring | None:
    return plan_wiring(cast("Account", account), bucket, prefix, stack="churn")


def wire(account: FakeAccount) -> Wiring:
    wiring = planned(account)
    assert wiring is not None
    apply(cast("Account", account), wiring)
    return wiring


def stack(tags: dict[str, str]) -> DeployedStack:
    return DeployedStack("churn", "CREATE_COMPLETE", "", {}, {}, tags)


def undone(account: FakeAccount, tags: dict[str, str]) -> str:
    return undo(cast("Account", account), stack(tags))


# Turning it on


def test_all_that_the_bucket_has_stays() -> None:
    account = account_with(**BEFORE)

    wire(account)

    assert account.s3.buckets["lake"].notifications == BEFORE | ON


def test_what_will_change_and_what_stays_is_said() -> None:
    wiring = planned(account_with(**BEFORE))

    assert wiring is not None
    assert wiring.turns_on
    assert wiring.changes.splitlines() == [
        "lake will send its events to EventBridge. S3 needs some five minutes for that",
        f"it keeps: s3:ObjectCreated:* below orders/ to the queue {QUEUE['QueueArn']}",
        f"it keeps: s3:ObjectRemoved:* to the topic {TOPIC['TopicArn']}",
    ]


def test_a_plan_changes_nothing() -> None:
    account = account_with(**BEFORE)

    planned(account)

    assert account.s3.puts == 0


def test_a_bucket_that_is_ready_needs_nothing() -> None:
    assert planned(account_with(**ON, **BEFORE)) is None


def test_what_was_added_since_the_plan_stays_too() -> None:
    account = account_with()
    wiring = planned(account)
    assert wiring is not None
    account.s3.buckets["lake"].notifications = copy.deepcopy(BEFORE)

    apply(cast("Account", account), wiring)

    assert account.s3.buckets["lake"].notifications == BEFORE | ON


def test_a_second_time_nothing_is_put() -> None:
    account = account_with()
    wiring = wire(account)

    apply(cast("Account", account), wiring)

    assert account.s3.puts == 1


@pytest.mark.parametrize(
    ("notified", "prefix", "named"),
    [
        ("", "in/", True),
        ("in/", "", True),
        ("in/a/", "in/", True),
        ("out/", "in/", False),
        ("day%3D1/", "day=1/", True),
    ],
)
@pytest.mark.parametrize("ready", [True, False])
def test_a_notification_that_invokes_the_dispatcher_for_the_same_files_is_named(
    notified: str, prefix: str, named: bool, ready: bool
) -> None:
    rules = {"Key": {"FilterRules": [{"Name": "prefix", "Value": notified}]}}
    direct = {
        "Id": "by-hand",
        "LambdaFunctionArn": FUNCTION,
        "Events": ["s3:ObjectCreated:*"],
        "Filter": rules,
    }
    account = account_with(LambdaFunctionConfigurations=[direct], **(ON if ready else {}))

    wiring = planned(account, prefix=prefix)

    changes = wiring.changes if wiring else ""
    assert ("by-hand of the bucket names the dispatcher already" in changes) == named
    assert (wiring is not None and wiring.turns_on) == (not ready)


def test_a_notification_to_another_function_is_not_named() -> None:
    other = {"Id": "other", "LambdaFunctionArn": f"{FUNCTION}-2", "Events": ["s3:ObjectCreated:*"]}

    assert planned(account_with(LambdaFunctionConfigurations=[other], **ON)) is None


# What cannot be wired


def test_a_bucket_that_is_not_there_is_refused() -> None:
    with pytest.raises(SettingsError, match="there is no bucket sea: `aws s3 ls`"):
        planned(FakeAccount(), "sea")


def test_a_bucket_of_another_region_is_refused_with_the_region() -> None:
    account = FakeAccount(FakeS3({"lake": FakeBucket(region="us-east-2")}))

    with pytest.raises(SettingsError, match="deploy with AWS_REGION=us-east-2"):
        planned(account)


def test_of_another_accounts_bucket_nothing_is_changed_and_the_policy_is_given() -> None:
    account = FakeAccount(FakeS3({"lake": FakeBucket(owner="210987654321")}))

    wiring = wire(account)

    assert (wiring.turns_on, wiring.tag, account.s3.puts) == (False, {}, 0)
    assert "s3:GetObjectVersion" in wiring.policy
    assert wiring.changes == "nothing is changed in lake"


@pytest.mark.parametrize(
    "operation", ["GetBucketNotificationConfiguration", "PutBucketNotificationConfiguration"]
)
def test_rights_that_are_missing_are_not_taken_for_no_notifications(operation: str) -> None:
    account = account_with(**BEFORE)
    account.s3.denied.add(operation)

    with pytest.raises(ClientError, match="AccessDenied"):
        wire(account)

    assert account.s3.buckets["lake"].notifications == BEFORE


# Turning it off again


def test_what_the_stack_turned_on_is_turned_off_and_the_bucket_is_as_before() -> None:
    account = account_with(**BEFORE)
    tags = dict(wire(account).tag)

    said = undone(account, tags)

    assert tags == {"tidegate:turned-on-notifications:lake": "true"}
    assert account.s3.buckets["lake"].notifications == BEFORE
    assert said == "lake sends its events to EventBridge no longer. Its other notifications stay"


def test_what_others_turned_on_stays_on() -> None:
    account = account_with(**ON)

    assert undone(account, {}) == ""
    assert account.s3.buckets["lake"].notifications == ON


def test_turning_it_off_can_be_repeated() -> None:
    account = account_with()
    tags = dict(wire(account).tag)
    undone(account, tags)

    assert undone(account, tags) == ""
    assert account.s3.puts == 2


def test_a_bucket_that_is_gone_needs_no_turning_off() -> None:
    assert undone(FakeAccount(), TURNED_ON) == ""


def test_rights_that_are_missing_are_not_taken_for_a_bucket_that_is_gone() -> None:
    account = account_with(**ON)
    account.s3.denied.add("GetBucketNotificationConfiguration")

    with pytest.raises(ClientError, match="AccessDenied"):
        undone(account, TURNED_ON)


def test_it_stays_on_for_rules_that_may_use_it_and_they_are_named() -> None:
    account = account_with(**ON)
    account.events.patterns = {
        "churn-input": event_pattern("lake", "in/"),  # this stack's own
        "sales-input": event_pattern("lake", "sales/"),  # of another stack
        "everything-of-s3": {"source": ["aws.s3"]},
        "another-bucket": event_pattern("sea", ""),
        "every-five-minutes": None,
    }

    said = undone(account, TURNED_ON)

    assert account.s3.buckets["lake"].notifications == ON
    assert "these rules may use them: everything-of-s3, sales-input." in said


def test_the_stacks_own_rule_does_not_keep_it_on() -> None:
    account = account_with(**ON)
    account.events = FakeEvents({"churn-input": event_pattern("lake", "in/")})

    undone(account, TURNED_ON)

    assert account.s3.buckets["lake"].notifications == {}


def test_a_stack_that_moved_to_another_bucket_turns_both_off() -> None:
    account = account_with(**ON)
    account.s3.buckets["sea"] = FakeBucket(notifications=copy.deepcopy(ON))
    account.s3.buckets["of-others"] = FakeBucket(notifications=copy.deepcopy(ON))

    said = undone(account, {f"{TAG}lake": "true", "team": "sea", f"{TAG}sea": "true"})

    assert len(said.splitlines()) == 2
    assert [name for name, one in account.s3.buckets.items() if one.notifications] == ["of-others"]


@pytest.mark.parametrize(
    ("pattern", "may"),
    [
        (event_pattern("lake", "in/"), True),
        (event_pattern("sea", ""), False),
        ({"source": ["aws.s3", "aws.ecs"]}, True),
        ({"source": ["aws.ecs"]}, False),
        ({"source": [{"prefix": "aws."}]}, True),
        ({"account": ["123456789012"]}, True),
        ({"source": ["aws.s3"], "detail": {"bucket": {"name": [{"suffix": "ke"}]}}}, True),
        ({"source": ["aws.s3"], "detail": {"$or": [{"bucket": {"name": ["sea"]}}]}}, True),
    ],
)
def test_only_a_rule_that_certainly_matches_no_event_of_the_bucket_is_passed_over(
    pattern: dict[str, Any], may: bool
) -> None:
    assert may_match(json.loads(json.dumps(pattern)), "lake") == may
