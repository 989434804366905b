"""A bucket that is not the stack's: whether it is there, where it is, and whose it is."""

from dataclasses import dataclass

from botocore.exceptions import ClientError

from tidegate.aws.account import Account
from worker.advice.answers import ACCESS_DENIED
from worker.aws.errors import error_code
from worker.errors import SettingsError

ABSENT = frozenset({"404", "NoSuchBucket"})


@dataclass(frozen=True, slots=True)
class Bucket:
    """An existing bucket, as the caller may see it."""

    name: str
    region: str  # empty if S3 does not say
    owned: bool  # by the caller's account, and the caller may look at it


def look_at(account: Account, name: str) -> Bucket:
    """Look at a bucket; raises SettingsError if there is none of that name.

    A bucket that S3 denies is another account's, or the caller's rights do not include it: S3 does
    not say which.
    """
    try:
        answer = account.client("s3").head_bucket(Bucket=name, ExpectedBucketOwner=account.id)
    except ClientError as error:
        if error_code(error) in ABSENT:
            raise SettingsError(
                f"there is no bucket {name}: `aws s3 ls` lists those of this account. If none is "
                "named, the stack creates one"
            ) from None
        if error_code(error) not in ACCESS_DENIED:
            raise
        return Bucket(name, _region(error.response), owned=False)
    return Bucket(name, _region(answer), owned=True)


def _region(answer: object) -> str:
    match answer:
        case {"ResponseMetadata": {"HTTPHeaders": {"x-amz-bucket-region": str(region)}}}:
            return region
    return ""
