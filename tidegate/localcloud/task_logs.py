"""The tasks' logs in CloudWatch, as the log driver `awslogs` and CloudWatch itself put them there.

The lines of a task go to the log group of its task definition. A line in CloudWatch's embedded
metric format becomes metrics too, which the emulator does not do.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from tidegate.localcloud.cloud import Cloud
from tidegate.localcloud.fargate import Fargate, WorkerTask

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_logs import CloudWatchLogsClient

POLL_SECONDS = 0.5
MOST_LINES = 1000  # of one call

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Stream:
    """The log stream of one task, and how much of the task's log is in it."""

    group: str
    name: str
    sent_bytes: int = 0


class TaskLogs:
    """Sends what the tasks of an agent have written since the last time."""

    def __init__(self, cloud: Cloud, agent: Fargate) -> None:
        self._agent = agent
        self._streams: dict[str, _Stream] = {}
        self._ended: set[str] = set()
        self._ecs: ECSClient = cloud.client("ecs")
        self._logs: CloudWatchLogsClient = cloud.client("logs")
        self._metrics: Any = cloud.client("cloudwatch")  # its stubs are not among ours

    def send(self) -> None:
        """Send every task's new lines; a task that is over has no more after that."""
        for task in list(self._agent.tasks.values()):
            if task.arn in self._ended or not task.log.exists():
                continue
            over = task.over
            self._send(task)
            if over:
                self._ended.add(task.arn)

    def _send(self, task: WorkerTask) -> None:
        if task.arn not in self._streams:
            self._streams[task.arn] = self._open(task.arn)
        stream = self._streams[task.arn]
        with task.log.open("rb") as written:
            written.seek(stream.sent_bytes)
            whole, newline, _ = written.read().rpartition(b"\n")
        stream.sent_bytes += len(whole) + len(newline)
        lines = [line for line in whole.decode(errors="replace").split("\n") if line.strip()]
        for first in range(0, len(lines), MOST_LINES):
            self._put(stream, lines[first : first + MOST_LINES])

    def _open(self, arn: str) -> _Stream:
        """Make the stream that the task definition names."""
        cluster, task_id = arn.split("/")[1:]
        (task,) = self._ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"]
        definition = self._ecs.describe_task_definition(taskDefinition=task["taskDefinitionArn"])
        (container,) = definition["taskDefinition"]["containerDefinitions"]
        options = container["logConfiguration"]["options"]
        name = f"{options['awslogs-stream-prefix']}/{container['name']}/{task_id}"
        stream = _Stream(options["awslogs-group"], name)
        with suppress(self._logs.exceptions.ResourceAlreadyExistsException):
            self._logs.create_log_stream(logGroupName=stream.group, logStreamName=name)
        return stream

    def _put(self, stream: _Stream, lines: Sequence[str]) -> None:
        now = int(time.time() * 1000)
        self._logs.put_log_events(
            logGroupName=stream.group,
            logStreamName=stream.name,
            logEvents=[{"timestamp": now, "message": line} for line in lines],
        )
        for line in lines:
            for namespace, metrics in embedded_metrics(line):
                self._metrics.put_metric_data(Namespace=namespace, MetricData=metrics)


def embedded_metrics(line: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the namespace and the metrics of a line; nothing if it has none."""
    if '"_aws"' not in line:
        return
    found: Mapping[str, Any] = json.loads(line)
    for directive in found["_aws"]["CloudWatchMetrics"]:
        for names in directive["Dimensions"]:
            dimensions = [{"Name": name, "Value": found[name]} for name in names]
            yield (
                directive["Namespace"],
                [
                    {
                        "MetricName": metric["Name"],
                        "Unit": metric["Unit"],
                        "Dimensions": dimensions,
                        "Value": float(found[metric["Name"]]),
                    }
                    for metric in directive["Metrics"]
                ],
            )


@asynccontextmanager
async def task_logs(cloud: Cloud, agent: Fargate) -> AsyncIterator[None]:
    """Send the tasks' logs for the length of the block."""
    sender = TaskLogs(cloud, agent)
    sending = asyncio.ensure_future(_send_until_cancelled(sender))
    try:
        yield
    finally:
        sending.cancel()


async def _send_until_cancelled(sender: TaskLogs) -> None:
    """Send again and again; a refusal, as while a stack is deleted, is no reason to stop."""
    while True:
        try:
            await asyncio.to_thread(sender.send)
        except (BotoCoreError, ClientError, KeyError, ValueError) as error:
            log.warning("logs of tasks not sent: %s", error)
        await asyncio.sleep(POLL_SECONDS)
