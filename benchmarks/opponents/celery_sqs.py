"""Celery on SQS: two prefork processes, each with its own client and model, made once."""

import base64
import json
import os
import sys
import uuid
from typing import Any
from urllib.parse import urlsplit

import boto3
from celery import Celery
from celery.signals import worker_process_init

from benchmarks.opponent_helpers import (
    QUEUE,
    REGION,
    WAIT_SECONDS,
    load_model,
    output_key,
    predict,
    stop_when_drained,
)

SHARE = 0.2  # of the files: others are clearly faster
TASK = "predict"
PROCESSES = 2

app: Any = Celery(
    broker=f"sqs://test:test@{urlsplit(os.environ.get('AWS_ENDPOINT_URL', '//aws')).netloc}//"
)
app.conf.update(
    task_default_queue=QUEUE,
    task_ignore_result=True,
    task_acks_late=True,
    worker_enable_remote_control=False,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "region": REGION,
        "is_secure": False,
        "wait_time_seconds": WAIT_SECONDS,
        "polling_interval": 0.1,
        "visibility_timeout": 3600,
    },
)
state: dict[str, Any] = {}


def open_clients(**_: object) -> None:
    """Make the client and load the model, once in each process."""
    state["s3"] = boto3.client("s3")
    state["model"] = load_model()


def work(job: dict[str, str]) -> None:
    """Predict one file."""
    body = state["s3"].get_object(Bucket=job["bucket"], Key=job["key"])["Body"].read()
    output = predict(state["model"], body)
    state["s3"].put_object(Bucket=job["output_bucket"], Key=output_key(job), Body=output)


worker_process_init.connect(open_clients)
app.task(work, name=TASK)


def wrap(body: str) -> str:
    """Return a job's message body in the format of Celery's SQS transport."""
    task_id = uuid.uuid4().hex
    message = app.amqp.as_task_v2(task_id, TASK, [json.loads(body)])
    envelope = {
        "body": base64.b64encode(json.dumps(message.body).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": message.headers,
        "properties": {
            **message.properties,
            "body_encoding": "base64",
            "delivery_info": {"exchange": "", "routing_key": QUEUE},
            "delivery_tag": task_id,
            "priority": 0,
        },
    }
    return base64.b64encode(json.dumps(envelope).encode()).decode()


def main() -> int:
    """Drain the queue."""
    stop_when_drained()
    options = ["--pool=prefork", f"--concurrency={PROCESSES}", "--loglevel=WARNING"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    app.worker_main(["worker", *options, *quiet])
    return 0


if __name__ == "__main__":
    sys.exit(main())
