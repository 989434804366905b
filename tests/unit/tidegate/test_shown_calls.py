"""A shown call is a command of the AWS CLI that makes the same call."""

import re
import shlex
from collections.abc import Mapping
from typing import Any
from unittest.mock import patch

import awscli.clidriver
import pytest

from tidegate.aws.shown_calls import as_command

CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("cloudformation", "DescribeStacks", {"StackName": "tide"}),
    ("s3", "HeadBucket", {"Bucket": "a-bucket", "ExpectedBucketOwner": "000000000000"}),
    ("ecs", "DescribeTasks", {"cluster": "tide", "tasks": ["one", "two"]}),
    (
        "cloudformation",
        "CreateChangeSet",
        {
            "StackName": "tide",
            "ChangeSetName": "it's",
            "Parameters": [{"ParameterKey": "Model", "ParameterValue": "s3://a/b c"}],
            "Capabilities": ["CAPABILITY_IAM"],
            "IncludeNestedStacks": False,
        },
    ),
    (
        "s3",
        "PutBucketNotificationConfiguration",
        {
            "Bucket": "a-bucket",
            "NotificationConfiguration": {"EventBridgeConfiguration": {}},
            "SkipDestinationValidation": True,
        },
    ),
    ("lambda", "PutFunctionConcurrency", {"FunctionName": "f", "ReservedConcurrentExecutions": 0}),
    ("s3", "GetObject", {"Bucket": "a-bucket", "Key": "a b.csv"}),
    ("lambda", "Invoke", {"FunctionName": "f", "InvocationType": "Event"}),
    ("sqs", "TagQueue", {"QueueUrl": "https://q", "Tags": {"tidegate:paused": "2026-11-28"}}),
    ("sqs", "GetQueueAttributes", {"QueueUrl": "https://q", "AttributeNames": ["All"]}),
]


@pytest.mark.parametrize(("service", "operation", "parameters"), CALLS)
def test_the_aws_cli_makes_the_call_that_was_shown(
    service: str, operation: str, parameters: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    program, *words = shlex.split(as_command(service, operation, parameters))
    assert program == "aws"

    with patch("awscli.clidriver.CLIOperationCaller.invoke") as invoked:
        awscli.clidriver.create_clidriver().main(words)

    (called, name, sent, _), _ = invoked.call_args
    assert (called, name, sent) == (service, operation, parameters)


def test_the_bytes_of_a_body_are_not_shown() -> None:
    shown = as_command("s3", "PutObject", {"Bucket": "a", "Key": "b", "Body": b"\x00" * 100})

    assert re.fullmatch(r"aws s3api put-object --bucket a --key b --body \.\.\.", shown)
