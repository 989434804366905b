"""Who looks after a stack: the requests of each command of every day, as IAM judges them."""

import re
from collections.abc import Iterable, Iterator

from tests.support.iam.command_calls import (
    DEPLOYED,
    FUNCTION,
    IN_CLUSTER,
    INPUT,
    OUTPUT,
    TASK,
    stack_arn,
)
from tests.support.iam.deployer import resource_arn
from tests.support.iam.policy import Act

OPERATOR = ("read", "act")


def queue(name: str) -> str:
    """Return the ARN of one of the template's queues."""
    return resource_arn(name, "AWS::SQS::Queue")


def group(name: str) -> str:
    """Return the ARN of one of the template's log groups, as a request names it."""
    return resource_arn(name, "AWS::Logs::LogGroup").removesuffix("*")


def acts(actions: str, *resources: str) -> frozenset[Act]:
    """Return each of the actions on each of the resources."""
    return frozenset(Act(action, one) for action in actions.split() for one in resources)


JOBS, DEAD = queue("Queue"), queue("DeadLetterQueue")
RECORDS = [f"{OUTPUT}/{prefix}_runs/r1/request.json" for prefix in ("", "predictions/")]
REPORTS = [f"{OUTPUT}/{prefix}_failed/a.csv.json" for prefix in ("", "predictions/")]

FIND = acts("cloudformation:DescribeStacks", stack_arn())
LIST_OUTPUTS = acts("s3:ListBucket", OUTPUT)
READ_OUTPUTS = LIST_OUTPUTS | acts("s3:GetObject", f"{OUTPUT}/predictions/a.csv")
READ_INPUTS = acts("s3:ListBucket", INPUT) | acts("s3:GetObject", f"{INPUT}/a.csv")
COUNT = acts("sqs:GetQueueAttributes", JOBS)
IS_PAUSED = acts("sqs:ListQueueTags", JOBS)
LOOK_AT_LETTERS = acts("sqs:ReceiveMessage sqs:ChangeMessageVisibility", DEAD)
LIST_TASKS = frozenset({Act("ecs:ListTasks", "*", IN_CLUSTER)})
TASKS = LIST_TASKS | {Act("ecs:DescribeTasks", TASK, IN_CLUSTER)}
STREAMS = acts("logs:DescribeLogStreams", group("WorkerLogGroup"))
OWN_LINES = acts("logs:FilterLogEvents", group("WorkerLogGroup"))
LINES = OWN_LINES | acts("logs:FilterLogEvents", group("DispatcherLogGroup"))
RECORD = acts("s3:PutObject", *RECORDS)
WAKE = acts("lambda:InvokeFunction", FUNCTION)
CLEAR = acts("s3:DeleteObject", *REPORTS) | acts("sqs:DeleteMessage", DEAD)
MOVE = acts("sqs:StartMessageMoveTask sqs:ListMessageMoveTasks", DEAD)

WAIT = READ_OUTPUTS | LOOK_AT_LETTERS | COUNT | TASKS | STREAMS
REPORT = (
    READ_INPUTS
    | OWN_LINES
    | acts("s3:GetObject", f"{DEPLOYED}/models/0a1b/model.pkl.baseline.json")
)
# What a command asks for to read, and what besides to change something.
READING: dict[str, frozenset[Act]] = {
    "all": FIND,
    "status": READ_OUTPUTS
    | acts("sqs:GetQueueAttributes", JOBS, DEAD, queue("UndispatchedQueue"))
    | IS_PAUSED
    | LOOK_AT_LETTERS
    | TASKS
    | STREAMS
    | OWN_LINES
    | acts("cloudwatch:GetMetricData", "*"),
    "failures": WAIT | READ_INPUTS,
    "redrive": READ_OUTPUTS
    | READ_INPUTS
    | LOOK_AT_LETTERS
    | acts("sqs:GetQueueAttributes", JOBS, DEAD)
    | IS_PAUSED,
    "show": acts("s3:ListBucketVersions", INPUT) | READ_OUTPUTS | LOOK_AT_LETTERS | COUNT | LINES,
    "logs": LINES | LIST_TASKS | COUNT | READ_OUTPUTS,
    "pause": IS_PAUSED | LIST_TASKS,
    "resume": IS_PAUSED | COUNT,
    "submit": READ_INPUTS | IS_PAUSED | WAIT | REPORT,
    "rescore": READ_INPUTS | IS_PAUSED | WAIT | REPORT,
    "wait": WAIT | REPORT,
    "report": WAIT | REPORT,
    "cancel": READ_OUTPUTS,
    "compare": READ_INPUTS | READ_OUTPUTS,
}
CHANGING: dict[str, frozenset[Act]] = {
    "all": frozenset(),
    "status": RECORD,
    "failures": RECORD | CLEAR,
    "redrive": acts("sqs:SendMessage", JOBS) | CLEAR | MOVE | WAKE,
    "show": frozenset(),
    "logs": frozenset(),
    "pause": acts("sqs:TagQueue", JOBS) | {Act("ecs:StopTask", TASK, IN_CLUSTER)},
    "resume": acts("sqs:UntagQueue", JOBS) | WAKE,
    "submit": RECORD | acts("sqs:SendMessage", JOBS) | WAKE,
    "rescore": RECORD | acts("sqs:SendMessage", JOBS) | WAKE,
    "wait": RECORD,
    "report": RECORD,
    "cancel": RECORD,
    "compare": frozenset(),
}


def needed(of: dict[str, frozenset[Act]]) -> set[Act]:
    """Return the requests of all commands."""
    return {act for found in of.values() for act in found}


def actions(found: Iterable[Act]) -> set[str]:
    """Return the names of the actions."""
    return {act.action for act in found}


OF_CALLS = {
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "lambda:Invoke": "lambda:InvokeFunction",
    "sts:GetCallerIdentity": "",  # needs no right
}


def actions_of_calls(shown: str) -> Iterator[str]:
    """Yield the actions of the calls that a command shows: `$ aws sqs send-message-batch ...`."""
    for service, call in re.findall(r"^\$ aws ([\w-]+) ([\w-]+)", shown, re.MULTILINE):
        name = "".join(word.capitalize() for word in call.split("-")).removesuffix("Batch")
        action = f"{service.removesuffix('api')}:{name}"
        if action := OF_CALLS.get(action, action):
            yield action


def documented(command: str) -> set[str]:
    """Return the actions of a command, as the table of rights has them."""
    return actions(READING["all"] | READING[command] | CHANGING[command])


def rows() -> Iterator[str]:
    """Yield the rows of the table of rights in docs/daily-life.md."""
    for name, read in READING.items():
        command = "each" if name == "all" else f"`{name}`"
        parts = [
            ", ".join(f"`{one}`" for one in sorted(actions(found)))
            for found in (read, CHANGING[name])
        ]
        yield f"| {command} | {' | '.join(parts)} |".replace("|  |", "| |")
