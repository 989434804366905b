"""What the workers did and cost: the numbers in their log, and how long each task ran."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tidegate.aws.prices import worker_hour
from tidegate.operating.log_lines import Line, pages_with
from tidegate.operating.tasks import Fleet
from worker.metrics import EVENT

PERIOD_SECONDS = 300
HOUR = timedelta(hours=1)
RECENT = timedelta(minutes=15)  # older ages and rates say nothing of now
SUMS = {"files": "files", "rows": "rows", "rejected": "rejected_rows", "failed": "failed"}
OLDEST, DELETED = "oldest", "deleted"
SQS_METRICS = {
    OLDEST: ("ApproximateAgeOfOldestMessage", "Maximum"),
    DELETED: ("NumberOfMessagesDeleted", "Sum"),
}
MOST_PAGES = 20  # of the log of one time: a look at a stack takes seconds
LEAST_BILLED = 1 / 60  # Fargate bills at least a minute
STREAMS = 50  # the most that one call describes


@dataclass(frozen=True, slots=True)
class Work:
    """Sums of the workers' numbers; None where their log has none."""

    files: int | None = None
    rows: int | None = None
    rejected: int | None = None
    failed: int | None = None
    at_least: bool = False  # the log was too long to read all of it


@dataclass(frozen=True, slots=True)
class Done:
    """What the workers did in the last hour, and since midnight."""

    last_hour: Work
    today: Work


@dataclass(frozen=True, slots=True)
class Metrics:
    """What CloudWatch has of the queue."""

    oldest_seconds: int | None
    files_a_second: float | None = None  # of all workers, in the latest five minutes


@dataclass(frozen=True, slots=True)
class Stream:
    """A task's log stream: from the start of its container to its last line."""

    task: str
    began: datetime
    ended: datetime


@dataclass(frozen=True, slots=True)
class Streams:
    """The log streams of a time."""

    found: Sequence[Stream]
    all: bool  # there are no more of them


@dataclass(frozen=True, slots=True)
class Cost:
    """What the workers of a time cost, at the prices of us-east-1."""

    dollars: float
    tasks: int
    hours: float
    at_least: bool  # not all of the tasks were counted


def midnight(now: datetime) -> datetime:
    """Return when AWS's day began, in UTC as `now` is."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def read_metrics(cloudwatch: Any, queue: str, now: datetime) -> Metrics:  # noqa: ANN401 (its stubs are not among ours)
    """Read all metrics by one call; those of SQS cost nothing."""
    start = now - RECENT - timedelta(seconds=PERIOD_SECONDS)
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=[_query(name, *which, queue) for name, which in SQS_METRICS.items()],
        StartTime=start - timedelta(seconds=start.timestamp() % PERIOD_SECONDS),
        EndTime=now,
    )
    found = {
        one["Id"]: list(zip(one["Timestamps"], one["Values"], strict=True))
        for one in answer["MetricDataResults"]
    }
    return Metrics(
        oldest_seconds=_latest(found.get(OLDEST, []), now - RECENT),
        files_a_second=_rate(found.get(DELETED, []), now),
    )


def _query(name: str, metric: str, statistic: str, queue: str) -> dict[str, Any]:
    return {
        "Id": name,
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/SQS",
                "MetricName": metric,
                "Dimensions": [{"Name": "QueueName", "Value": queue}],
            },
            "Period": PERIOD_SECONDS,
            "Stat": statistic,
        },
    }


Points = Sequence[tuple[datetime, float]]


def _rate(points: Points, now: datetime) -> float | None:
    """Return the rate of the latest whole period."""
    end = now - timedelta(seconds=PERIOD_SECONDS)
    whole = [(moment, value) for moment, value in points if end - RECENT <= moment <= end]
    return max(whole)[1] / PERIOD_SECONDS if whole else None


def _latest(points: Points, since: datetime) -> int | None:
    recent = [point for point in points if point[0] >= since]
    return round(max(recent)[1]) if recent else None


def read_done(logs: Any, group: str, now: datetime) -> Done:  # noqa: ANN401 (its stubs are in the environment of development only)
    """Add up the numbers in the workers' log since midnight, and in the last hour.

    The last hour is read first, so that it is complete even if the day is not. CloudWatch takes no
    money for these calls.
    """
    hour_ago, today = now - HOUR, midnight(now)
    recent, cut = _numbers(logs, group, hour_ago, now)
    earlier, earlier_cut = (
        _numbers(logs, group, today, hour_ago) if today < hour_ago else ([], False)
    )
    earlier = [line for line in earlier if line.time < hour_ago]  # one at that time is in both
    since_midnight = [line for line in (*earlier, *recent) if line.time >= today]
    return Done(_work(recent, cut=cut), _work(since_midnight, cut=cut or earlier_cut))


def _numbers(logs: Any, group: str, since: datetime, until: datetime) -> tuple[list[Line], bool]:  # noqa: ANN401 - as above
    """Return the lines of numbers of a time, and whether there may be more."""
    pages = itertools.islice(pages_with(logs, group, EVENT, since, until), MOST_PAGES + 1)
    read = list(pages)
    lines = [line for page in read[:MOST_PAGES] for line in page]
    return [line for line in lines if line.fields.get("event") == EVENT], len(read) > MOST_PAGES


def _work(lines: Sequence[Line], *, cut: bool) -> Work:
    if not lines and not cut:
        return Work()
    sums = {
        name: sum(int(line.fields.get(number, 0)) for line in lines)
        for name, number in SUMS.items()
    }
    return Work(**sums, at_least=cut)


def read_streams(logs: Any, group: str, since: datetime) -> Streams:  # noqa: ANN401 (its stubs are in the environment of development only)
    """Read the newest log streams by one call; return those that ended after that moment."""
    answer = logs.describe_log_streams(
        logGroupName=group, orderBy="LastEventTime", descending=True, limit=STREAMS
    )
    found = [_stream(one) for one in answer["logStreams"] if "lastEventTimestamp" in one]
    late = [stream for stream in found if stream.ended >= since]
    return Streams(late, all=len(late) < STREAMS)


def _stream(one: Mapping[str, Any]) -> Stream:
    began, ended = (
        datetime.fromtimestamp(one[name] / 1000, UTC)
        for name in ("creationTime", "lastEventTimestamp")
    )
    return Stream(one["logStreamName"].rpartition("/")[2], began, max(began, ended))


def cost_today(
    fleet: Fleet, streams: Streams, parameters: Mapping[str, str], now: datetime
) -> Cost:
    """Add up the tasks of today."""
    return cost_between(fleet, streams, parameters, midnight(now), now)


def cost_between(
    fleet: Fleet, streams: Streams, parameters: Mapping[str, str], begin: datetime, end: datetime
) -> Cost:
    """Add up the tasks of a time, each by its part within that time.

    ECS knows the times of those of the last hour. Of older ones the log stream is left, which
    begins after the image pull.
    """
    known = {task.id: task for task in (*fleet.live, *fleet.stopped)}
    by_parameters = parameters.get("Capacity") == "FARGATE_SPOT"
    spans = [
        (task.began, task.ended or end, task.spot) for task in known.values() if task.began
    ] + [
        (stream.began, stream.ended, by_parameters)
        for stream in streams.found
        if stream.task not in known
    ]
    dollars = hours = 0.0
    tasks = 0
    for began, ended, spot in spans:
        took = (min(ended, end) - max(began, begin)).total_seconds() / 3600
        if took <= 0:
            continue
        tasks += 1
        hours += took
        dollars += max(took, LEAST_BILLED) * hourly_rate(parameters, spot=spot)
    return Cost(
        dollars, tasks, hours, at_least=not streams.all or fleet.live_count > len(fleet.live)
    )


def hourly_rate(parameters: Mapping[str, str], *, spot: bool) -> float:
    """Return dollars for one of the stack's workers an hour."""
    return worker_hour(
        int(parameters.get("TaskCpu", "1024")) / 1024,
        int(parameters.get("TaskMemory", "4096")) / 1024,
        arm=parameters.get("Architecture") == "ARM64",
        spot=spot,
        address=parameters.get("AssignPublicIp", "ENABLED") == "ENABLED",
    )
