"""SQS's message move tasks, which MiniStack lacks: dead letters go back to a queue.

A move task has ended when StartMessageMoveTask returns, as all is in memory.
"""

import json
import time
from collections.abc import Mapping
from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import sqs

Queue = dict[str, Any]
_ended: list[dict[str, Any]] = []  # the move tasks, the latest first


def install() -> None:
    """Add the actions to MiniStack's."""
    sqs._HANDLERS |= {  # noqa: SLF001 - MiniStack has no public hooks
        "StartMessageMoveTask": start,
        "ListMessageMoveTasks": list_tasks,
    }


def start(request: Mapping[str, Any], _url: str) -> dict[str, Any]:
    """Move each visible dead letter to the destination, or to the queue that it came from.

    A message that was sent to the dead-letter queue itself has no queue that it came from: without
    a destination the task fails at that message, as on AWS.
    """
    source = request["SourceArn"]
    if not any(_dead_letter_queue(queue) == source for queue in sqs._queues.values()):  # noqa: SLF001 - as above
        why = "Source queue must be configured as a Dead Letter Queue."
        raise sqs._Err("InvalidParameterValue", why)  # noqa: SLF001 - as above
    ended = {
        "SourceArn": source,
        "Status": "COMPLETED",
        "StartedTimestamp": int(time.time() * 1000),
    }
    moved = 0
    for message in _visible(_found(source)):
        destination = request.get("DestinationArn") or message["sys"].get(
            "DeadLetterQueueSourceArn"
        )
        if destination is None:
            ended |= {"Status": "FAILED", "FailureReason": "CouldNotDetermineMessageSource"}
            break
        _move(message, _found(source), _found(destination))
        moved += 1
    _ended.insert(0, {**ended, "ApproximateNumberOfMessagesMoved": moved})
    return {"TaskHandle": new_uuid()}


def list_tasks(request: Mapping[str, Any], _url: str) -> dict[str, Any]:
    """Return the latest move tasks of a dead-letter queue."""
    found = [task for task in _ended if task["SourceArn"] == request["SourceArn"]]
    return {"Results": found[: int(request.get("MaxResults", 1))]}


def _move(message: Mapping[str, Any], source: Queue, destination: Queue) -> None:
    """Send the message as a new one, which was never received, and remove the dead letter."""
    sent = {"MessageBody": message["body"], "MessageAttributes": message["message_attributes"]}
    sqs._act_send_message(sent, destination["url"])  # noqa: SLF001 - as above
    source["messages"].remove(message)


def _visible(queue: Queue) -> list[dict[str, Any]]:
    return [one for one in queue["messages"] if one["visible_at"] <= time.time()]


def _dead_letter_queue(queue: Queue) -> str | None:
    policy = json.loads(queue["attributes"].get("RedrivePolicy") or "{}")
    arn: str | None = policy.get("deadLetterTargetArn")
    return arn


def _found(arn: str) -> Queue:
    queue: Queue | None = sqs._queue_by_arn(arn)  # noqa: SLF001 - as above
    if queue is None:
        raise sqs._Err("ResourceNotFoundException", f"There is no queue {arn}.")  # noqa: SLF001 - as above
    return queue
