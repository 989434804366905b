"""What must be true at the end of a run, whatever the faults were."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from tests.chaos.fleet import Worker
from tests.chaos.inputs import KILLER_KEY, POISON
from tests.support.scenario import Endpoint


def problems_of_bucket(
    endpoint: Endpoint, expected: Mapping[str, bytes], poison: Iterable[str]
) -> Iterator[str]:
    """Check that the bucket has every output of the quiet run, the failure reports and no more."""
    found = endpoint.keys()
    for key, body in expected.items():
        if key not in found:
            yield f"no output {key}"
        elif endpoint.get(key) != body:
            yield f"other bytes in {key} than those of the quiet run"
    reports = {key: f"p/_failed/{key}.json" for key in poison}
    for key in sorted(found - expected.keys() - set(reports.values())):
        yield f"an object that should not be: {key}"
    for key, report in reports.items():
        if report not in found and key != KILLER_KEY:
            yield f"no failure report {report}"


def problems_of_queues(endpoint: Endpoint, poison: Mapping[str, str]) -> Iterator[str]:
    """Check that the queue is empty and that exactly the bad files are dead letters with a reason.

    The file that kills processes may have no reason: SQS itself moves the message, without a
    reason, when a worker is killed on the message's last receive.
    """
    if any(endpoint.counts(endpoint.queue)):
        yield f"the queue is not empty: {endpoint.counts(endpoint.queue)} visible and in flight"
    found: set[str] = set()
    for body, attributes in _dead_letters(endpoint):
        found.add(body)
        if body not in poison:
            yield f"an innocent dead letter: {body} {attributes}"
        elif not attributes and poison[body] == POISON[KILLER_KEY]:
            continue
        elif attributes.get("error_type") != poison[body] or not all(attributes.values()):
            yield f"a dead letter of {poison[body]} says {attributes}: {body}"
    for body in poison.keys() - found:
        yield f"no dead letter: {body}"


def problems_of(worker: Worker) -> Iterator[str]:
    """Check that a worker ended with a documented status and logged only expected errors."""
    status = worker.process.returncode
    events = list(worker.events())
    if status not in _allowed_statuses(worker.suffered):
        yield f"{worker.log.name}: status {status} after {worker.suffered}"
    if status == 1 and not any(event["event"] == "worker failed" for event in events):
        yield f"{worker.log.name}: status 1 without a reason"
    for event in events:
        if event.get("level") in {"error", "critical"} and not _is_expected(event):
            yield f"{worker.log.name}: {event}"


def _allowed_statuses(suffered: Sequence[str]) -> set[int]:
    stops = [blow for blow in suffered if blow.startswith("SIGTERM")]
    allowed = {0, 1}
    if any(blow in {"SIGKILL", "SIGKILL to all its processes"} for blow in suffered):
        allowed.add(-9)
    if stops:  # while Python starts or ends, without our signal handlers
        allowed.add(-15)
    if len(stops) > 1 or "SIGTERM twice" in stops:
        allowed.add(143)
    return allowed


def _is_expected(event: Mapping[str, object]) -> bool:
    if event["event"] == "no JSON":  # a message of Python itself, after a SIGKILL
        return "resource_tracker" in str(event["line"])
    if event["event"] == "worker failed":
        passing = {"InfrastructureError", "TransientError", "ProcessLost"}
        return event["error_type"] in passing and bool(event["error"])
    return event["event"] == "job rejected, dead letter sent" and event["error_type"] in {
        *POISON.values(),
        "UnreadableBody",
    }


def _dead_letters(endpoint: Endpoint) -> Iterator[tuple[str, dict[str, str]]]:
    while messages := endpoint.sqs.receive_message(
        QueueUrl=endpoint.dead,
        MessageAttributeNames=["All"],
        MaxNumberOfMessages=10,
        VisibilityTimeout=600,
    ).get("Messages", []):
        for message in messages:
            attributes = message.get("MessageAttributes", {})
            yield (
                message["Body"],
                {name: value["StringValue"] for name, value in attributes.items()},
            )
