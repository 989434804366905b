"""Scenario: the dispatcher's import time, and the calls it makes for one event and for many."""

import io
import time
from collections.abc import Mapping
from contextlib import redirect_stdout
from statistics import median
from typing import Any

from benchmarks.harness.bench_cloud import INPUTS, OUTPUTS, BenchCloud
from benchmarks.harness.options import Options
from benchmarks.harness.proxy import Proxy, proxy_to
from benchmarks.harness.report import Report, Row
from benchmarks.scenarios.cold_start import time_python
from dispatcher.handler import Dispatcher, Fleet, Settings

WORK = "dispatcher"
IMPORTS = {"boto3": "import boto3", "dispatcher": "import dispatcher.handler"}
EVENTS = {"one event": (1, 1), "one of ten records": (1, 10), "a hundred events": (100, 1)}


def measure(bench: BenchCloud, options: Options, report: Report) -> None:
    """Measure the imports in turn, then each kind of event on a queue and a cluster of its own."""
    imports: dict[str, list[tuple[float, float]]] = {name: [] for name in IMPORTS}
    for _ in range(options.runs):
        for name, code in IMPORTS.items():
            imports[name].append(time_python(code))
    for name, times in imports.items():
        wall, cpu = (median(column) for column in zip(*times, strict=True))
        report.rows.append(Row(WORK, f"import {name}", options.runs, cpu, wall))
    for number, (name, (events, records)) in enumerate(EVENTS.items()):
        with proxy_to(bench.cloud.url) as proxy:
            took, calls, tasks = _handle(bench, proxy, f"events-{number}", events, records)
        per_event = {"ms CPU/event": 1000 * took[0] / events, "tasks started": tasks}
        report.rows.append(Row(WORK, name, 1, *took, calls=calls, figures=per_event))


def _handle(
    bench: BenchCloud, proxy: Proxy, name: str, events: int, records: int
) -> tuple[tuple[float, float], int, int]:
    """Handle events; return CPU and wall seconds, the calls, and how many of them started tasks."""
    dispatcher = _dispatcher(bench, proxy, name)
    cpu, wall = time.process_time(), time.monotonic()
    with redirect_stdout(io.StringIO()):  # the dispatcher's log
        for number in range(events):
            dispatcher.handle(_event(name, number, records))
    took = time.process_time() - cpu, time.monotonic() - wall
    return took, len(proxy.calls), proxy.counts()["RunTask"]


def _dispatcher(bench: BenchCloud, proxy: Proxy, name: str) -> Dispatcher:
    settings = Settings.from_environment(_environment(bench, name))
    sqs, ecs = (bench.client(service, proxy.url) for service in ("sqs", "ecs"))
    return Dispatcher(settings=settings, sqs=sqs, fleet=Fleet(settings, ecs))


def _environment(bench: BenchCloud, name: str) -> dict[str, str]:
    """Make a queue, a cluster and a task definition; return the dispatcher's variables."""
    ecs: Any = bench.client("ecs")
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
        "DISPATCHER_QUEUE_URL": bench.sqs.create_queue(QueueName=name)["QueueUrl"],
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
