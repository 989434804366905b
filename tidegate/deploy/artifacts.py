"""The artifact bucket: models, the dispatcher's code and templates, each under its digest."""

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tidegate.aws.account import Account
from tidegate.aws.errors import AwsError, found
from tidegate.deploy.cloudformation.template import code_bucket
from worker.advice.answers import ACCESS_DENIED
from worker.aws.errors import error_code

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_s3 import S3Client

NOT_THERE = ("404", "NoSuchBucket", "NoSuchKey")
WITHOUT_LOCATION = "us-east-1"  # S3 refuses this one region's name where a bucket is made


def default_name(account: Account, stack: str) -> str:
    """Return the name of the bucket that a stack's artifacts lie in if none is chosen."""
    return f"{stack}-deploy-{account.id}-{account.region}"


def name_known_to(account: Account, stack: str) -> str | None:
    """Return the bucket that an existing stack's code lies in, as its template has it."""
    answer = account.client("cloudformation").get_template(StackName=stack)
    return code_bucket(answer["TemplateBody"])


@dataclass(frozen=True, slots=True)
class Artifacts:
    """A bucket for what a stack is made of."""

    account: Account
    bucket: str

    @property
    def _s3(self) -> "S3Client":
        client: S3Client = self.account.client("s3")
        return client

    def require(self, *, own: bool) -> None:
        """Make the bucket unless it is there; one of the user's own is never made.

        Raises AwsError if it belongs to another account, lies in another region or cannot be used.
        """
        try:
            there = found(
                partial(
                    self._s3.head_bucket, Bucket=self.bucket, ExpectedBucketOwner=self.account.id
                ),
                *NOT_THERE,
            )
        except ClientError as error:
            if error_code(error) not in ACCESS_DENIED:
                raise
            raise AwsError(
                f"the bucket {self.bucket} is another account's, or you may not use it:"
                " `--artifact-bucket BUCKET` names one of yours"
            ) from None
        if there is None:
            if own:
                raise AwsError(f"there is no bucket {self.bucket}: `aws s3 mb s3://{self.bucket}`")
            self._make()
        elif there.get("BucketRegion", self.account.region) != self.account.region:
            raise AwsError(
                f"the bucket {self.bucket} lies in {there['BucketRegion']}, but Lambda reads code"
                f" from its own region alone: name one in {self.account.region}"
            )

    def _make(self) -> None:
        where: Any = {"LocationConstraint": self.account.region}
        elsewhere = self.account.region != WITHOUT_LOCATION
        self._s3.create_bucket(
            Bucket=self.bucket, **({"CreateBucketConfiguration": where} if elsewhere else {})
        )
        self._s3.put_public_access_block(
            Bucket=self.bucket,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        )
        self._s3.put_bucket_policy(Bucket=self.bucket, Policy=json.dumps(self._only_tls()))

    def _only_tls(self) -> dict[str, Any]:
        bucket = f"arn:{self.account.partition}:s3:::{self.bucket}"
        statement = {
            "Sid": "OnlyOverTls",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [bucket, f"{bucket}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        return {"Version": "2012-10-17", "Statement": [statement]}

    def put(self, key: str, content: bytes) -> None:
        """Write an object of a few kilobytes."""
        self._s3.put_object(
            Bucket=self.bucket, Key=key, Body=content, ExpectedBucketOwner=self.account.id
        )

    def upload(self, path: Path, key: str) -> None:
        """Write a file of any size, unless it is there: its key has its digest."""
        if self._has(key):
            return
        with self.account.shown_as(f"aws s3 cp {path} s3://{self.bucket}/{key}"):
            self._s3.upload_file(
                str(path), self.bucket, key, ExtraArgs={"ExpectedBucketOwner": self.account.id}
            )

    def read(self, key: str) -> bytes | None:
        """Return an object's content; None if there is no such object, or no such bucket."""
        answer = found(
            lambda: self._s3.get_object(
                Bucket=self.bucket, Key=key, ExpectedBucketOwner=self.account.id
            ),
            *NOT_THERE,
        )
        return answer["Body"].read() if answer else None

    def _has(self, key: str) -> bool:
        answer = found(
            lambda: self._s3.head_object(
                Bucket=self.bucket, Key=key, ExpectedBucketOwner=self.account.id
            ),
            *NOT_THERE,
        )
        return answer is not None

    def url(self, key: str) -> str:
        """Return the object's address, as CloudFormation reads a template."""
        return f"{self._s3.meta.endpoint_url}/{self.bucket}/{key}"


def model_key(path: Path) -> tuple[str, str]:
    """Return where a model goes, and its digest: so a name never means two models."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return f"models/{sha256}/{path.name}", sha256
