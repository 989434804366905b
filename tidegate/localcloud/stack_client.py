"""A deployed stack as its users see it: upload files, read outputs, count messages."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, get_args

from tidegate.localcloud.cloud import Cloud
from tidegate.localcloud.stack import Stack
from worker.interfaces import Format
from worker.job import Job
from worker.jobs import output_keys
from worker.settings import Settings

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

OUTPUT_PREFIX = "predictions"
FORMATS: tuple[str, ...] = get_args(Format)

Listing = dict[str, tuple[str, datetime]]  # ETag and time of each object, by its key


@dataclass(frozen=True, slots=True)
class Templates:
    """The worker's settings of where outputs and failure reports go."""

    output: str = Settings.model_fields["output_template"].default
    failure: str = Settings.model_fields["failure_template"].default


def output_key(key: str) -> str:
    """Return the key of an input's output."""
    return f"{OUTPUT_PREFIX}/{key}"


def report_key(key: str) -> str:
    """Return the key of an input's failure report."""
    return f"{OUTPUT_PREFIX}/_failed/{key}.json"


def _possible(output: str) -> list[str]:
    """Return the keys that an output may have: one of another format has that appended."""
    return [output, *(f"{output}.{form}" for form in FORMATS)]


@dataclass(frozen=True, slots=True)
class FileState:
    """What became of the present version of one input."""

    status: Literal["waiting", "predicted", "failed"]
    etag: str
    output: str | None = None  # its key
    rows: int | None = None
    rejected: int | None = None
    failure: str | None = None


class StackClient:
    """Reads and writes the buckets and queues of one stack."""

    def __init__(self, cloud: Cloud, stack: Stack, templates: Templates | None = None) -> None:
        self._templates = templates or Templates()
        self._known: dict[str, tuple[object, FileState]] = {}  # with the objects it was read from
        self._cloud = cloud
        self._stack = stack
        self._s3: S3Client = cloud.client("s3")
        self._sqs: SQSClient = cloud.client("sqs")

    def of(self, stack: Stack) -> Self:
        """Return a client of the stack as it is now: this one, unless the stack has changed."""
        return self if stack == self._stack else type(self)(self._cloud, stack, self._templates)

    async def upload(self, key: str, content: bytes) -> None:
        """Put a file into the input bucket."""
        await asyncio.to_thread(
            self._s3.put_object, Bucket=self._stack.input_bucket, Key=key, Body=content
        )

    async def upload_file(self, key: str, path: Path) -> None:
        """Put a file of this machine into the input bucket; raises OSError if it cannot be read."""
        await asyncio.to_thread(self._upload_file, key, path)

    def _upload_file(self, key: str, path: Path) -> None:
        with path.open("rb") as content:
            self._s3.put_object(Bucket=self._stack.input_bucket, Key=key, Body=content)

    async def outputs(self) -> dict[str, int]:
        """Return each key in the output bucket and how many times it was written."""
        return await asyncio.to_thread(self._outputs)

    def _outputs(self) -> dict[str, int]:
        pages = self._s3.get_paginator("list_object_versions").paginate(
            Bucket=self._stack.output_bucket
        )
        return Counter(version["Key"] for page in pages for version in page.get("Versions", []))

    async def files(self) -> dict[str, FileState]:
        """Return the state of each object in the input bucket, by its key."""
        return await asyncio.to_thread(self._files)

    def _files(self) -> dict[str, FileState]:
        written = self._written()
        return {job.key: self._state(job, landed, written) for job, landed in self._jobs()}

    def _jobs(self) -> Iterator[tuple[Job, datetime]]:
        """Yield the job of each input's present version, and when the version landed."""
        pages = self._s3.get_paginator("list_object_versions").paginate(
            Bucket=self._stack.input_bucket
        )
        for page in pages:
            for found in page.get("Versions", []):
                if found["IsLatest"]:
                    job = Job(
                        bucket=self._stack.input_bucket,
                        key=found["Key"],
                        output_bucket=self._stack.output_bucket,
                        output_key=self._stack.output_key,
                        etag=found["ETag"],
                        version_id=found["VersionId"],
                    )
                    yield job, found["LastModified"]

    def _written(self) -> Listing:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._stack.output_bucket)
        return {
            found["Key"]: (found["ETag"], found["LastModified"])
            for page in pages
            for found in page.get("Contents", [])
        }

    def _state(self, job: Job, landed: datetime, written: Listing) -> FileState:
        """Return the state of an input; objects are read again only once they have changed."""
        output = output_keys.output_key(self._templates.output, job)
        report = output_keys.report_key(self._templates.failure, job)
        outputs = [name for name in _possible(output) if name in written]
        seen = (job, landed, *(written.get(name) for name in (*outputs, report)))
        if self._known.get(job.key, (None, None))[0] != seen:
            etag = job.etag or ""
            failed = report in written and written[report][1] >= landed
            self._known[job.key] = (
                seen,
                self._predicted(outputs, etag)
                or (self._failed(report, etag) if failed else FileState("waiting", etag)),
            )
        return self._known[job.key][1]

    def _predicted(self, outputs: list[str], etag: str) -> FileState | None:
        for name in outputs:
            known = self._s3.head_object(Bucket=self._stack.output_bucket, Key=name)["Metadata"]
            if known.get("source-etag") == etag:
                rows, rejected = (
                    int(known[count]) if count in known else None for count in ("rows", "rejected")
                )
                return FileState("predicted", etag, name, rows, rejected)
        return None

    def _failed(self, report_name: str, etag: str) -> FileState:
        report = json.loads(self._read(report_name))
        return FileState("failed", etag, failure=f"{report['error_type']}: {report['message']}")

    async def read(self, key: str) -> bytes:
        """Return the content of an object in the output bucket."""
        return await asyncio.to_thread(self._read, key)

    def _read(self, key: str) -> bytes:
        return self._s3.get_object(Bucket=self._stack.output_bucket, Key=key)["Body"].read()

    async def send_again(self, key: str) -> None:
        """Send an input's message a second time, as SQS may deliver one twice."""
        await asyncio.to_thread(self._send_again, key)

    def _send_again(self, key: str) -> None:
        # The output's metadata has the source version that the first message named.
        source = self._s3.head_object(Bucket=self._stack.output_bucket, Key=output_key(key))
        known = {
            field: source["Metadata"].get(f"source-{field.replace('_', '-')}")
            for field in ("etag", "version_id", "sequencer")
        }
        message = {
            "bucket": self._stack.input_bucket,
            "key": key,
            "output_bucket": self._stack.output_bucket,
            "output_key": OUTPUT_PREFIX,
            **{field: value for field, value in known.items() if value},
        }
        self._sqs.send_message(QueueUrl=self._stack.queue_url, MessageBody=json.dumps(message))

    async def waiting(self) -> int:
        """Count the messages in the queue, those in flight included."""
        return await asyncio.to_thread(self._waiting)

    def _waiting(self) -> int:
        attributes = self._sqs.get_queue_attributes(
            QueueUrl=self._stack.queue_url,
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )["Attributes"]
        return sum(int(count) for count in attributes.values())

    async def dead_letters(self) -> list[str]:
        """Return the input key of each message in the dead-letter queue, without deleting any."""
        return await asyncio.to_thread(self._dead_letters)

    def _dead_letters(self) -> list[str]:
        keys: list[str] = []
        while True:
            messages = self._sqs.receive_message(
                QueueUrl=self._stack.dead_letter_queue_url, MaxNumberOfMessages=10
            ).get("Messages", [])
            if not messages:
                return keys
            keys += [json.loads(message["Body"])["key"] for message in messages]
