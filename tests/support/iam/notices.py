"""The rights that events and notices need, which a stack without them does not have.

A role is judged by the template, for a stack with events and notices. An ARN that the template gets
from a resource is written `<Queue.Arn>`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.support.iam.policy import Act, denied
from tests.support.template import Deployed, properties, resolve

KEY = "arn:aws:kms:eu-west-1:123456789012:key/out"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:people"
KNOWN = {"AWS::Region": "eu-west-1", "AWS::AccountId": "123456789012", "AWS::StackName": "tide"}
DEPLOYED = Deployed(NoticeEmail="day@example.com", NoticeTopicArn=TOPIC, OutputKmsKey=KEY)
DEPLOYED.update(KNOWN)
BUS = "arn:aws:events:eu-west-1:123456789012:event-bus/default"
BUCKET = "arn:aws:s3:::<StackOutputBucket>"
RECORD = f"{BUCKET}/predictions/_runs/r/summary.json"
CLUSTER = {"ecs:cluster": "<Cluster.Arn>"}
BY_S3 = {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}

NEEDED: Mapping[str, Mapping[Act, str]] = {
    "NotifierRole": {
        Act("sqs:ReceiveMessage", "<FileEventsQueue.Arn>"): "take the events of files",
        Act("sqs:DeleteMessage", "<FileEventsQueue.Arn>"): "delete events that were counted",
        Act("sqs:GetQueueAttributes", "<Queue.Arn>"): "count waiting jobs for the digest",
        Act("sqs:GetQueueAttributes", "<DeadLetterQueue.Arn>"): "count dead letters for the digest",
        Act("sqs:SendMessage", "<UnannouncedQueue.Arn>"): "keep events that failed",
        Act("ecs:ListTasks", "*", CLUSTER): "see whether the last worker has stopped",
        Act("s3:ListBucket", BUCKET): "list runs, outputs and reports",
        Act("s3:GetObject", RECORD): "read the record of a run",
        Act("s3:PutObject", RECORD): "record a run's end, and what was announced",
        Act("s3:DeleteObject", RECORD): "take back the mark of an announcement that failed",
        Act("events:PutEvents", BUS): "send *Run Finished*",
        Act("logs:CreateLogStream", "<NotifierLogGroup.Arn>"): "open a log",
        Act("logs:PutLogEvents", "<NotifierLogGroup.Arn>"): "write log lines",
        Act("sns:Publish", "<NoticeTopic>"): "send notices to NoticeEmail",
        Act("sns:Publish", TOPIC): "send notices to NoticeTopicArn",
        Act("kms:GenerateDataKey", KEY, BY_S3): "encrypt records with OutputKmsKey",
        Act("kms:Decrypt", KEY, BY_S3): "decrypt records",
    },
    "TaskRole": {Act("events:PutEvents", BUS): "send the events of files"},
}
FORBIDDEN = {
    "NotifierRole": [
        Act("sqs:ReceiveMessage", "<Queue.Arn>"),
        Act("sqs:DeleteMessage", "<DeadLetterQueue.Arn>"),
        Act("sqs:SendMessage", "<Queue.Arn>"),
        Act("s3:GetObject", f"{BUCKET}/predictions/a.csv"),
        Act("s3:PutObject", f"{BUCKET}/predictions/a.csv"),
        Act("s3:DeleteObject", f"{BUCKET}/predictions/_failed/a.csv.json"),
        Act("s3:GetObject", "arn:aws:s3:::<StackInputBucket>/a.csv"),
        Act("s3:ListBucket", "arn:aws:s3:::<StackInputBucket>"),
        Act("ecs:RunTask", "<TaskDefinition>", CLUSTER),
        Act("ecs:ListTasks", "*", {"ecs:cluster": "another"}),
        Act("events:PutEvents", BUS.replace("default", "another")),
        Act("events:PutRule", "arn:aws:events:eu-west-1:123456789012:rule/tide-file-events"),
        Act("sns:Publish", "<AlarmTopic>"),
        Act("sns:Subscribe", TOPIC),
        Act("kms:Decrypt", KEY),
    ],
    "TaskRole": [
        Act("events:PutEvents", BUS.replace("default", "another")),
        Act("events:PutRule", "arn:aws:events:eu-west-1:123456789012:rule/tide-file-events"),
        Act("sns:Publish", "<NoticeTopic>"),
        Act("sqs:ReceiveMessage", "<FileEventsQueue.Arn>"),
    ],
}


def statements(role: str) -> list[dict[str, Any]]:
    """Return the statements of a role that are there for events and notices."""
    (policy,) = resolve(properties(role)["Policies"], DEPLOYED)
    found: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return found if role == "NotifierRole" else [one for one in found if one["Sid"] == "SendEvents"]


def table() -> str:
    """Return the part of docs/roles.md about these rights."""
    return (
        "\n## With events and notices\n\n"
        "A stack with `Events`, `NoticeEmail` or `NoticeTopicArn` has one role and one statement\n"
        "more. `SendNotices` is there only with a topic, and `EncryptRecords` only with\n"
        "`OutputKmsKey`.\n\n"
        "| role | statement | denied without it |\n|---|---|---|\n"
        + "".join(f"| {row} |\n" for row in rows(NEEDED, statements))
    )


def rows(
    needed: Mapping[str, Mapping[Act, str]], statements_of: Callable[[str], list[dict[str, Any]]]
) -> Iterator[str]:
    """Yield the row of each statement: the requests that are denied without it."""
    for role, reasons in needed.items():
        granted = statements_of(role)
        for statement in granted:
            lost = denied([one for one in granted if one is not statement], reasons)
            requests = ", ".join(f"`{act.action}` ({reasons[act]})" for act in lost)
            yield f"{role} | {statement['Sid']} | {requests}"
