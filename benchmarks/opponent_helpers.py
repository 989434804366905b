"""Code that the opponents share: the settings, the model, and a prediction with plain pandas."""

import io
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import joblib
import pandas as pd
from botocore.config import Config

QUEUE = os.environ.get("WORKER_QUEUE", "")
REGION = os.environ.get("AWS_REGION", "us-east-1")
# If a long poll of this length returns no message, the queue is drained.
WAIT_SECONDS = 1
COUNTS = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]


def load_model() -> Any:  # noqa: ANN401 - whatever was pickled
    """Load the model that WORKER_MODEL names."""
    return joblib.load(os.environ["WORKER_MODEL"])


def predict(model: Any, body: bytes) -> bytes:  # noqa: ANN401 - as above
    """Predict a CSV with pandas: keep the first column, add the second class's probability."""
    frame = pd.read_csv(io.BytesIO(body), dtype={0: str})
    features = frame.iloc[:, 1:]
    output = pd.DataFrame(
        {frame.columns[0]: frame.iloc[:, 0], "activation": model.predict_proba(features)[:, 1]}
    )
    return output.to_csv(index=False).encode()


def output_key(job: dict[str, str]) -> str:
    """Return the key of a job's output."""
    return f"{job['output_key']}/{job['key']}"


class ThreadedDrain:
    """Drains the queue with boto3 in threads: each receives ten messages and deletes them together.

    `convert` turns the content of an input into that of its output.
    """

    def __init__(self, convert: Callable[[bytes], bytes], threads: int) -> None:
        config = Config(max_pool_connections=threads)
        self._sqs: Any = boto3.client("sqs", config=config)
        self._s3: Any = boto3.client("s3", config=config)
        self._url = self._sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
        self._convert = convert
        self._threads = threads

    def run(self) -> None:
        """Work until each thread has had a poll without a message."""
        with ThreadPoolExecutor(self._threads) as threads:
            for thread in [threads.submit(self._drain) for _ in range(self._threads)]:
                thread.result()

    def _drain(self) -> None:
        while messages := self._receive():
            for message in messages:
                self._work(json.loads(message["Body"]))
            entries = [
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                for number, message in enumerate(messages)
            ]
            self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)

    def _receive(self) -> list[dict[str, str]]:
        answer = self._sqs.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=WAIT_SECONDS
        )
        messages: list[dict[str, str]] = answer.get("Messages", [])
        return messages

    def _work(self, job: dict[str, str]) -> None:
        body = self._s3.get_object(Bucket=job["bucket"], Key=job["key"])["Body"].read()
        output = self._convert(body)
        self._s3.put_object(Bucket=job["output_bucket"], Key=output_key(job), Body=output)


def stop_when_drained() -> None:
    """Send this process SIGTERM once its queue is empty, for programs that never exit."""
    threading.Thread(target=_stop_when_drained, daemon=True, name="drained").start()


def _stop_when_drained() -> None:
    sqs: Any = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    left = 1
    while left:
        time.sleep(WAIT_SECONDS)
        counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=COUNTS)["Attributes"]
        left = sum(int(counts[name]) for name in COUNTS)
    os.kill(os.getpid(), signal.SIGTERM)
