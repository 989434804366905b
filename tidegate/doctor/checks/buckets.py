"""The buckets: where files arrive, and where predictions go."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.aws.errors import found
from tidegate.aws.shown_calls import as_command
from tidegate.doctor.checks.dispatching import S3, may_invoke, permit, rule
from tidegate.doctor.facts import Facts
from tidegate.doctor.finding import Finding, Verdict, broken, ok

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_s3 import S3Client

CREATED = "s3:ObjectCreated:*"
MISSING = ("404", "NoSuchBucket")
RULE = "InputArrived"  # the rule for an input bucket that the stack did not make


def input_bucket(facts: Facts) -> Finding:
    """Look at the way from the input bucket to the dispatcher."""
    s3: S3Client = facts.client("s3")
    bucket = facts.stack.outputs["InputBucket"]
    wired = found(lambda: s3.get_bucket_notification_configuration(Bucket=bucket), *MISSING)
    if wired is None:
        return _no_bucket(facts, bucket)
    configuration = {name: part for name, part in wired.items() if name != "ResponseMetadata"}
    if facts.stack.parameters.get("InputBucket"):
        return _by_eventbridge(facts, bucket, configuration)
    return _by_notification(facts, bucket, configuration)


def _by_notification(facts: Facts, bucket: str, wired: Mapping[str, Any]) -> Finding:
    functions = wired.get("LambdaFunctionConfigurations", [])
    own = [one for one in functions if one["LambdaFunctionArn"] == facts.function_arn]
    problems: dict[str, str] = {}
    arn = f"arn:{facts.account.partition}:s3:::{bucket}"
    if not may_invoke(facts, S3, arn):
        problems["may not invoke the dispatcher"] = permit(facts, S3, arn)
    if not any(CREATED in one["Events"] for one in own):
        others = [one for one in functions if one not in own]
        notify = {"LambdaFunctionArn": facts.function_arn, "Events": [CREATED]}
        changed = {**wired, "LambdaFunctionConfigurations": [*others, notify]}
        problems["does not notify the dispatcher"] = _put(bucket, changed)
    if problems:
        return broken(
            f"{bucket} {' and '.join(problems)}: no file becomes a job",
            "To mend it (then upload again what has been missed):",
            *problems.values(),
        )
    return ok(f"{bucket} notifies the dispatcher of each new file")


def _by_eventbridge(facts: Facts, bucket: str, wired: Mapping[str, Any]) -> Finding:
    if "EventBridgeConfiguration" not in wired:
        return broken(
            f"{bucket} sends no events to EventBridge: no file becomes a job",
            "To mend it (then upload again what has been missed):",
            _put(bucket, {**wired, "EventBridgeConfiguration": {}}),
        )
    ruled = rule(facts, RULE, "no file becomes a job")
    if ruled.verdict is not Verdict.OK:
        return ruled
    return ok(f"{bucket} sends events to EventBridge, and {ruled.found}")


def _put(bucket: str, configuration: Mapping[str, Any]) -> str:
    """Return the command that sets a bucket's notifications: those that it has, too."""
    changed = {"Bucket": bucket, "NotificationConfiguration": configuration}
    return as_command("s3", "PutBucketNotificationConfiguration", changed)


def _no_bucket(facts: Facts, bucket: str) -> Finding:
    return broken(
        f"the bucket {bucket} is gone",
        "Make it again under the same name:",
        f"aws s3 mb s3://{bucket}",
        f"tidegate doctor {facts.stack.name}",
    )


def output_bucket(facts: Facts) -> Finding:
    """Look for the output bucket."""
    s3: S3Client = facts.client("s3")
    bucket = facts.stack.outputs["OutputBucket"]
    if found(lambda: s3.head_bucket(Bucket=bucket), *MISSING) is None:
        return _no_bucket(facts, bucket)
    return ok(f"s3://{bucket}/{facts.stack.outputs['OutputKey']}")
