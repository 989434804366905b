"""What a run costs: foretold by assumed rates, and summed from the time of its workers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from tidegate.aws import prices
from tidegate.aws.account import Account
from tidegate.aws.stack import DeployedStack
from tidegate.operating import tasks
from tidegate.operating.usage import Cost, cost_between, hourly_rate, read_streams
from worker.queue.idle import automatic_seconds

# Assumed, for one vCPU. 190 files of iris's size were measured on one core, and 40 to 55 MB of CSV.
FILES_A_SECOND = 100
BYTES_A_SECOND = 40_000_000
START_SECONDS, STOP_SECONDS = 30, 5  # a worker's image pull and start; its last poll and its exit
MIN_SECONDS = 60  # for which a worker is billed at least
SQS_REQUESTS, LOG_BYTES = 3.1, 2_000  # for one file


@dataclass(frozen=True, slots=True)
class Estimate:
    """The time and the dollars that files will take, by rates that are assumed."""

    workers: int
    seconds: float
    dollars: float

    @classmethod
    def of(cls, files: int, size: int, parameters: Mapping[str, str]) -> Self:
        """Compute it for the workers of a stack, none of which runs yet."""
        if not files:
            return cls(0, 0.0, 0.0)
        wanted = math.ceil(files / int(parameters.get("MessagesPerTask", "100")))
        workers = max(1, min(int(parameters.get("MaxTasks", "4")), wanted))
        vcpus = int(parameters.get("TaskCpu", "1024")) / 1024
        working = (files / FILES_A_SECOND + size / BYTES_A_SECOND) / vcpus
        idle = _idle_seconds(parameters.get("IdleSeconds", "auto"), files)
        billed = max(
            workers * (START_SECONDS + idle + STOP_SECONDS) + working, workers * MIN_SECONDS
        )
        spot = parameters.get("Capacity") == "FARGATE_SPOT"
        requests = files * (
            SQS_REQUESTS * prices.SQS.dollars
            + prices.GET.dollars
            + prices.PUT.dollars
            + LOG_BYTES / 1e9 * prices.LOGS.dollars
        )
        dollars = billed / 3600 * hourly_rate(parameters, spot=spot) + requests
        return cls(workers, START_SECONDS + working / workers, dollars)


def _idle_seconds(parameter: str, files: int) -> float:
    return automatic_seconds(files) if parameter == "auto" else float(parameter)


def cost_of(account: Account, stack: DeployedStack, begin: datetime, end: datetime) -> Cost:
    """Sum the time of the stack's workers from a run's beginning to its end.

    Files that land meanwhile are predicted by the same workers, so that their time is in it too.
    """
    out = stack.outputs
    ecs, family = account.client("ecs"), tasks.family_of(out["TaskDefinition"])
    live = tasks.listed(ecs, out["Cluster"], family, tasks.LIVE)
    stopped = tasks.listed(ecs, out["Cluster"], family, tasks.STOPPED)
    fleet = tasks.describe(ecs, out["Cluster"], live, stopped)
    streams = read_streams(account.client("logs"), out["WorkerLogGroup"], begin)
    return cost_between(fleet, streams, stack.parameters, begin, end)
