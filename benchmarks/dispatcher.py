"""The dispatcher: its import, and what it asks of AWS for one event, and for many."""

import io
import time
from collections.abc import Mapping
from contextlib import redirect_stdout
from statistics import median
from typing import Any

from benchmarks.cold_start import timed
from benchmarks.relay import Relay, relayed
from benchmarks.report import Report, Row, Target
from benchmarks.scenario import Asked
from benchmarks.stage import INPUTS, OUTPUTS, Stage
from dispatcher.handler import Dispatcher, Fleet, Settings

WORK = "dispatcher"
IMPORTS = {"boto3": "import boto3", "dispatcher": "import dispatcher.handler"}
EVENTS = {"one event": (1, 1), "one of ten records": (1, 10), "a hundred events": (100, 1)}
MOST_CALLS = 3  # and one for each task started


def measure(stage: Stage, asked: Asked, report: Report) -> None:
    """Measure imports in turn, and then events, each kind on a queue and a cluster of its own."""
    imports: dict[str, list[tuple[float, float]]] = {name: [] for name in IMPORTS}
    for _ in range(asked.runs):
        for name, code in IMPORTS.items():
            imports[name].append(timed(code))
    for name, times in imports.items():
        wall, cpu = (median(column) for column in zip(*times, strict=True))
        report.rows.append(Row(WORK, f"import {name}", asked.runs, cpu, wall))
    walls = {name: median(wall for wall, _ in times) for name, times in imports.items()}
    report.targets.append(
        Target("dispatcher: import against boto3's", walls["dispatcher"] / walls["boto3"], most=1.1)
    )
    for number, (name, (events, records)) in enumerate(EVENTS.items()):
        with relayed(stage.cloud.url) as relay:
            took, calls, tasks = _handled(stage, relay, f"events-{number}", events, records)
        per_event = {"ms CPU/event": 1000 * took[0] / events, "tasks started": tasks}
        report.rows.append(Row(WORK, name, 1, *took, calls=calls, figures=per_event))
        if events == 1:
            report.targets.append(
                Target(
                    f"dispatcher: calls for {name}, but for starts", calls - tasks, most=MOST_CALLS
                )
            )


def _handled(
    stage: Stage, relay: Relay, name: str, events: int, records: int
) -> tuple[tuple[float, float], int, int]:
    """Handle events; answer CPU and wall seconds, the calls, and how many of them started tasks."""
    dispatcher = _dispatcher(stage, relay, name)
    cpu, wall = time.process_time(), time.monotonic()
    with redirect_stdout(io.StringIO()):  # its log
        for number in range(events):
            dispatcher.handle(_event(name, number, records))
    took = time.process_time() - cpu, time.monotonic() - wall
    return took, len(relay.calls), relay.counts()["RunTask"]


def _dispatcher(stage: Stage, relay: Relay, name: str) -> Dispatcher:
    settings = Settings.from_environment(_environment(stage, name))
    sqs, ecs = (stage.client(service, relay.url) for service in ("sqs", "ecs"))
    return Dispatcher(settings=settings, sqs=sqs, fleet=Fleet(settings, ecs))


def _environment(stage: Stage, name: str) -> dict[str, str]:
    """Make a queue, a cluster and a task definition, and name them to the dispatcher."""
    ecs: Any = stage.client("ecs")
    cluster = ecs.create_cluster(clusterName=name)["cluster"]["clusterArn"]
    definition = ecs.register_task_definition(
        family=name,
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        containerDefinitions=[{"name": "worker", "image": "worker"}],
    )["taskDefinition"]["taskDefinitionArn"]
    return {
        "DISPATCHER_QUEUE_URL": stage.sqs.create_queue(QueueName=name)["QueueUrl"],
        "DISPATCHER_OUTPUT_BUCKET": OUTPUTS,
        "DISPATCHER_OUTPUT_KEY": "p",
        "DISPATCHER_SUFFIXES": "",
        "DISPATCHER_CLUSTER": cluster,
        "DISPATCHER_TASK_DEFINITION": definition,
        "DISPATCHER_SUBNETS": "subnet-1",
        "DISPATCHER_SECURITY_GROUPS": "sg-1",
        "DISPATCHER_ASSIGN_PUBLIC_IP": "ENABLED",
        "DISPATCHER_CAPACITY": "FARGATE",
        "DISPATCHER_MAX_TASKS": "4",
        "DISPATCHER_MESSAGES_PER_TASK": "100",
    }


def _event(name: str, number: int, records: int) -> Mapping[str, Any]:
    return {
        "Records": [
            {
                "eventSource": "aws:s3",
                "eventName": "ObjectCreated:Put",
                "s3": {
                    "bucket": {"name": INPUTS},
                    "object": {"key": f"{name}/{number}-{record}.csv", "size": 1, "eTag": "0"},
                },
            }
            for record in range(records)
        ]
    }
