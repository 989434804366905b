"""The queues: jobs, dead letters, and the events on which the dispatcher failed."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tidegate.aws.errors import found
from tidegate.aws.shown_calls import as_command
from tidegate.doctor.facts import Facts
from tidegate.doctor.finding import Finding, broken, duration, ok, warning
from tidegate.operating.queues import paused_since

GONE = ("AWS.SimpleQueueService.NonExistentQueue", "NonExistentQueue", "QueueDoesNotExist")
WAITING, IN_FLIGHT = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"
LONG_WAIT_SECONDS = 3600  # as the template's alarm has it
LOOKED_BACK = timedelta(minutes=30)


def jobs(facts: Facts) -> Finding:
    """Look at the queue of jobs: its settings, how much waits, and for how long."""
    url = facts.stack.outputs["QueueUrl"]
    attributes = _attributes(facts, url)
    if attributes is None:
        return _gone(facts, url)
    if changed := _changed(facts, url, attributes):
        return changed
    waiting, in_flight = int(attributes[WAITING]), int(attributes[IN_FLIGHT])
    if since := paused_since(facts.client("sqs"), url):
        return warning(
            f"the stack is paused since {since}: no worker starts, and {waiting:,} messages wait",
            "To end the pause:",
            f"tidegate resume --stack {facts.stack.name}",
        )
    if not waiting:
        return ok(f"nothing waits; in flight or in backoff: {in_flight:,}")
    age = _oldest_seconds(facts, url)
    counts = f"{waiting:,} waiting{_since(age)}, {in_flight:,} in flight or in backoff"
    if age > LONG_WAIT_SECONDS:
        return warning(counts, "The logs say why no worker took it:", logs_of(facts))
    return ok(counts)


def dead_letters(facts: Facts) -> Finding:
    """Count the jobs that failed for good."""
    url = facts.stack.outputs["DeadLetterQueueUrl"]
    attributes = _attributes(facts, url)
    if attributes is None:
        return _gone(facts, url)
    count = int(attributes[WAITING]) + int(attributes[IN_FLIGHT])
    if not count:
        return ok("none")
    return warning(
        f"{count:,}{_since(_oldest_seconds(facts, url))}",
        "Read the reasons, remove the causes, then submit the files again:",
        f"tidegate failures --stack {facts.stack.name}",
        f"tidegate redrive --all --stack {facts.stack.name}",
    )


def undispatched(facts: Facts) -> Finding:
    """Count the events on which the dispatcher failed: a file among them is no job yet."""
    url = facts.stack.outputs["UndispatchedQueueUrl"]
    attributes = _attributes(facts, url)
    if attributes is None:
        return _gone(facts, url)
    count = int(attributes[WAITING]) + int(attributes[IN_FLIGHT])
    if not count:
        return ok("none")
    replay = {
        "FunctionName": facts.stack.outputs["DispatcherFunction"],
        "BatchSize": 1,
        "EventSourceArn": attributes["QueueArn"],
    }
    return broken(
        f"events on which the dispatcher failed: {count:,}{_since(_oldest_seconds(facts, url))}",
        "Remove the cause that its log names, then replay them (docs/dispatcher-events.md):",
        logs_of(facts),
        as_command("lambda", "CreateEventSourceMapping", replay),
    )


def logs_of(facts: Facts) -> str:
    """Return the command that prints the last hour of the stack's logs."""
    return f"tidegate logs --stack {facts.stack.name}"


def _attributes(facts: Facts, url: str) -> Mapping[str, str] | None:
    """Return a queue's attributes; None if there is no such queue."""
    sqs: Any = facts.client("sqs")
    answer = found(lambda: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]), *GONE)
    return None if answer is None else answer["Attributes"]


def _gone(facts: Facts, url: str) -> Finding:
    return broken(
        f"the queue {url.rpartition('/')[2]} is gone",
        "An update does not make it anew. The files stay in the input bucket:",
        *facts.anew,
    )


def _changed(facts: Facts, url: str, attributes: Mapping[str, str]) -> Finding | None:
    """Return the settings of the queue that are not the stack's; None if all are."""
    should = facts.template.properties("Queue")
    policy = {name: str(value) for name, value in should["RedrivePolicy"].items()}
    has = json.loads(attributes.get("RedrivePolicy", "{}"))
    changed: dict[str, str] = {}
    if {name: str(value) for name, value in has.items()} != policy:
        changed["RedrivePolicy"] = json.dumps(policy)
    if attributes["VisibilityTimeout"] != str(should["VisibilityTimeout"]):
        changed["VisibilityTimeout"] = str(should["VisibilityTimeout"])
    if not changed:
        return None
    differences = "; ".join(
        f"{name} is {attributes.get(name, 'not set')}, not {value}"
        for name, value in changed.items()
    )
    return warning(
        f"settings of the queue are not those of the stack: {differences}",
        "Give it the stack's:",
        as_command("sqs", "SetQueueAttributes", {"QueueUrl": url, "Attributes": changed}),
    )


def _oldest_seconds(facts: Facts, url: str) -> float:
    """Return the age of the oldest message, as CloudWatch has it; 0 if it has none yet."""
    cloudwatch: Any = facts.client("cloudwatch")
    now = datetime.now(UTC)
    points = cloudwatch.get_metric_statistics(
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=[{"Name": "QueueName", "Value": url.rpartition("/")[2]}],
        StartTime=now - LOOKED_BACK,
        EndTime=now,
        Period=60,
        Statistics=["Maximum"],
    )["Datapoints"]
    newest = max(points, key=lambda point: point["Timestamp"], default=None)
    return newest["Maximum"] if newest else 0


def _since(seconds: float) -> str:
    return f", the oldest for {duration(seconds)}" if seconds else ""
