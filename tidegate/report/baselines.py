"""Finds the baseline that lies beside a model in S3."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from tidegate.offline.baseline import MOST_BYTES, SUFFIX, Baseline
from worker.aws.errors import error_code
from worker.distributions import Distributions

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_s3 import S3Client

# S3 answers 403 for an object that is not there to callers who may not list the bucket.
NOT_THERE = frozenset({"NoSuchKey", "NoSuchBucket", "404", "AccessDenied", "403"})


def baseline_of(
    s3: "S3Client", models: Sequence[tuple[str, str]], sha256: str
) -> Distributions | None:
    """Return the baseline of a model by its digest; None if there is none, or one of another model.

    `models` are URIs and digests. Raises NoBaseline for an object that is no baseline.
    """
    for uri in dict.fromkeys(uri for uri, digest in models if digest == sha256 and sha256):
        address, _, _ = uri.removeprefix("s3://").partition("?versionId=")
        bucket, _, key = address.partition("/")
        if not uri.startswith("s3://") or not key:
            continue
        try:
            body = s3.get_object(Bucket=bucket, Key=key + SUFFIX)["Body"]
        except ClientError as error:
            if error_code(error) in NOT_THERE:
                continue
            raise
        found = Baseline.from_json(body.read(MOST_BYTES), uri + SUFFIX)
        if found.model_sha256 == sha256:
            return found.predictions
    return None
