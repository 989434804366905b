"""What the owner of a bucket in another account allows to a stack, as text to paste."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.aws.account import Account

VERSION = "2012-10-17"
# Roles of the template. A stack without Reconcile or events has not all of them.
WORKERS = ("TaskRole",)
NOTIFIER = ("NotifierRole",)
RECONCILER = ("ReconcilerRole",)


def event_pattern(bucket: str, prefix: str) -> dict[str, Any]:
    """Return EventBridge's pattern for the files that land in a bucket below a prefix."""
    detail: dict[str, Any] = {"bucket": {"name": [bucket]}}
    if prefix:
        detail["object"] = {"key": [{"prefix": prefix}]}
    return {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": detail}


def to_read(account: Account, stack: str, bucket: str, prefix: str) -> str:
    """Return what the owner of an input bucket does, and what this account does."""
    arn = f"arn:{account.partition}:s3:::{bucket}"
    policy = [
        _allow(account, stack, ["s3:GetObject", "s3:GetObjectVersion"], f"{arn}/{prefix}*"),
        _allow(account, stack, ["s3:ListBucket"], arn, WORKERS + RECONCILER),
    ]
    return f"""\
{_about(bucket, "s3:ListBucket, s3:GetBucketNotification, s3:PutBucketNotification")}

1. Add these statements to the bucket's policy:

{_json(policy)}

2. Let the bucket send its events to EventBridge. In the console: Properties, Event notifications,
   Amazon EventBridge, On. (The command `aws s3api put-bucket-notification-configuration` replaces
   every notification that the bucket has.)

3. Deploy this template in {account.region}, with --capabilities CAPABILITY_IAM:

{_json(_forwarding(account, bucket, prefix))}

Then you allow the owner's account, here OWNER, to send events to this account:

aws events put-permission --region {account.region} --event-bus-name default \\
    --statement-id tidegate-{stack} --action events:PutEvents --principal OWNER

{_about_keys(account, stack, ["kms:Decrypt"])}"""


def to_write(account: Account, stack: str, bucket: str, output_key: str) -> str:
    """Return what the owner of an output bucket does."""
    arn = f"arn:{account.partition}:s3:::{bucket}"
    below = f"{arn}/{output_key}/" if output_key else f"{arn}/"
    write = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
    keep = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    policy = [
        _allow(account, stack, write, f"{below}*"),
        _allow(account, stack, keep, f"{below}_runs/*", NOTIFIER),
        _allow(account, stack, ["s3:ListBucket"], arn, WORKERS + NOTIFIER + RECONCILER),
    ]
    return f"""\
{_about(bucket, "s3:ListBucket")}

Add these statements to the bucket's policy:

{_json(policy)}

{_about_keys(account, stack, ["kms:GenerateDataKey", "kms:Decrypt"], WORKERS + NOTIFIER)}"""


def _about(bucket: str, rights: str) -> str:
    return (
        f"S3 denies {bucket} to this caller. If it is this account's, ask for rights to it:\n"
        f"{rights}.\nIf it is another account's, its owner does this once:"
    )


def _about_keys(
    account: Account, stack: str, actions: Sequence[str], roles: Sequence[str] = WORKERS
) -> str:
    return (
        "If the bucket is encrypted with a KMS key, add this statement to the key's policy:\n\n"
        + _json([_allow(account, stack, actions, "*", roles)])
    )


def _allow(
    account: Account,
    stack: str,
    actions: Sequence[str],
    resource: str,
    roles: Sequence[str] = WORKERS,
) -> dict[str, Any]:
    """Return a statement for roles of the stack.

    S3 refuses a policy that names a role that does not exist yet, so a condition names it.
    """
    arn = f"arn:{account.partition}:iam::{account.id}:role"
    names = [f"{arn}/{path}{stack}-{role}-*" for role in roles for path in ("", "*/")]
    return {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:{account.partition}:iam::{account.id}:root"},
        "Action": actions,
        "Resource": resource,
        "Condition": {"ArnLike": {"aws:PrincipalArn": names}},
    }


def _forwarding(account: Account, bucket: str, prefix: str) -> Mapping[str, Any]:
    """Return a template for the owner's account: a rule that sends the events to this account."""
    bus = f"arn:{account.partition}:events:{account.region}:{account.id}:event-bus/default"
    send = {"Effect": "Allow", "Action": "events:PutEvents", "Resource": bus}
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    role = {
        "AssumeRolePolicyDocument": {"Version": VERSION, "Statement": [trust]},
        "Policies": [
            {"PolicyName": "send", "PolicyDocument": {"Version": VERSION, "Statement": [send]}}
        ],
    }
    target = {"Id": "tidegate", "Arn": bus, "RoleArn": {"Fn::GetAtt": ["Sender", "Arn"]}}
    rule = {"EventPattern": event_pattern(bucket, prefix), "Targets": [target]}
    return {
        "Resources": {
            "Sender": {"Type": "AWS::IAM::Role", "Properties": role},
            "ToTidegate": {"Type": "AWS::Events::Rule", "Properties": rule},
        }
    }


def _json(value: object) -> str:
    """Return indented JSON, with each list and object of mere strings on one line."""
    innermost = r"([\[{])\n *([^\[\]{}]+?)\n *([\]}])"  # in a string, the end of a line is escaped
    return re.sub(innermost, _on_one_line, json.dumps(value, indent=2))


def _on_one_line(found: re.Match[str]) -> str:
    opening, content, closing = found.groups()
    return opening + re.sub(r"\n *", " ", content) + closing
