"""The rights of the nightly reconcile, in a stack that has it.

The role is judged by the template. An ARN that the template gets from a resource is written
`<Queue.Arn>`.
"""

from collections.abc import Mapping
from typing import Any

from tests.support.iam.notices import KNOWN, rows
from tests.support.iam.policy import Act
from tests.support.template import Deployed, properties, resolve

DEPLOYED = Deployed(Reconcile="NIGHTLY")
DEPLOYED.update(KNOWN)
INPUT, OUTPUT = "arn:aws:s3:::<StackInputBucket>", "arn:aws:s3:::<StackOutputBucket>"
FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:tide-"

NEEDED: Mapping[str, Mapping[Act, str]] = {
    "ReconcilerRole": {
        Act("s3:ListBucket", INPUT): "list inputs",
        Act("s3:ListBucket", OUTPUT): "list outputs and failure reports",
        Act("sqs:SendMessage", "<Queue.Arn>"): "send jobs",
        Act("sqs:GetQueueAttributes", "<Queue.Arn>"): "see whether messages wait",
        Act("lambda:InvokeFunction", f"{FUNCTION}reconciler"): "go on in another invocation",
        Act("logs:CreateLogStream", "<ReconcilerLogGroup.Arn>"): "open a log",
        Act("logs:PutLogEvents", "<ReconcilerLogGroup.Arn>"): "write log lines",
    },
}
FORBIDDEN = [
    Act("s3:GetObject", f"{INPUT}/a.csv"),
    Act("s3:GetObject", f"{OUTPUT}/predictions/a.csv"),
    Act("s3:PutObject", f"{OUTPUT}/predictions/a.csv"),
    Act("s3:DeleteObject", f"{INPUT}/a.csv"),
    Act("s3:ListBucket", "arn:aws:s3:::another"),
    Act("sqs:ReceiveMessage", "<Queue.Arn>"),
    Act("sqs:DeleteMessage", "<Queue.Arn>"),
    Act("sqs:SendMessage", "<DeadLetterQueue.Arn>"),
    Act("lambda:InvokeFunction", f"{FUNCTION}dispatcher"),
    Act("ecs:RunTask", "<TaskDefinition>"),
]


def statements(role: str) -> list[dict[str, Any]]:
    """Return the statements of the role."""
    (policy,) = resolve(properties(role)["Policies"], DEPLOYED)
    found: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return found


def table() -> str:
    """Return the part of docs/roles.md about these rights."""
    return (
        "\n## With the nightly reconcile\n\n"
        "A stack with `Reconcile=NIGHTLY` has one role more. It can list both buckets, and read\n"
        "no object.\n\n"
        "| role | statement | denied without it |\n|---|---|---|\n"
        + "".join(f"| {row} |\n" for row in rows(NEEDED, statements))
    )
