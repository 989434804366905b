"""Notices on the local cloud: a topic, and a queue that is subscribed to it."""

import json
from dataclasses import dataclass
from typing import Any

from tidegate.localcloud.cloud import REGION, Cloud

NAME = "people"
TOPIC = f"arn:aws:sns:{REGION}:000000000000:{NAME}"  # as MiniStack will make it: NoticeTopicArn


@dataclass(frozen=True, slots=True)
class Notice:
    """What a person would have got."""

    kind: str
    subject: str
    text: str


class Notices:
    """Takes the notices that a stack with the parameter NoticeTopicArn=TOPIC sends."""

    def __init__(self, cloud: Cloud) -> None:
        self._sqs: Any = cloud.client("sqs")
        self._url = self._sqs.create_queue(QueueName=f"{NAME}-notices")["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        queue = arn["Attributes"]["QueueArn"]
        # SNS sends to a queue only if its policy lets it.
        allow = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue,
            "Condition": {"ArnEquals": {"aws:SourceArn": TOPIC}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": policy})
        sns: Any = cloud.client("sns")
        sns.create_topic(Name=NAME)
        sns.subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=queue)

    def take(self) -> list[Notice]:
        """Return the notices that have come since the last call."""
        taken = []
        while found := self._receive():
            for message in found:
                body = json.loads(message["Body"])
                kind = body["MessageAttributes"]["kind"]["Value"]
                taken.append(Notice(kind, body["Subject"], body["Message"]))
                handle = message["ReceiptHandle"]
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=handle)
        return taken

    def _receive(self) -> list[dict[str, Any]]:
        answer = self._sqs.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=0
        )
        found: list[dict[str, Any]] = answer.get("Messages", [])
        return found
