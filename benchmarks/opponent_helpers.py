"""Code that the opponents share: the settings, the model, and a prediction with plain pandas."""

import io
import os
import signal
import threading
import time
from typing import Any

import boto3
import joblib
import pandas as pd

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
