"""What the workers did and cost: their metrics in CloudWatch, and how long each task ran."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tidegate.aws.prices import worker_hour
from tidegate.operating.tasks import Fleet
from worker.metrics import NAMESPACE

PERIOD_SECONDS = 300
HOUR = timedelta(hours=1)
RECENT = timedelta(minutes=15)  # older ages and rates say nothing of now
SUMS = {"files": "Jobs", "rows": "Rows", "rejected": "RowsRejected", "failed": "JobsRejected"}
OLDEST = "oldest"
LEAST_BILLED = 1 / 60  # Fargate bills at least a minute
STREAMS = 50  # the most that one call describes


@dataclass(frozen=True, slots=True)
class Work:
    """Sums of the workers' metrics; None where CloudWatch has none."""

    files: int | None = None
    rows: int | None = None
    rejected: int | None = None
    failed: int | None = None


@dataclass(frozen=True, slots=True)
class Metrics:
    """What CloudWatch has of the stack."""

    last_hour: Work
    today: Work
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
    """Read all metrics by one call."""
    start = min(midnight(now), now - HOUR)
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=[
            *(_query(name, NAMESPACE, metric, "Queue", queue) for name, metric in SUMS.items()),
            _query(OLDEST, "AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", queue),
        ],
        StartTime=start - timedelta(seconds=start.timestamp() % PERIOD_SECONDS),
        EndTime=now,
    )
    found = {
        one["Id"]: list(zip(one["Timestamps"], one["Values"], strict=True))
        for one in answer["MetricDataResults"]
    }
    return Metrics(
        last_hour=_work(found, now - HOUR),
        today=_work(found, midnight(now)),
        oldest_seconds=_latest(found.get(OLDEST, []), now - RECENT),
        files_a_second=_rate(found.get("files", []), now),
    )


def _query(name: str, namespace: str, metric: str, dimension: str, value: str) -> dict[str, Any]:
    return {
        "Id": name,
        "MetricStat": {
            "Metric": {
                "Namespace": namespace,
                "MetricName": metric,
                "Dimensions": [{"Name": dimension, "Value": value}],
            },
            "Period": PERIOD_SECONDS,
            "Stat": "Maximum" if name == OLDEST else "Sum",
        },
    }


Points = Sequence[tuple[datetime, float]]


def _work(found: Mapping[str, Points], since: datetime) -> Work:
    return Work(**{name: _sum(found.get(name, []), since) for name in SUMS})


def _sum(points: Points, since: datetime) -> int | None:
    values = [value for moment, value in points if moment >= since]
    return round(sum(values)) if values else None


def _rate(points: Points, now: datetime) -> float | None:
    """Return the rate of the latest whole period."""
    end = now - timedelta(seconds=PERIOD_SECONDS)
    whole = [(moment, value) for moment, value in points if end - RECENT <= moment <= end]
    return max(whole)[1] / PERIOD_SECONDS if whole else None


def _latest(points: Points, since: datetime) -> int | None:
    recent = [point for point in points if point[0] >= since]
    return round(max(recent)[1]) if recent else None


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
