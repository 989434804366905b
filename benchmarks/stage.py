"""Where contenders are measured: buckets, and for each run a queue and a prefix of its own."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import boto3

from benchmarks.contenders import Contender
from tidegate.localcloud.cloud import Cloud

INPUTS = "inputs"
OUTPUTS = "outputs"
BATCH = 10
COUNTS = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]


class Stage:
    """A cloud with inputs, which stay from run to run."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self.cloud = cloud
        self.folder = folder
        environment = cloud.environment()
        self._session: Any = boto3.Session(
            environment["AWS_ACCESS_KEY_ID"],
            environment["AWS_SECRET_ACCESS_KEY"],
            region_name=environment["AWS_REGION"],
        )
        self.s3 = self.client("s3")
        self.sqs = self.client("sqs")
        self._numbers = count(1)
        for bucket in (INPUTS, OUTPUTS):
            self.s3.create_bucket(Bucket=bucket)

    def client(self, service: str, url: str | None = None) -> Any:  # noqa: ANN401 - boto3's
        """Make a client of the cloud's, or of what stands before it."""
        return self._session.client(service, endpoint_url=url or self.cloud.url)

    def put(self, keys: Sequence[str], body: bytes) -> None:
        """Upload inputs that are all the same."""
        for key in keys:
            self.s3.put_object(Bucket=INPUTS, Key=key, Body=body)

    def run(self, model: Path) -> "Run":
        """Make a queue and a place for outputs."""
        return Run(self, f"run-{next(self._numbers)}", model)


class Run:
    """One queue, worked off once, and the outputs that come of it."""

    def __init__(self, stage: Stage, name: str, model: Path) -> None:
        self._stage = stage
        self.name = name
        self._model = model
        self._queue = stage.sqs.create_queue(
            QueueName=name, Attributes={"VisibilityTimeout": "120"}
        )["QueueUrl"]

    def environment(self, url: str | None = None) -> dict[str, str]:
        """Say where the work is, and through which address."""
        return {
            **self._stage.cloud.environment(),
            "AWS_ENDPOINT_URL": url or self._stage.cloud.url,
            "WORKER_QUEUE": self.name,
            "WORKER_MODEL": str(self._model),
            "WORKER_IDLE_SECONDS": "0",
        }

    def send(self, contender: Contender, keys: Sequence[str]) -> None:
        """Send a message for each input, as the contender takes it."""
        for start in range(0, len(keys), BATCH):
            entries = [
                {"Id": str(number), "MessageBody": contender.wrap(self._body(key))}
                for number, key in enumerate(keys[start : start + BATCH])
            ]
            self._stage.sqs.send_message_batch(QueueUrl=self._queue, Entries=entries)

    def _body(self, key: str) -> str:
        job = {"bucket": INPUTS, "key": key, "output_bucket": OUTPUTS, "output_key": self.name}
        return json.dumps(job)

    def counts(self) -> tuple[int, int]:
        """Count the messages that are visible, and those in flight."""
        answer: Mapping[str, Mapping[str, str]] = self._stage.sqs.get_queue_attributes(
            QueueUrl=self._queue, AttributeNames=COUNTS
        )
        visible, in_flight = (int(answer["Attributes"][name]) for name in COUNTS)
        return visible, in_flight

    def outputs(self) -> dict[str, bytes]:
        """Read the outputs, one of each kind: keys, and what all with that body have."""
        by_etag: dict[str, bytes] = {}
        found = {}
        for key, etag in self._listed():
            if etag not in by_etag:
                answer = self._stage.s3.get_object(Bucket=OUTPUTS, Key=key)
                by_etag[etag] = answer["Body"].read()
            found[key.removeprefix(f"{self.name}/")] = by_etag[etag]
        return found

    def clear(self) -> None:
        """Delete queue and outputs, which the cloud would hold in memory."""
        for key, _ in self._listed():
            self._stage.s3.delete_object(Bucket=OUTPUTS, Key=key)
        self._stage.sqs.delete_queue(QueueUrl=self._queue)

    def _listed(self) -> Iterator[tuple[str, str]]:
        pages = self._stage.s3.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=OUTPUTS, Prefix=f"{self.name}/"):
            for found in page.get("Contents", []):
                yield found["Key"], found["ETag"]
