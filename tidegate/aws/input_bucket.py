"""An existing input bucket: it sends its events to EventBridge while a stack reads it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from tidegate.aws.account import Account
from tidegate.aws.buckets import look_at
from tidegate.aws.errors import found
from tidegate.aws.event_rules import rules_about
from tidegate.aws.other_accounts import to_read
from tidegate.aws.stack import DeployedStack
from worker.errors import SettingsError

# So begins a tag of the stack, which ends with the bucket whose events the stack turned on. A stack
# that moves to another bucket has a tag for each.
TAG = "tidegate:turned-on-notifications:"
EVENTBRIDGE = "EventBridgeConfiguration"
KINDS = {
    "QueueConfigurations": ("queue", "QueueArn"),
    "TopicConfigurations": ("topic", "TopicArn"),
    "LambdaFunctionConfigurations": ("function", "LambdaFunctionArn"),
}


@dataclass(frozen=True, slots=True)
class Wiring:
    """What a bucket needs so that its events reach a stack."""

    bucket: str
    changes: str  # to print, and to ask about if `turns_on`
    turns_on: bool  # `apply` changes the bucket
    policy: str = ""  # for the owner of a bucket in another account, to paste

    @property
    def tag(self) -> Mapping[str, str]:
        """Return the stack's tag that lets `undo` know what the stack changed."""
        return {f"{TAG}{self.bucket}": "true"} if self.turns_on else {}


def plan_wiring(account: Account, bucket: str, prefix: str, *, stack: str) -> Wiring | None:
    """Return what is to be changed or known; None if the bucket is ready.

    Raises SettingsError if there is no such bucket, or if it is in another region.
    """
    seen = look_at(account, bucket)
    if seen.region not in ("", account.region):
        raise SettingsError(
            f"the bucket {bucket} is in {seen.region}, and the stack in {account.region}. An input "
            f"bucket sends its events within its region: deploy with AWS_REGION={seen.region}"
        )
    if not seen.owned:
        policy = to_read(account, stack, bucket, prefix)
        return Wiring(bucket, f"nothing is changed in {bucket}", turns_on=False, policy=policy)
    configuration = _read(account, bucket)
    lines = [
        f"{name} names the dispatcher already: each file may be announced twice, which costs a "
        "little and does no harm. Remove it from the bucket once the stack stands"
        for name in _direct(configuration, prefix, f"{stack}-dispatcher")
    ]
    turns_on = EVENTBRIDGE not in configuration
    if turns_on:
        lines = [
            f"{bucket} will send its events to EventBridge. S3 needs some five minutes for that",
            *_kept(configuration),
            *lines,
        ]
    return Wiring(bucket, "\n".join(lines), turns_on) if lines else None


def _direct(configuration: Mapping[str, Any], prefix: str, function: str) -> Iterator[str]:
    """Yield the bucket's own notifications that invoke the function for keys below the prefix."""
    for one in configuration.get("LambdaFunctionConfigurations", []):
        begins = _prefix(one)
        overlaps = begins.startswith(prefix) or prefix.startswith(begins)
        if one["LambdaFunctionArn"].split(":")[6] == function and overlaps:
            yield f"the notification {one['Id']} of the bucket"


def _kept(configuration: Mapping[str, Any]) -> Iterator[str]:
    for name, (kind, arn) in KINDS.items():
        for one in configuration.get(name, []):
            below = f" below {_prefix(one)}" if _prefix(one) else ""
            yield f"it keeps: {', '.join(one['Events'])}{below} to the {kind} {one[arn]}"


def _prefix(notification: Mapping[str, Any]) -> str:
    """Return the key prefix that a notification is limited to."""
    rules = notification.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    # S3 answers with `Prefix` for what was put as `prefix`, and has the value URL-encoded.
    values = [unquote_plus(rule["Value"]) for rule in rules if rule["Name"].lower() == "prefix"]
    return values[0] if values else ""


def apply(account: Account, wiring: Wiring) -> None:
    """Let the bucket send its events to EventBridge too; what it has stays."""
    if not wiring.turns_on:
        return
    # Read once more: a Put replaces all that the bucket has by then.
    configuration = _read(account, wiring.bucket)
    if EVENTBRIDGE not in configuration:
        _write(account, wiring.bucket, configuration | {EVENTBRIDGE: {}})


def undo(account: Account, stack: DeployedStack) -> str:
    """Turn off what the stack turned on, unless others may use it; return what was done.

    The text is empty if the stack turned nothing on. It may be called before or after the stack is
    deleted, and again.
    """
    buckets = [tag.removeprefix(TAG) for tag in stack.tags if tag.startswith(TAG)]
    return "\n".join(filter(None, (_undo(account, one, f"{stack.name}-input") for one in buckets)))


def _undo(account: Account, bucket: str, own_rule: str) -> str:
    configuration = found(lambda: _read(account, bucket), "NoSuchBucket")
    if configuration is None or EVENTBRIDGE not in configuration:
        return ""
    others = sorted(set(rules_about(account, bucket)) - {own_rule})
    if others:
        return (
            f"{bucket} still sends its events to EventBridge, because these rules may use them: "
            f"{', '.join(others)}. It costs nothing"
        )
    del configuration[EVENTBRIDGE]
    _write(account, bucket, configuration)
    return f"{bucket} sends its events to EventBridge no longer. Its other notifications stay"


def _read(account: Account, bucket: str) -> dict[str, Any]:
    answer = account.client("s3").get_bucket_notification_configuration(
        Bucket=bucket, ExpectedBucketOwner=account.id
    )
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def _write(account: Account, bucket: str, configuration: Mapping[str, Any]) -> None:
    account.client("s3").put_bucket_notification_configuration(
        Bucket=bucket,
        ExpectedBucketOwner=account.id,
        NotificationConfiguration=configuration,
        # A destination that is gone is no concern of this change, and would make S3 refuse it.
        SkipDestinationValidation=True,
    )
