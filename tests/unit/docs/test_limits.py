"""docs/limits.md names each limit with the value that the code or the template has."""

import re
from typing import Any

import pytest

from dispatcher import handler
from notifier import handler as notifier
from reconciler import handler as reconciler
from tests.support.template import PARAMETERS, ROOT, container, of_type, properties
from worker.formats.parts import _COLUMNS_PER_PART
from worker.formats.text import MAX_ROW_BYTES
from worker.formats.types.arrow_kinds import _MOST_CATEGORIES
from worker.interfaces import MAX_SHOWN_ROWS
from worker.jobs.dead_letter_attributes import MAX_ATTRIBUTE_CHARACTERS
from worker.jobs.limits import (
    EXPECTED_GROWTH,
    PART_BYTES,
    PATIENCE_SECONDS,
    RESULT_PATIENCE_SECONDS,
)
from worker.jobs.output_keys import MAX_KEY_BYTES
from worker.jobs.settlement import MAX_BACKOFF_SECONDS
from worker.queue.consumer import MAX_FAILING_SECONDS
from worker.queue.leases import MAX_LEASE_SECONDS
from worker.queue.sqs import MAX_MESSAGE_BYTES
from worker.scoring.batches import BATCH_ROWS
from worker.service.start_limit import START_SECONDS
from worker.settings import Settings
from worker.storage.streaming import MAX_PARTS

PAGE = (ROOT / "docs" / "limits.md").read_text("utf-8")
MIB, DAY = 1 << 20, 86_400


def row(name: str) -> str:
    """Return the row of a limit."""
    (found,) = re.findall(rf"^\| {re.escape(name)} \|.*$", PAGE, re.MULTILINE)
    assert isinstance(found, str)
    return found


def default(name: str) -> Any:  # noqa: ANN401 - of any setting
    return Settings.model_fields[name].default


def parameter(name: str) -> Any:  # noqa: ANN401 - of any parameter
    return PARAMETERS[name]["Default"]


def days(queue: str) -> int:
    seconds = int(properties(queue)["MessageRetentionPeriod"])
    return seconds // DAY


def lifecycle_days() -> set[int]:
    return {
        rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]
        for bucket in of_type("AWS::S3::Bucket").values()
        for rule in bucket["Properties"]["LifecycleConfiguration"]["Rules"]
        if "AbortIncompleteMultipartUpload" in rule
    }


(UNFINISHED_DAYS,) = lifecycle_days()
RETRIES = properties("DispatcherFailures")["MaximumRetryAttempts"]
HOURS, MINUTES = divmod(MAX_LEASE_SECONDS // 60, 60)
VALUES = {
    "size of an output": f"{MAX_PARTS:,} parts",
    "time for one attempt": f"{default('job_seconds'):g} seconds",
    "a row of CSV": f"{MAX_ROW_BYTES // MIB} MiB",
    "a line of JSON Lines": f"{MAX_ROW_BYTES // MIB} MiB",
    "a header of CSV": f"{MAX_ROW_BYTES // MIB} MiB",
    "a row group of Parquet, the columns that are read": f"{default('memory_mb')} MiB",
    "the rows of one batch": f"{BATCH_ROWS:,} rows",
    "categories of a column of Parquet of which nothing is said": f"{_MOST_CATEGORIES:,}",
    "bad rows": f"`WORKER_MAX_REJECTED`, {default('max_rejected'):g} ",
    "rows, columns": f"{_COLUMNS_PER_PART} columns",
    "key of an output": f"{MAX_KEY_BYTES:,} bytes",
    "age in the queue": f"{days('Queue')} days",
    "age in the dead-letter queue": f"{days('DeadLetterQueue')} days",
    "age of an event on which the dispatcher failed": f"{days('UndispatchedQueue')} days",
    "receives": f"`MaxReceiveCount`, {parameter('MaxReceiveCount')} ",
    "time in hand": f"{HOURS}:{MINUTES}",
    "invisible after a worker was killed": f"{parameter('VisibilitySeconds')} seconds",
    "backoff before a retry": f"{MAX_BACKOFF_SECONDS} seconds",
    "an outage of AWS that costs no receive": f"{PATIENCE_SECONDS / 60:g} minutes",
    "size of a dead letter": f"{MAX_MESSAGE_BYTES // MIB} MiB",
    "length of an attribute of a dead letter": f"{MAX_ATTRIBUTE_CHARACTERS:,} characters",
    "workers at once": f"`MaxTasks`, {parameter('MaxTasks')};",
    "files at once in one worker": f"`WORKER_CONCURRENCY`, {default('concurrency')},",
    "time to start": f"{START_SECONDS / 60:g} minutes",
    "time to stop": f"{default('drain_seconds'):g} seconds",
    "without a successful receive": f"{MAX_FAILING_SECONDS // 60} minutes",
    "a part of an upload that is left behind": f"{UNFINISHED_DAYS} day,",
    "time of an invocation": f"{properties('Dispatcher')['Timeout']} seconds",
    "attempts at an event": f"1, and {RETRIES} again",
    "messages in one call": f"{handler.MESSAGES_PER_BATCH}, and {handler.SEND_ATTEMPTS} attempts",
    "starts of one slot in one minute": f"| {handler.GENERATIONS} |",
    "files of a run whose end the notifier finds": f"{notifier.MOST_FILES:,}",
    "time of one invocation of the notifier": f"{properties('Notifier')['Timeout'] // 60} minutes",
    "age of such a run": f"{notifier.RECENT.days} days",
    "groups in a digest": f"| {notifier.MOST_GROUPS} |",
    "age of an event that waits for its digest": f"{days('FileEventsQueue')} days",
    "age of an event on which the notifier failed": f"{days('UnannouncedQueue')} days",
    "files that a night submits": f"{parameter('ReconcileMaxFiles'):,} ",
    "age of a file that a night submits": f"{parameter('ReconcileDays')} ",
    "invocations of a night": f"{reconciler.MOST_PARTS}, of "
    f"{properties('Reconciler')['Timeout'] // 60} minutes",
    "time between two sweeps": properties("Sweep")["ScheduleExpression"][len("rate(") : -1],
}
FURTHER = {
    "size of an output": f"at least {MAX_PARTS * PART_BYTES // MIB:,} MiB",
    "bad rows": f"the first {MAX_SHOWN_ROWS} of them",
    "an outage of AWS that costs no receive": f"{RESULT_PATIENCE_SECONDS / 3600:g} hours",
    "workers at once": f"at most {PARAMETERS['MaxTasks']['MaxValue']:,}",
    "time to stop": f"after {container()['StopTimeout']} |".removesuffix(" |"),
    "messages in flight in a standard queue": f"{2 * default('concurrency')} each",
}
WITHOUT_VALUE = {
    "size of an input",
    "whole numbers",
    "workers for one file",
    "model",
}


@pytest.mark.parametrize(("limit", "value"), [*VALUES.items(), *FURTHER.items()])
def test_a_limit_is_named_with_the_value_that_it_has(limit: str, value: str) -> None:
    assert value in row(limit)


def test_an_output_may_be_twice_its_input() -> None:
    assert EXPECTED_GROWTH == 2
    assert "twice the input" in row("size of an output")


def test_each_limit_of_ours_has_a_value_that_is_compared() -> None:
    ours, _, _ = PAGE.partition("## What AWS limits")
    listed = set(re.findall(r"^\| (?!limit|---)(.+?) \|", ours, re.MULTILINE))

    assert listed == VALUES.keys() | WITHOUT_VALUE
