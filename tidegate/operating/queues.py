"""The stack's queues: how many messages they hold, the tag that pauses the stack, and waking."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dispatcher.handler import PAUSED_TAG

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient

# How the rule of the sweep invokes the dispatcher: it starts the workers that the queue needs.
SWEEP = {"source": "aws.events", "detail-type": "Scheduled Event"}


@dataclass(frozen=True, slots=True)
class Messages:
    """How many messages a queue holds, as SQS counts them: about a minute late, and about."""

    waiting: int
    in_flight: int

    @property
    def all(self) -> int:
        """Return how many there are."""
        return self.waiting + self.in_flight


def count(sqs: "SQSClient", url: str) -> Messages:
    """Count a queue's messages."""
    found = sqs.get_queue_attributes(
        QueueUrl=url,
        AttributeNames=[
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesDelayed",
            "ApproximateNumberOfMessagesNotVisible",
        ],
    )["Attributes"]
    delayed = int(found.get("ApproximateNumberOfMessagesDelayed", 0))
    return Messages(
        waiting=int(found["ApproximateNumberOfMessages"]) + delayed,
        in_flight=int(found["ApproximateNumberOfMessagesNotVisible"]),
    )


def arn(sqs: "SQSClient", url: str) -> str:
    """Return a queue's ARN."""
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]


def paused_since(sqs: "SQSClient", url: str) -> str:
    """Return when the stack was paused; an empty text if it is not."""
    return sqs.list_queue_tags(QueueUrl=url).get("Tags", {}).get(PAUSED_TAG, "")


def pause(sqs: "SQSClient", url: str) -> str:
    """Let no worker start from now on; return since when that is so.

    The queue has a tag for it, which the dispatcher reads before it starts a worker. It still
    sends a message for each file, so no event is lost.
    """
    since = paused_since(sqs, url) or datetime.now(UTC).isoformat(timespec="seconds")
    sqs.tag_queue(QueueUrl=url, Tags={PAUSED_TAG: since})
    return since


def resume(sqs: "SQSClient", url: str) -> None:
    """Let workers start again."""
    sqs.untag_queue(QueueUrl=url, TagKeys=[PAUSED_TAG])


def wake(functions: "LambdaClient", dispatcher: str) -> None:
    """Have the dispatcher start the workers that the queue needs, as its sweep does."""
    functions.invoke(
        FunctionName=dispatcher, InvocationType="Event", Payload=json.dumps(SWEEP).encode()
    )
