from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import pytest

from tidegate.localcloud.ecs_task import Container, exit_code, state_change_event
from worker.service.identity import worker_name

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import TaskDefinitionTypeDef, TaskTypeDef

ECS = "arn:aws:ecs:us-east-1:000000000000"
TASK = cast(
    "TaskTypeDef",
    {
        "taskArn": f"{ECS}:task/tidegate/1234",
        "clusterArn": f"{ECS}:cluster/tidegate",
        "taskDefinitionArn": f"{ECS}:task-definition/tidegate-worker:7",
        "lastStatus": "STOPPED",
        "stopCode": "UserInitiated",
        "stoppedAt": datetime(2024, 6, 1, tzinfo=UTC),
        "containers": [{"name": "worker", "exitCode": 0}],
        "overrides": {"containerOverrides": [{"environment": [{"name": "B", "value": "run"}]}]},
    },
)
DEFINITION = cast(
    "TaskDefinitionTypeDef",
    {
        "taskRoleArn": "arn:aws:iam::000000000000:role/task",
        "containerDefinitions": [
            {
                "environment": [{"name": "A", "value": "own"}, {"name": "B", "value": "own"}],
                "stopTimeout": 120,
            }
        ],
    },
)


def test_an_override_of_run_task_wins_over_the_task_definition() -> None:
    container = Container.of(TASK, DEFINITION)
    assert {name: container.environment[name] for name in "AB"} == {"A": "own", "B": "run"}
    assert container.stop_seconds == 120


def test_a_worker_knows_the_id_of_its_task() -> None:
    arn = f"{ECS}:task/tidegate/ed8f0d3c-8ba1-4bb9-8a55-0ffa4e4b6a4e"
    task = cast("TaskTypeDef", TASK | {"taskArn": arn})
    assert arn.endswith(f"/{worker_name(Container.of(task, DEFINITION).environment)}")


def test_a_container_without_stop_timeout_has_thirty_seconds() -> None:
    definition = cast(
        "TaskDefinitionTypeDef", {"taskRoleArn": "arn", "containerDefinitions": [{"name": "w"}]}
    )
    assert Container.of(TASK, definition).stop_seconds == 30


@pytest.mark.parametrize(("status", "code"), [(0, 0), (2, 2), (-9, 137), (-15, 143)])
def test_a_process_ended_by_a_signal_exits_as_its_container_would(status: int, code: int) -> None:
    assert exit_code(status) == code


def test_the_event_tells_the_exit_code_and_not_what_stop_task_recorded() -> None:
    event = state_change_event(TASK, exit_code=1, stop_code="EssentialContainerExited")
    assert event["source"] == "aws.ecs"
    assert event["detail-type"] == "ECS Task State Change"
    assert event["resources"] == [TASK["taskArn"]]
    assert event["detail"]["group"] == "family:tidegate-worker"
    assert event["detail"]["lastStatus"] == "STOPPED"
    assert event["detail"]["stopCode"] == "EssentialContainerExited"
    assert [one["exitCode"] for one in event["detail"]["containers"]] == [1]
