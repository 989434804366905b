"""The buckets and the model: where files arrive, where predictions go, and what predicts."""

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.aws.errors import found
from tidegate.aws.shown_calls import as_command
from tidegate.doctor.dispatching import S3, may_invoke, permit, rule
from tidegate.doctor.facts import Facts
from tidegate.doctor.finding import Finding, Verdict, broken, ok

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

CREATED = "s3:ObjectCreated:*"
MISSING = ("404", "NoSuchBucket", "NoSuchKey", "NotFound")
ARCHIVED = {"GLACIER", "DEEP_ARCHIVE"}
RULE = "InputArrived"


def input_bucket(facts: Facts) -> Finding:
    """Look at the way from the input bucket to the dispatcher."""
    s3: S3Client = facts.client("s3")
    bucket = facts.stack.outputs["InputBucket"]
    wired = found(lambda: s3.get_bucket_notification_configuration(Bucket=bucket), *MISSING)
    if wired is None:
        return _no_bucket(facts, bucket)
    configuration = {name: part for name, part in wired.items() if name != "ResponseMetadata"}
    if facts.stack.parameters.get("InputBucket"):  # one that the stack did not make
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


def model(facts: Facts) -> Finding:
    """Look for the model, in the version that the workers load, and compare its digest."""
    uri = facts.worker_environment["WORKER_MODEL"]
    address, _, version = uri.removeprefix("s3://").partition("?versionId=")
    bucket, _, key = address.partition("/")
    s3: S3Client = facts.client("s3")
    wanted: Any = {"Bucket": bucket, "Key": key} | ({"VersionId": version} if version else {})
    head = found(lambda: s3.head_object(**wanted, ChecksumMode="ENABLED"), *MISSING)
    deploy = f"tidegate deploy {facts.stack.name} --model FILE"
    if head is None:
        return broken(f"{uri} is not there: no worker can start", "Name another one:", deploy)
    if head.get("StorageClass") in ARCHIVED:
        return broken(
            f"{uri} is archived ({head.get('StorageClass')}): no worker can start",
            "Restore it, or name another one:",
            deploy,
        )
    return _digest(uri, key, facts.worker_environment.get("WORKER_MODEL_SHA256", ""), head, deploy)


def _digest(
    uri: str, key: str, digest: str, head: "HeadObjectOutputTypeDef", deploy: str
) -> Finding:
    """Compare the digest with the object's checksum, or with the key that `deploy` gives it."""
    there = f"{uri}, {head['ContentLength']:,} bytes"
    if not digest:
        if "?versionId=" in uri:
            return ok(f"{there}; its version is fixed")
        return ok(f"{there}; whatever is at this key is loaded (ModelSha256 is not set)")
    checksum = head.get("ChecksumSHA256", "")
    if checksum and "-" not in checksum:  # one of a whole object, not of its parts
        actual = base64.b64decode(checksum).hex()
        if actual != digest.lower():
            return broken(
                f"{there}, has the digest {actual}, and the stack wants {digest.lower()}",
                "No worker can start. Upload the model anew:",
                deploy,
            )
        return ok(f"{there}; its digest is the stack's")
    if digest.lower() in key.lower():
        return ok(f"{there}; its key is its digest, which each worker checks")
    return ok(f"{there}; a worker compares its digest at the start")
