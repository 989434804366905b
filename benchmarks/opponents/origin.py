"""The way of the origin post: one message at a time, and a new client for every call."""

import json
import sys
from typing import Any

import boto3

from benchmarks.opponent_helpers import QUEUE, WAIT_SECONDS, load_model, output_key, predict

SHARE = 0.2  # of the files, because this takes ten times as long


def main() -> int:
    """Work until the queue is empty. The loop is ours: the post's container handled one message."""
    while message := receive():
        work(json.loads(message.body))
        message.delete()
    return 0


def receive() -> Any:  # noqa: ANN401 - boto3's resources are made as they are asked for
    """Receive one message, or None."""
    queue = boto3.resource("sqs").get_queue_by_name(QueueName=QUEUE)
    return next(iter(queue.receive_messages(WaitTimeSeconds=WAIT_SECONDS)), None)


def work(job: dict[str, str]) -> None:
    """Predict one file, whole in memory."""
    body = boto3.resource("s3").Object(job["bucket"], job["key"]).get()["Body"].read()
    output = predict(load_model(), body)
    boto3.resource("s3").Object(job["output_bucket"], output_key(job)).put(Body=output)


if __name__ == "__main__":
    sys.exit(main())
