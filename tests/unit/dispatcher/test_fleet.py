"""How many workers are started, and when none is."""

import pytest
from botocore.exceptions import (
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)

from tests.support.fakes.dispatcher import World, client_error, decisions, record

CHECK = ["ListTasks", "GetQueueAttributes"]


def test_the_messages_are_sent_before_the_fleet_is_checked() -> None:
    world = World()

    world.upload()

    calls = ["SendMessageBatch", *CHECK, "ListQueueTags", "ListTasks", "RunTask"]
    assert world.calls.made == calls


def test_a_running_task_started_by_run_task_is_seen_so_no_second_one_starts() -> None:
    world = World()
    world.upload()
    world.clock.seconds += 60

    world.upload()

    assert len(world.ecs.tasks) == 1
    assert world.calls.made == ["SendMessageBatch", *CHECK]


def test_a_task_of_another_family_is_not_counted() -> None:
    world = World()
    world.ecs.add("arn:aws:ecs:eu-west-1:123456789012:task-definition/tide:1")

    world.upload()

    assert len(world.ecs.requests) == 1


def test_every_page_of_tasks_is_counted() -> None:
    world = World()
    world.ecs.page = 2
    for _ in range(3):
        world.ecs.add()
    world.sqs.visible = 40

    world.sweep()

    assert len(world.ecs.running) == 4


@pytest.mark.parametrize(
    ("visible", "tasks"), [(0, 0), (1, 1), (10, 1), (11, 2), (40, 4), (41, 4), (100_000, 4)]
)
def test_a_task_is_started_for_every_so_many_messages_up_to_the_maximum(
    visible: int, tasks: int
) -> None:
    world = World()
    world.sqs.visible = visible

    world.sweep()

    assert len(world.ecs.running) == tasks


def test_while_the_stack_is_paused_messages_are_sent_and_nothing_starts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = World()
    world.sqs.tags = {"tidegate:paused": "2026-11-28T01:00:00Z"}

    world.upload()
    world.sqs.visible = 1
    world.sweep()

    assert len(world.sqs.bodies) == 1
    assert world.ecs.tasks == {}
    assert decisions(capsys)[-1] == {"decision": "paused", "wanted": 1}

    world.sqs.tags = {}
    world.sweep()
    assert len(world.ecs.running) == 1


def test_a_worker_starts_where_aws_does_not_tell_whether_the_stack_is_paused() -> None:
    world = World()
    world.calls.errors["ListQueueTags"] = client_error("AccessDenied", operation="ListQueueTags")

    world.upload()

    assert len(world.ecs.running) == 1


def test_a_quiet_stack_is_not_asked_whether_it_is_paused() -> None:
    world = World()

    world.sweep()

    assert world.calls.made == CHECK


def test_messages_just_sent_count_before_the_queue_counts_them() -> None:
    world = World(messages_per_task="1")
    world.sqs.visible = 1

    world.upload("a.csv", "b.csv", "c.csv")

    assert len(world.ecs.running) == 3


def test_messages_in_flight_count_while_a_task_runs() -> None:
    world = World()
    world.ecs.add()
    world.sqs.visible, world.sqs.in_flight = 1, 10

    world.sweep()

    assert len(world.ecs.running) == 2


def test_messages_in_flight_start_nothing_while_no_task_runs() -> None:
    world = World()
    world.sqs.in_flight = 10

    world.sweep()

    assert world.ecs.tasks == {}


def test_a_fleet_larger_than_wanted_is_left_alone() -> None:
    world = World()
    for _ in range(3):
        world.ecs.add()
    world.sqs.visible = 1

    world.sweep()

    assert world.calls.made == CHECK


def test_dispatchers_that_do_not_see_each_others_tasks_start_each_slot_once() -> None:
    world = World(messages_per_task="1")
    for uploaded in (1, 3, 2):
        world.upload(*["a.csv"] * uploaded)
        world.ecs.unlisted |= world.ecs.tasks.keys()

    assert len(world.ecs.running) == 3


def test_a_new_minute_has_new_slots() -> None:
    world = World()
    world.upload()
    world.ecs.unlisted |= world.ecs.tasks.keys()
    world.clock.seconds += 60

    world.upload()

    assert len(world.ecs.running) == 2


def test_tokens_are_what_ecs_accepts() -> None:
    world = World(messages_per_task="1")

    world.upload("a.csv", "b.csv", "c.csv")

    assert len(world.ecs.tokens) == 3
    for token in world.ecs.tokens:
        assert len(token) <= 64
        assert all(33 <= ord(character) <= 126 for character in token)


def test_the_slot_of_a_task_that_has_stopped_meanwhile_goes_to_the_next_generation(
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = World()
    world.upload()
    world.ecs.stop(world.ecs.running[0])
    world.clock.seconds += 20

    world.upload()

    assert len(world.ecs.running) == 1
    assert decisions(capsys)[-1]["generation"] == 1


@pytest.mark.parametrize("known", [True, False], ids=["described", "not known yet"])
def test_the_slot_of_a_task_that_runs_unlisted_is_taken(known: bool) -> None:
    world = World()
    world.upload()
    (world.ecs.unlisted if known else world.ecs.unknown).update(world.ecs.tasks)
    world.clock.seconds += 20

    world.upload()

    assert world.calls.made[-2:] == ["RunTask", "DescribeTasks"]
    assert len(world.ecs.tasks) == 1


def test_a_task_that_run_task_returns_as_stopped_is_not_described() -> None:
    world = World()
    world.upload()
    (token,) = world.ecs.tokens
    stopped = world.ecs.stop(world.ecs.running[0])
    world.ecs.tokens[token][1]["tasks"] = [stopped]

    world.upload()

    assert world.calls.made[-2:] == ["RunTask", "RunTask"]
    assert len(world.ecs.running) == 1


def test_a_task_started_by_this_call_is_not_described() -> None:
    world = World()

    world.upload()

    assert "DescribeTasks" not in world.calls.made


def test_a_slot_whose_token_conflicts_goes_to_the_next_generation() -> None:
    world = World()
    world.upload()
    world.ecs.stop(world.ecs.running[0])
    world.settings(subnets="subnet-3")

    world.upload()

    assert len(world.ecs.running) == 1
    assert len(world.ecs.tokens) == 2


def test_spot_and_on_demand_never_share_a_token() -> None:
    world = World()
    world.upload()
    world.ecs.stop(world.ecs.running[0])
    world.settings(capacity="FARGATE_SPOT")

    world.upload()

    assert world.calls.made.count("RunTask") == 1
    assert len(world.ecs.running) == 1


def test_after_three_generations_a_slot_rests_until_the_next_minute(
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = World()
    for _ in range(3):
        world.upload()
        world.ecs.stop(world.ecs.running[0])
        world.clock.seconds += 5

    world.upload()

    assert world.ecs.running == []
    assert len(world.ecs.tasks) == 3
    assert decisions(capsys)[-1]["decision"] == "task not started"
    world.clock.seconds += 60
    world.upload()
    assert len(world.ecs.running) == 1


def test_a_slot_whose_task_is_already_counted_frees_the_slot_of_one_that_stopped() -> None:
    world = World(messages_per_task="1")
    world.upload("a.csv", "b.csv")
    first, second = world.ecs.running
    world.ecs.stop(first)
    world.clock.seconds += 20

    world.upload("c.csv", "d.csv")

    assert len(world.ecs.running) == 2
    assert second in world.ecs.running


def test_a_task_that_is_not_listed_yet_is_found_by_its_slot() -> None:
    world = World(messages_per_task="1")
    world.upload("a.csv", "b.csv")
    world.ecs.unlisted.add(world.ecs.running[0])
    world.clock.seconds += 20

    world.upload("c.csv", "d.csv")

    assert len(world.ecs.tasks) == 2


@pytest.mark.parametrize(
    ("capacity", "chosen"),
    [
        ("FARGATE", {"launchType": "FARGATE"}),
        (
            "FARGATE_SPOT",
            {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]},
        ),
    ],
)
def test_a_task_starts_where_the_settings_say(capacity: str, chosen: dict[str, object]) -> None:
    world = World(capacity=capacity)

    world.upload()

    network = {"subnets": ("subnet-1", "subnet-2"), "securityGroups": ("sg-1",)}
    assert world.ecs.requests == [
        {
            "cluster": "tide",
            "taskDefinition": world.dispatcher.settings.task_definition,
            "count": 1,
            "propagateTags": "TASK_DEFINITION",
            "networkConfiguration": {
                "awsvpcConfiguration": network | {"assignPublicIp": "ENABLED"}
            },
            **chosen,
        }
    ]


NO_CAPACITY = "Capacity is unavailable at this time. Please try again later"
SHORTAGES = pytest.mark.parametrize(
    "shortage",
    [NO_CAPACITY, client_error("ClientException", NO_CAPACITY)],
    ids=["failure", "error"],
)


@SHORTAGES
def test_a_slot_for_which_spot_has_no_capacity_is_asked_for_on_demand(
    shortage: Exception | str,
) -> None:
    world = World(capacity="FARGATE_SPOT", messages_per_task="1")
    world.ecs.short_of["FARGATE_SPOT"] = shortage

    world.upload("a.csv", "b.csv")

    assert [request.get("launchType") for request in world.ecs.requests] == ["FARGATE", "FARGATE"]
    assert len(world.ecs.running) == 2


@SHORTAGES
def test_concurrent_dispatchers_fall_back_to_the_same_task(shortage: Exception | str) -> None:
    world = World(capacity="FARGATE_SPOT")
    world.ecs.short_of["FARGATE_SPOT"] = shortage
    for _ in range(3):
        world.upload()
        world.ecs.unlisted |= world.ecs.tasks.keys()

    assert len(world.ecs.running) == 1


@SHORTAGES
@pytest.mark.parametrize("capacity", ["FARGATE", "FARGATE_SPOT"])
def test_where_there_is_no_capacity_at_all_the_next_check_tries_again(
    capacity: str, shortage: Exception | str, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World(capacity=capacity)
    world.ecs.short_of = {"FARGATE_SPOT": shortage, "FARGATE": shortage}
    world.upload()
    assert world.ecs.running == []
    assert decisions(capsys)[-1]["decision"] == "no capacity"

    world.ecs.short_of = {}
    world.sqs.visible = 1
    world.sweep()

    assert len(world.ecs.running) == 1


def test_another_refusal_of_spot_is_no_reason_to_pay_for_on_demand() -> None:
    world = World(capacity="FARGATE_SPOT")
    world.ecs.short_of["FARGATE_SPOT"] = "RESOURCE:ENI"

    world.upload()

    assert world.ecs.tasks == {}


@pytest.mark.parametrize("unlisted", range(3))
def test_whichever_task_is_not_listed_its_slot_is_found_before_a_free_one(unlisted: int) -> None:
    world = World(messages_per_task="1")
    files = ("a.csv", "b.csv", "c.csv", "d.csv")
    older = [world.ecs.add()["taskArn"] for _ in range(3)]
    world.upload(*files)
    for arn in older[1:]:
        world.ecs.stop(arn)
    world.upload(*files)
    assert len(world.ecs.running) == 4
    world.ecs.unlisted.add(world.ecs.running[1 + unlisted])
    world.clock.seconds += 20

    world.upload(*files)

    assert len(world.ecs.running) == 4


def test_a_start_that_ecs_declines_is_logged_and_left_to_the_sweep(
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = World(messages_per_task="1")
    world.ecs.failures = [{"reason": "RESOURCE:ENI"}]

    world.upload("a.csv", "b.csv")

    assert world.calls.made.count("RunTask") == 1
    line = decisions(capsys)[-1]
    assert (line["decision"], line["slot"]) == ("start refused", 0)
    assert "RESOURCE:ENI" in line["why"]


@pytest.mark.parametrize("operation", ["ListTasks", "GetQueueAttributes", "RunTask"])
@pytest.mark.parametrize(
    "error",
    [
        client_error("ThrottlingException", "Rate exceeded"),
        client_error("InvalidParameterException", "Rate exceeded"),
        client_error("RequestLimitExceeded"),
        client_error("ClientException", "You've reached the limit on the number of vCPUs"),
        client_error("ServerException", "Service Unavailable."),
        EndpointConnectionError(endpoint_url="https://ecs.eu-west-1.amazonaws.com"),
        ReadTimeoutError(endpoint_url="https://ecs.eu-west-1.amazonaws.com"),
    ],
    ids=str,
)
def test_a_transient_error_is_logged_and_left_to_the_sweep(
    operation: str, error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World()
    world.calls.errors[operation] = error

    world.upload()

    assert len(world.sqs.bodies) == 1
    assert decisions(capsys)[-1] == {"decision": "fleet check postponed", "why": str(error)}


REFUSALS = pytest.mark.parametrize(
    "error",
    [
        client_error("AccessDeniedException", "not authorized to perform: ecs:RunTask"),
        # A task definition may have any name.
        client_error("AccessDeniedException", "on resource: arn:aws:ecs:::task/throttling:3"),
        client_error("InvalidParameterException", "subnet-1 does not exist"),
        client_error("ClusterNotFoundException", "Cluster not found."),
        NoCredentialsError(),
        ParamValidationError(report="Invalid type for parameter networkConfiguration"),
    ],
    ids=str,
)


@REFUSALS
@pytest.mark.parametrize("operation", ["ListTasks", "GetQueueAttributes", "RunTask"])
def test_once_messages_are_sent_a_refusal_is_logged_as_what_it_is_and_the_event_succeeds(
    operation: str, error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World()
    world.calls.errors[operation] = error

    world.upload()

    assert len(world.sqs.bodies) == 1
    assert decisions(capsys)[-1] == {"decision": "start refused", "why": str(error)}


@REFUSALS
def test_a_sweep_that_is_refused_succeeds_and_the_next_one_asks_again(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World()
    world.sqs.visible = 1
    world.calls.errors["RunTask"] = error
    world.sweep()
    assert decisions(capsys)[-1]["decision"] == "start refused"

    del world.calls.errors["RunTask"]
    world.sweep()

    assert len(world.ecs.running) == 1


def test_an_event_of_ten_records_takes_few_calls() -> None:
    world = World(messages_per_task="5")

    world.handle({"Records": [record(f"{n}.csv") for n in range(10)]})

    assert len(world.calls.made) == 4 + 1 + len(world.ecs.running)
