"""A fake of the caller's account: buckets with owners and notifications, and rules."""

# ruff: noqa: N803 - the arguments are boto3's

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

Notifications = dict[str, Any]


@dataclass
class FakeBucket:
    """A bucket of some account."""

    region: str = "eu-west-1"
    owner: str = "123456789012"
    notifications: Notifications = field(default_factory=dict)


@dataclass
class FakeS3:
    """S3's answers about buckets, and what was put."""

    buckets: dict[str, FakeBucket]
    denied: set[str] = field(default_factory=set)  # operations
    puts: int = 0

    def head_bucket(self, *, Bucket: str, ExpectedBucketOwner: str) -> Mapping[str, Any]:
        if Bucket not in self.buckets:
            raise _error("404", "HeadBucket")
        headers = {"x-amz-bucket-region": self.buckets[Bucket].region}
        if self._denies("HeadBucket", Bucket, ExpectedBucketOwner):
            raise _error("403", "HeadBucket", headers)
        return {"ResponseMetadata": {"HTTPHeaders": headers}}

    def get_bucket_notification_configuration(
        self, *, Bucket: str, ExpectedBucketOwner: str
    ) -> Mapping[str, Any]:
        bucket = self._bucket("GetBucketNotificationConfiguration", Bucket, ExpectedBucketOwner)
        return copy.deepcopy(bucket.notifications) | {"ResponseMetadata": {}}

    def put_bucket_notification_configuration(
        self,
        *,
        Bucket: str,
        ExpectedBucketOwner: str,
        NotificationConfiguration: Notifications,
        SkipDestinationValidation: bool,
    ) -> None:
        bucket = self._bucket("PutBucketNotificationConfiguration", Bucket, ExpectedBucketOwner)
        if not SkipDestinationValidation:
            raise _error("InvalidArgument", "PutBucketNotificationConfiguration")
        bucket.notifications = NotificationConfiguration
        self.puts += 1

    def _bucket(self, operation: str, name: str, expected_owner: str) -> FakeBucket:
        if name not in self.buckets:
            raise _error("NoSuchBucket", operation)
        if self._denies(operation, name, expected_owner):
            raise _error("AccessDenied", operation)
        return self.buckets[name]

    def _denies(self, operation: str, name: str, expected_owner: str) -> bool:
        return operation in self.denied or self.buckets[name].owner != expected_owner


@dataclass
class FakeEvents:
    """The rules of the default bus, one on each page."""

    patterns: dict[str, Mapping[str, Any] | None]

    def get_paginator(self, name: str) -> "FakeEvents":
        assert name == "list_rules"
        return self

    def paginate(self) -> Iterator[Mapping[str, Any]]:
        for name, pattern in self.patterns.items():
            matched = {"EventPattern": json.dumps(pattern)} if pattern else {}
            yield {"Rules": [{"Name": name, **matched}]}


@dataclass
class FakeAccount:
    """What the commands use of the caller's account."""

    s3: FakeS3 = field(default_factory=lambda: FakeS3({}))
    events: FakeEvents = field(default_factory=lambda: FakeEvents({}))
    id: str = "123456789012"
    region: str = "eu-west-1"
    partition: str = "aws"

    def client(self, service: str) -> Any:  # noqa: ANN401 - a client of any service
        return {"s3": self.s3, "events": self.events}[service]


def _error(code: str, operation: str, headers: Mapping[str, str] | None = None) -> ClientError:
    metadata: Any = {"HTTPHeaders": headers or {}}
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": metadata}, operation)
