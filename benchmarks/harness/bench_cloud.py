"""The local cloud of a scenario: shared inputs, and for each run a queue and an output prefix."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import boto3

from benchmarks.harness.contenders import Contender
from tidegate.localcloud.cloud import Cloud

INPUTS = "inputs"
OUTPUTS = "outputs"
BATCH = 10
MAX_DELETED = 1000  # objects of one call
COUNTS = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]


class BenchCloud:
    """A local cloud with an input and an output bucket; the inputs are kept between runs."""

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
        """Make a client of the cloud, or of a proxy to the cloud."""
        return self._session.client(service, endpoint_url=url or self.cloud.url)

    def put(self, keys: Sequence[str], body: bytes) -> None:
        """Upload the same content under each key."""
        for key in keys:
            self.s3.put_object(Bucket=INPUTS, Key=key, Body=body)

    def new_run(self, model: Path) -> "Run":
        """Make the queue and the output prefix of one run."""
        return Run(self, f"run-{next(self._numbers)}", model)


class Run:
    """One queue that one contender drains, and the outputs that the contender writes."""

    def __init__(self, bench: BenchCloud, name: str, model: Path) -> None:
        self._bench = bench
        self.name = name
        self._model = model
        self._queue = bench.sqs.create_queue(
            QueueName=name, Attributes={"VisibilityTimeout": "120"}
        )["QueueUrl"]

    def environment(self, url: str | None = None) -> dict[str, str]:
        """Return the contender's environment variables; `url` is a proxy to use, if any."""
        return {
            **self._bench.cloud.environment(),
            "AWS_ENDPOINT_URL": url or self._bench.cloud.url,
            "WORKER_QUEUE": self.name,
            "WORKER_MODEL": str(self._model),
            "WORKER_IDLE_SECONDS": "0",
        }

    def send(self, contender: Contender, keys: Sequence[str]) -> None:
        """Send a message for each input, in the contender's format."""
        for start in range(0, len(keys), BATCH):
            entries = [
                {"Id": str(number), "MessageBody": contender.wrap(self._body(key))}
                for number, key in enumerate(keys[start : start + BATCH])
            ]
            self._bench.sqs.send_message_batch(QueueUrl=self._queue, Entries=entries)

    def _body(self, key: str) -> str:
        job = {"bucket": INPUTS, "key": key, "output_bucket": OUTPUTS, "output_key": self.name}
        return json.dumps(job)

    def counts(self) -> tuple[int, int]:
        """Return the number of visible messages and the number of messages in flight."""
        response: Mapping[str, Mapping[str, str]] = self._bench.sqs.get_queue_attributes(
            QueueUrl=self._queue, AttributeNames=COUNTS
        )
        visible, in_flight = (int(response["Attributes"][name]) for name in COUNTS)
        return visible, in_flight

    def outputs(self) -> dict[str, bytes]:
        """Return each output's content by its input's key; equal outputs are downloaded once."""
        by_etag: dict[str, bytes] = {}
        found = {}
        for key, etag in self._list():
            if etag not in by_etag:
                response = self._bench.s3.get_object(Bucket=OUTPUTS, Key=key)
                by_etag[etag] = response["Body"].read()
            found[key.removeprefix(f"{self.name}/")] = by_etag[etag]
        return found

    def clear(self) -> None:
        """Delete the queue and the outputs, which the cloud would keep in memory."""
        objects = [{"Key": key} for key, _ in self._list()]
        for start in range(0, len(objects), MAX_DELETED):
            self._bench.s3.delete_objects(
                Bucket=OUTPUTS, Delete={"Objects": objects[start : start + MAX_DELETED]}
            )
        self._bench.sqs.delete_queue(QueueUrl=self._queue)

    def _list(self) -> Iterator[tuple[str, str]]:
        pages = self._bench.s3.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=OUTPUTS, Prefix=f"{self.name}/"):
            for found in page.get("Contents", []):
                yield found["Key"], found["ETag"]
