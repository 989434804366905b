"""A worker as people start it by hand, on any endpoint that has SQS and S3."""

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import joblib
import pandas as pd
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

ROOT = Path(__file__).parents[2]
REGION = "eu-central-1"
OTHER_REGION = "eu-west-1"
HEADER = "id,sepal_length,sepal_width,petal_length,petal_width"


@cache
def _session() -> boto3.Session:
    """Make one session for all clients, as a session reads the models of the services anew."""
    return boto3.Session("test", "test", region_name=REGION)


def iris() -> pd.DataFrame:
    """The iris data with an id column first."""
    frame: pd.DataFrame = load_iris(as_frame=True).data
    frame.columns = pd.Index(HEADER.split(",")[1:])
    frame.insert(0, "id", [f"{number:05}" for number in range(len(frame))])
    return frame


def model_file(folder: Path) -> Path:
    """Train a two-class model on iris and pickle it."""
    target = load_iris().target == 2
    path = folder / "model.pkl"
    joblib.dump(LogisticRegression(max_iter=1000).fit(iris().iloc[:, 1:], target), path)
    return path


@dataclass
class Ended:
    """How a worker process ended."""

    status: int
    stderr: str

    @property
    def events(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.stderr.splitlines() if line.startswith("{")]

    def said(self, event: str) -> list[dict[str, object]]:
        """Return the lines it logged with that event."""
        return [line for line in self.events if line["event"] == event]


@dataclass
class Running:
    """A worker process, the leader of a process group of its own."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def until(self, event: str) -> None:
        """Read its log up to an event; raises AssertionError if the process ends without it."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if line.startswith("{") and json.loads(line)["event"] == event:
                return
        raise AssertionError(f"ended without {event!r}: {''.join(self.lines)}")

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the worker alone."""
        self.process.send_signal(number)

    def send_to_group(self, number: signal.Signals) -> None:
        """Send a signal to all of its processes, as a terminal does."""
        os.killpg(self.process.pid, number)

    def ended(self) -> Ended:
        """Wait for the end of the worker and of every process it started: they share its stderr."""
        assert self.process.stderr is not None
        self.lines += self.process.stderr
        return Ended(self.process.wait(), "".join(self.lines))


@dataclass
class Endpoint:
    """Buckets, a queue with a dead-letter queue, and the environment of a worker that uses them."""

    url: str
    name: str
    environment: dict[str, str] = field(default_factory=dict)
    max_receives: int = 5
    output_region: str = REGION

    def __post_init__(self) -> None:
        self.environment = {
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "WORKER_QUEUE": self.name,
            "WORKER_IDLE_SECONDS": "1",
            "WORKER_PREDICT_PROCESSES": "1",
        }
        session = _session()
        self.s3: S3Client = session.client("s3", endpoint_url=self.url)
        self.sqs: SQSClient = session.client("sqs", endpoint_url=self.url)
        for bucket, region in ((self.input, REGION), (self.output, self.output_region)):
            client: S3Client = self.s3
            if region != REGION:
                client = session.client("s3", region, endpoint_url=self.url)
            where: dict[str, str] = {"LocationConstraint": region}
            client.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)  # type: ignore[arg-type]
        self.dead = self.sqs.create_queue(QueueName=f"{self.name}-dead")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.dead, AttributeNames=["QueueArn"])
        redrive = {
            "deadLetterTargetArn": arn["Attributes"]["QueueArn"],
            "maxReceiveCount": str(self.max_receives),
        }
        self.queue = self.sqs.create_queue(
            QueueName=self.name, Attributes={"RedrivePolicy": json.dumps(redrive)}
        )["QueueUrl"]

    @property
    def input(self) -> str:
        return f"{self.name}-in"

    @property
    def output(self) -> str:
        return f"{self.name}-out"

    def submit(self, key: str, body: bytes, **more: object) -> None:
        """Put a file, and send a message with the origin post's four fields (and `more`)."""
        self.s3.put_object(Bucket=self.input, Key=key, Body=body)
        self.send(json.dumps(self.job(key) | more))

    def job(self, key: str) -> dict[str, object]:
        """Return a job in the origin post's four fields."""
        return {
            "bucket": self.input,
            "key": key,
            "output_bucket": self.output,
            "output_key": "p",
        }

    def send(self, body: str) -> None:
        """Send a message with any body."""
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=body)

    def get(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=self.output, Key=key)["Body"].read()

    def keys(self) -> set[str]:
        listed = self.s3.list_objects_v2(Bucket=self.output).get("Contents", [])
        return {found["Key"] for found in listed}

    def counts(self, queue: str) -> tuple[int, int]:
        """Count the visible messages of a queue and its messages in flight."""
        counts = self.sqs.get_queue_attributes(
            QueueUrl=queue,
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )["Attributes"]
        return (
            int(counts["ApproximateNumberOfMessages"]),
            int(counts["ApproximateNumberOfMessagesNotVisible"]),
        )

    def left(self, queue: str) -> int:
        """Count the messages of a queue, visible or not."""
        return sum(self.counts(queue))

    def offer(self, model: Path) -> str:
        """Return the value of WORKER_MODEL for a model on this machine."""
        return str(model)

    def command(self, _environment: Mapping[str, str]) -> list[str]:
        """Return the command that starts a worker."""
        return [sys.executable, "-m", "worker"]

    @contextmanager
    def started(self, **changes: str) -> Iterator[Running]:
        """Start a worker, and kill its process group at the end of the block."""
        environment = self.environment | changes
        with subprocess.Popen(  # noqa: S603 - our own words
            self.command(environment),
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            running = Running(process)
            try:
                yield running
            finally:
                with suppress(ProcessLookupError):
                    running.send_to_group(signal.SIGKILL)

    async def worker(self, **changes: str) -> Ended:
        """Run `python -m worker` until it ends by itself."""
        with self.started(**changes) as running:
            return await asyncio.to_thread(running.ended)


async def drain_ten(endpoint: Endpoint, folder: Path, **settings: str) -> None:
    """Check that ten messages in the origin post's format are predicted and the worker leaves."""
    model = model_file(folder)
    frame = iris()
    for number in range(10):
        part = frame.iloc[number * 15 : (number + 1) * 15]
        endpoint.submit(f"dir/part {number}.csv", part.to_csv(index=False).encode())
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    ended = await endpoint.worker(
        WORKER_MODEL=endpoint.offer(model), WORKER_MODEL_SHA256=digest, **settings
    )
    assert ended.status == 0, ended.stderr
    assert endpoint.left(endpoint.queue) == endpoint.left(endpoint.dead) == 0
    expected = joblib.load(model).predict_proba(frame.iloc[:, 1:])[:, 1]
    lines = ["id,activation"]
    for number in range(10):
        header, *rows = endpoint.get(f"p/dir/part {number}.csv").decode().splitlines()
        assert header == lines[0]
        lines += rows
    assert [line.split(",")[0] for line in lines[1:]] == list(frame["id"])
    for line, value in zip(lines[1:], expected, strict=True):
        assert abs(float(line.split(",")[1]) - value) <= 1e-12 * abs(value)
