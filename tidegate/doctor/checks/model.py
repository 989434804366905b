"""The model: there, readable, and the one that the stack wants."""

import base64
from typing import TYPE_CHECKING, Any

from tidegate.aws.errors import found
from tidegate.doctor.facts import Facts
from tidegate.doctor.finding import Finding, broken, ok

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

MISSING = ("404", "NoSuchBucket", "NoSuchKey", "NoSuchVersion")
ARCHIVED = {"GLACIER", "DEEP_ARCHIVE"}


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
