"""Buckets that the stack does not create: how their files arrive, and what the roles may do."""

import json
import re
from typing import Any

import pytest

from tests.support.iam.policy import Act, is_allowed
from tests.support.template import (
    PARAMETERS,
    RESOURCES,
    TEMPLATE,
    Deployed,
    condition,
    of_type,
    properties,
    resolve,
)
from tidegate.aws.other_accounts import event_pattern

OWN = Deployed()
EXISTING = Deployed(InputBucket="lake", InputPrefix="in/", OutputBucket="lake", OutputKey="out")
KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab"
S3 = {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}


def made(deployed: Deployed) -> set[str]:
    """Return the resources that the stack creates."""
    return {
        name
        for name, resource in RESOURCES.items()
        if "Condition" not in resource or condition(resource["Condition"], deployed)
    }


def allows(deployed: Deployed, action: str, resource: str, **context: str) -> bool:
    """Return whether the worker's role allows a request."""
    (policy,) = resolve(properties("TaskRole")["Policies"], deployed)
    return is_allowed(policy["PolicyDocument"]["Statement"], Act(action, resource, context))


def test_a_bucket_is_created_only_if_none_is_named() -> None:
    assert made(OWN) >= {"StackInputBucket", "StackOutputBucket", "InputMayInvokeDispatcher"}
    assert made(EXISTING) & set(of_type("AWS::S3::Bucket")) == set()
    assert made(EXISTING) & set(of_type("AWS::S3::BucketPolicy")) == set()
    assert "InputMayInvokeDispatcher" not in made(EXISTING)


def test_each_bucket_is_chosen_for_itself() -> None:
    assert "StackOutputBucket" in made(Deployed(InputBucket="lake"))
    assert "StackInputBucket" in made(Deployed(OutputBucket="lake"))


def test_only_the_files_of_an_existing_bucket_come_through_eventbridge() -> None:
    through = {"InputArrived", "InputArrivedMayInvokeDispatcher", "InputArrivedMayKeepEvents"}

    assert made(EXISTING) >= through
    assert made(OWN) & through == set()


@pytest.mark.parametrize("prefix", ["", "in/"])
def test_the_rule_is_for_new_objects_of_the_bucket_below_the_prefix(prefix: str) -> None:
    deployed = Deployed(InputBucket="lake", InputPrefix=prefix)

    pattern = resolve(properties("InputArrived")["EventPattern"], deployed)

    assert pattern == event_pattern("lake", prefix)
    assert pattern["detail"]["bucket"] == {"name": ["lake"]}
    assert pattern["detail"].get("object") == ({"key": [{"prefix": "in/"}]} if prefix else None)


def test_an_event_that_is_never_delivered_is_kept_with_those_that_failed() -> None:
    (target,) = resolve(properties("InputArrived")["Targets"], EXISTING)
    policy = resolve(properties("InputArrivedMayKeepEvents"), EXISTING)
    (statement,) = policy["PolicyDocument"]["Statement"]

    assert target["DeadLetterConfig"] == {"Arn": "<UndispatchedQueue.Arn>"}
    assert policy["Queues"] == ["<UndispatchedQueue>"]
    assert statement["Resource"] == "<UndispatchedQueue.Arn>"
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": "<InputArrived.Arn>"}}


def test_the_names_of_the_buckets_reach_dispatcher_outputs_and_dashboard() -> None:
    variables = resolve(properties("Dispatcher")["Environment"]["Variables"], EXISTING)
    outputs = {name: resolve(one["Value"], EXISTING) for name, one in TEMPLATE["Outputs"].items()}
    dashboard = json.loads(resolve(properties("Overview")["DashboardBody"], EXISTING))

    assert variables["DISPATCHER_OUTPUT_BUCKET"] == "lake"
    assert variables["DISPATCHER_INPUT_PREFIX"] == "in/"
    assert (outputs["InputBucket"], outputs["OutputBucket"]) == ("lake", "lake")
    assert outputs["InputPrefix"] == "in/"
    assert outputs["Usage"] == "aws s3 cp FILE s3://lake/in/"
    text = dashboard["widgets"][0]["properties"]["markdown"]
    assert "the files in `s3://lake/in/` and writes to `s3://lake/out/`" in text


# Rights


@pytest.mark.parametrize("action", ["s3:GetObject", "s3:GetObjectVersion"])
def test_the_workers_read_below_the_input_prefix_and_nothing_else(action: str) -> None:
    readable = {
        key: allows(EXISTING, action, f"arn:aws:s3:::{key}")
        for key in ("lake/in/a.csv", "lake/a.csv", "lake/inside.csv", "lakes/in/a.csv")
    }

    assert [key for key, allowed in readable.items() if allowed] == ["lake/in/a.csv"]


@pytest.mark.parametrize("action", ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"])
def test_the_workers_write_below_the_output_key_and_nowhere_else(action: str) -> None:
    separate = Deployed(InputBucket="other", OutputBucket="lake", OutputKey="out")
    writable = {
        key: allows(separate, action, f"arn:aws:s3:::{key}")
        for key in ("lake/out/a.csv", "lake/a.csv", "lake/outside.csv", "lakes/out/a.csv")
    }

    assert [key for key, allowed in writable.items() if allowed] == ["lake/out/a.csv"]


def test_in_one_bucket_the_workers_do_not_write_where_they_read() -> None:
    assert not allows(EXISTING, "s3:PutObject", "arn:aws:s3:::lake/in/a.csv")


def test_without_an_output_key_the_workers_write_anywhere_in_the_output_bucket() -> None:
    deployed = Deployed(OutputBucket="lake", OutputKey="")

    assert allows(deployed, "s3:PutObject", "arn:aws:s3:::lake/a.csv")
    assert not allows(deployed, "s3:PutObject", "arn:aws:s3:::lakes/a.csv")


def test_in_the_stacks_own_output_bucket_templates_of_keys_may_leave_the_output_key() -> None:
    assert allows(OWN, "s3:PutObject", "arn:aws:s3:::<StackOutputBucket>/anywhere.csv")


def test_the_workers_can_tell_a_missing_key_from_a_forbidden_one() -> None:
    own_input = resolve(properties("StackInputBucket")["BucketName"], OWN)

    # The request for one object has no prefix in its context, so it must not be a condition.
    for deployed, buckets in (
        (OWN, (own_input, "<StackOutputBucket>")),
        (Deployed(InputBucket="from", OutputBucket="to"), ("from", "to")),
    ):
        for bucket in buckets:
            assert allows(deployed, "s3:ListBucket", f"arn:aws:s3:::{bucket}")


@pytest.mark.parametrize(
    ("parameter", "actions"),
    [
        ("InputKmsKey", ["kms:Decrypt"]),
        ("OutputKmsKey", ["kms:Decrypt", "kms:GenerateDataKey"]),
        ("ModelKmsKey", ["kms:Decrypt"]),
    ],
)
def test_a_key_is_used_through_s3_alone(parameter: str, actions: list[str]) -> None:
    given = Deployed(**{parameter: KEY})
    asked = ["kms:Decrypt", "kms:GenerateDataKey", "kms:Encrypt", "kms:CreateGrant"]

    assert [one for one in asked if allows(given, one, KEY, **S3)] == actions
    assert [one for one in asked if allows(OWN, one, KEY, **S3)] == []
    assert not allows(given, "kms:Decrypt", f"{KEY}-2", **S3)
    assert not allows(given, "kms:Decrypt", KEY)
    elsewhere = {"kms:ViaService": "secretsmanager.eu-west-1.amazonaws.com"}
    assert not allows(given, "kms:Decrypt", KEY, **elsewhere)
    china = {"kms:ViaService": "s3.cn-north-1.amazonaws.com.cn"}
    assert allows(given, "kms:Decrypt", KEY, **china)


@pytest.mark.parametrize("side", ["Input", "Output"])
def test_a_bucket_of_the_stack_is_encrypted_with_the_key_that_is_given(side: str) -> None:
    def rule(deployed: Deployed) -> Any:  # noqa: ANN401 - YAML's own shapes
        encryption = properties(f"Stack{side}Bucket")["BucketEncryption"]
        (only,) = resolve(encryption["ServerSideEncryptionConfiguration"], deployed)
        return only

    by_key = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}
    assert rule(Deployed(**{f"{side}KmsKey": KEY})) == {
        "ServerSideEncryptionByDefault": by_key,
        "BucketKeyEnabled": True,
    }
    assert rule(OWN) == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}


# What is refused


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("InputBucket", ["", "a-lake.of.ours"], ["s3://lake", "Lake", "lake/in", "la"]),
        (
            "InputPrefix",
            ["", "in/", "a/b=1/", "a b/"],
            ["in", "/in/", "/", "*/", "a?/", "${x}/", 'a"/'],
        ),
        ("OutputKey", ["", "p", "a/b"], ["/p", "p/", "/", "p*", "${x}", 'a"b']),
        ("InputKmsKey", ["", KEY], ["1234abcd-12ab", "alias/mine", f"{KEY}/*", "*"]),
    ],
)
def test_what_no_policy_can_name_exactly_is_refused(
    name: str, good: list[str], bad: list[str]
) -> None:
    pattern = PARAMETERS[name]["AllowedPattern"]

    assert [one for one in good if not re.fullmatch(pattern, one)] == []
    assert [one for one in bad if re.fullmatch(pattern, one)] == []


@pytest.mark.parametrize("kind", ["Bucket", "KmsKey"])
def test_parameters_of_one_kind_have_one_pattern(kind: str) -> None:
    patterns = {one["AllowedPattern"] for name, one in PARAMETERS.items() if name.endswith(kind)}

    assert len(patterns) == 1


@pytest.mark.parametrize(
    ("parameters", "refused"),
    [
        ({}, False),
        ({"InputBucket": "lake"}, False),
        ({"OutputBucket": "lake", "OutputKey": ""}, False),
        ({"InputBucket": "lake", "OutputBucket": "sea", "OutputKey": ""}, False),
        ({"InputBucket": "lake", "OutputBucket": "lake", "InputPrefix": "in/"}, False),
        ({"InputBucket": "lake", "OutputBucket": "lake"}, True),
        (
            {
                "InputBucket": "lake",
                "OutputBucket": "lake",
                "InputPrefix": "in/",
                "OutputKey": "",
            },
            True,
        ),
    ],
)
def test_one_bucket_for_both_needs_two_prefixes(parameters: dict[str, str], refused: bool) -> None:
    rule = TEMPLATE["Rules"]["OneBucketHasTwoPrefixes"]
    deployed = Deployed(**parameters)
    applies = resolve(rule["RuleCondition"], deployed)
    asserted = all(resolve(one["Assert"], deployed) for one in rule["Assertions"])

    assert (applies and not asserted) == refused
