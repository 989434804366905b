"""boto3 in threads: each thread receives ten messages, predicts them, and deletes them together."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config

from benchmarks.opponent_helpers import QUEUE, WAIT_SECONDS, load_model, output_key, predict

COPIES = (1, 2)
THREADS = 16


class Drain:
    """The clients and the model, made once and shared by the threads."""

    def __init__(self) -> None:
        config = Config(max_pool_connections=THREADS)
        self._sqs: Any = boto3.client("sqs", config=config)
        self._s3: Any = boto3.client("s3", config=config)
        self._url = self._sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
        self._model = load_model()

    def run(self) -> None:
        """Work until a poll returns no message."""
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
        output = predict(self._model, body)
        self._s3.put_object(Bucket=job["output_bucket"], Key=output_key(job), Body=output)


def main() -> int:
    """Drain the queue."""
    drain = Drain()
    with ThreadPoolExecutor(THREADS) as threads:
        for thread in [threads.submit(drain.run) for _ in range(THREADS)]:
            thread.result()
    return 0


if __name__ == "__main__":
    sys.exit(main())
