"""A next step: put each output of some files, and each run that has ended, into a queue, once.

Events repeat, and a repeated event has the same id. So an object under the id decides whether the
step was started before. Replace `start` by what your next step is.
"""

import json
import os
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError

STARTED = {"PreconditionFailed", "412", "ConditionalRequestConflict"}


def handler(event: Mapping[str, Any], _context: object) -> None:
    """Lambda's entry point: one event of Tidegate."""
    detail = event["detail"]
    s3 = boto3.client("s3")
    bucket, mark = os.environ["MARKS_BUCKET"], f"started/{detail['id']}"
    try:
        s3.put_object(Bucket=bucket, Key=mark, IfNoneMatch="*")
    except ClientError as error:
        if error.response["Error"].get("Code") in STARTED:
            print(json.dumps({"repeated": detail["id"]}))
            return
        raise
    try:
        start(event["detail-type"], detail)
    except BaseException:
        s3.delete_object(Bucket=bucket, Key=mark)  # Lambda tries again
        raise


def start(detail_type: str, detail: Mapping[str, Any]) -> None:
    """Start the next step."""
    found = detail["output"] if detail_type == "File Predicted" else detail["summary"]
    body = {"what": detail_type, "at": f"s3://{found['bucket']}/{found['key']}"}
    queue = os.environ["NEXT_QUEUE_URL"]
    boto3.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(body))
