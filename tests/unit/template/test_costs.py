"""The costs of an idle stack and of files, as docs/costs.md has them."""

import io
import json
import re
from collections import Counter
from functools import partial
from itertools import count

import pytest

from benchmarks import backlog_simulation, costs, idle_simulation
from benchmarks.backlog_simulation import Backlog
from tests.support.template import PARAMETERS, RESOURCES, ROOT, of_type, properties
from worker.job import Done, S3Uri
from worker.metrics import FIELDS, METRICS, Metrics

PAGE = (ROOT / "docs" / "costs.md").read_text()
ROWS = re.findall(r"^\| (AWS::\S+) \| (\d+) \| (\S+) \| (.*) \|$", PAGE, flags=re.MULTILINE)


def test_every_resource_is_listed_with_what_it_costs_idle() -> None:
    made = Counter(resource["Type"] for resource in RESOURCES.values())

    assert {kind: int(count) for kind, count, _, _ in ROWS} == made


def test_idle_the_stack_costs_its_sweeps_and_nothing_else() -> None:
    billed = {kind: dollars for kind, _, dollars, _ in ROWS if dollars != "0"}

    assert billed == {"AWS::Lambda::Function": f"{costs.sweeps():.3f}"}
    assert costs.sweeps() < 0.02


def test_what_would_be_billed_while_idle_is_switched_off() -> None:
    settings = properties("Cluster")["ClusterSettings"]
    function = properties("Dispatcher")

    assert {"Name": "containerInsights", "Value": "disabled"} in settings
    assert all(
        endpoint["Properties"]["VpcEndpointType"] == "Gateway"
        for endpoint in of_type("AWS::EC2::VPCEndpoint").values()
    )
    assert "ProvisionedConcurrencyConfig" not in function
    assert PARAMETERS["AlarmEmail"]["Default"] == ""


def test_the_costs_are_counted_with_the_templates_own_parameters() -> None:
    assert PARAMETERS["MaxTasks"]["Default"] == costs.MAX_TASKS
    assert PARAMETERS["MessagesPerTask"]["Default"] == costs.MESSAGES_PER_TASK
    assert PARAMETERS["IdleSeconds"]["Default"] == "auto"
    assert PARAMETERS["TaskCpu"]["Default"] == costs.VCPUS * 1024
    assert PARAMETERS["TaskMemory"]["Default"] == costs.MEMORY_GB * 1024
    assert properties("Dispatcher")["MemorySize"] == costs.DISPATCHER_GB * 1024
    assert properties("Notifier")["MemorySize"] == costs.NOTIFIER_GB * 1024
    assert properties("Reconciler")["MemorySize"] == costs.RECONCILER_GB * 1024


def test_the_tables_are_those_that_are_computed() -> None:
    for table in (
        costs.files_table(),
        costs.numbers_table(),
        costs.events_table(),
        costs.reconcile_table(),
        idle_simulation.table(),
        costs.prices_table(),
        backlog_simulation.table(),
    ):
        computed = "\n".join(table)
        assert computed in PAGE, f"the table in docs/costs.md should be\n{computed}"


def test_files_that_come_at_once_cost_a_hundredth_of_files_that_come_alone() -> None:
    at_once, one_an_hour = costs.ARRIVALS

    for capacity in costs.CAPACITIES:
        assert at_once.workers(capacity) < one_an_hour.workers(capacity) / 100


@pytest.mark.parametrize("capacity", costs.CAPACITIES, ids=lambda capacity: capacity.name)
@pytest.mark.parametrize("arrival", costs.ARRIVALS, ids=lambda arrival: arrival.name)
def test_numbers_cost_less_than_a_hundredth_of_the_workers_and_one_metric_more_than_a_tenth(
    arrival: costs.Arrival, capacity: costs.Capacity
) -> None:
    assert arrival.numbers() < arrival.workers(capacity) / 100
    if arrival.hours == arrival.tasks:  # a worker for each file
        assert costs.metrics(1, arrival.hours) > arrival.workers(capacity) / 10


def test_a_workers_busiest_minute_has_no_longer_a_line_than_is_counted() -> None:
    stream = io.StringIO()
    metrics = Metrics("s" * 32, stream)
    requests = count(1_000_000, 1_000_000)
    metrics.count_calls(lambda: next(requests))
    phases = dict.fromkeys(("hold", "download", "predict", "upload"), 1234.567)
    outcome = Done(
        "predicted",
        S3Uri("b", "k"),
        rows=10_000_000,
        rejected=1_000_000,
        input_bytes=10**10,
        output_bytes=10**10,
        phases=phases,
    )
    for _ in range(100):
        metrics.done(outcome, sent=0.0, settle_seconds=1.234)
    for happens in (metrics.retried, metrics.call_retried, partial(metrics.loop_late, 1.234)):
        happens()
    metrics.rejected(ValueError())
    metrics.flush()

    in_trouble_or_at_work = {*METRICS, "busy_seconds"}
    assert set(FIELDS) - json.loads(stream.getvalue()).keys() == in_trouble_or_at_work
    assert len(stream.getvalue()) <= costs.NUMBERS_BYTES


def test_a_look_at_the_dashboard_is_counted_with_its_own_queries_and_time() -> None:
    body = json.loads(properties("Overview")["DashboardBody"]["Fn::Sub"][0])
    queries = [widget["properties"].get("query", "") for widget in body["widgets"]]

    assert sum("${WorkerLogGroup}" in query for query in queries) == costs.LOG_WIDGETS
    assert body["start"] == f"-PT{costs.LOOK_HOURS}H"


def test_a_wait_of_a_minute_costs_what_the_page_says_for_files_that_come_alone() -> None:
    """An hour apart, each worker is billed for its start, its idle time and its end."""
    dollars, seconds = idle_simulation.simulate(idle_simulation.every(3600), lambda _: 60)
    task = costs.START_SECONDS + 60 + costs.STOP_SECONDS + 1 / costs.FILES_PER_SECOND
    assert dollars == pytest.approx(costs.FILES * task / 3600 * costs.CAPACITIES[0].per_hour)
    assert seconds == pytest.approx(costs.START_SECONDS + 1 / costs.FILES_PER_SECOND)


def test_the_automatic_idle_time_is_cheap_for_lone_files_and_quick_after_the_first_of_many() -> (
    None
):
    alone, trickle = idle_simulation.every(3600), idle_simulation.every(45)
    automatic, minute = (idle_simulation.RULES[name] for name in ("auto", "60 s"))
    simulate = idle_simulation.simulate
    assert simulate(alone, automatic)[0] < 0.7 * simulate(alone, minute)[0]
    assert simulate(trickle, automatic) == simulate(trickle, minute)


def test_a_backlog_is_drained_in_time_and_by_no_more_workers_than_may_be() -> None:
    few, many = Backlog(4), Backlog(1000)
    few.run()
    many.run()

    assert few.done == many.done == backlog_simulation.FILES
    assert (len(few.starts), len(many.starts)) == (4, 1000)
    assert few.seconds > backlog_simulation.FILES / (4 * costs.FILES_PER_SECOND)
    assert backlog_simulation.FILES / backlog_simulation.PUTS < many.seconds < few.seconds / 5
    assert (
        max(many.starts.count(second) for second in set(many.starts)) == backlog_simulation.LAUNCHES
    )
