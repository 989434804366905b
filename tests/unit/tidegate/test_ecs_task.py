from typing import TYPE_CHECKING, cast

import pytest

from tidegate.localcloud.ecs_task import Container, exit_code
from tidegate.localcloud.task_metadata import task_metadata
from worker.service.identity import METADATA_VARIABLE, worker_name
from worker.service.task_cost import read_task

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import TaskDefinitionTypeDef, TaskTypeDef

ADDRESS = "http://127.0.0.1:1/v4/1234-1"
TASK = cast(
    "TaskTypeDef",
    {
        "taskArn": "arn:aws:ecs:us-east-1:000000000000:task/tidegate/1234",
        "overrides": {"containerOverrides": [{"environment": [{"name": "B", "value": "run"}]}]},
    },
)
DEFINITION = cast(
    "TaskDefinitionTypeDef",
    {
        "taskRoleArn": "arn:aws:iam::000000000000:role/task",
        "executionRoleArn": "arn:aws:iam::000000000000:role/execution",
        "containerDefinitions": [
            {
                "name": "worker",
                "image": "worker:1",
                "environment": [{"name": "A", "value": "own"}, {"name": "B", "value": "own"}],
                "stopTimeout": 120,
            }
        ],
    },
)


def test_an_override_of_run_task_wins_over_the_task_definition() -> None:
    container = Container.of(TASK, DEFINITION, ADDRESS)
    assert {name: container.environment[name] for name in "AB"} == {"A": "own", "B": "run"}
    assert container.stop_seconds == 120


def test_a_worker_knows_the_id_of_its_task_and_what_the_task_costs() -> None:
    task_id = "ed8f0d3c-8ba1-4bb9-8a55-0ffa4e4b6a4e"
    sized = cast("TaskDefinitionTypeDef", {**DEFINITION, "cpu": "512", "memory": "2048"})
    with task_metadata() as metadata:
        environment = Container.of(TASK, sized, metadata.add(task_id, sized)).environment

        assert worker_name(environment) == task_id
        task = read_task(environment)
        assert task is not None
        assert (task.vcpus, task.memory_gb) == (0.5, 2)
        unknown = {METADATA_VARIABLE: environment[METADATA_VARIABLE].replace(task_id, "other")}
        assert read_task(unknown) is None


def test_a_container_without_stop_timeout_has_thirty_seconds() -> None:
    (container,) = DEFINITION["containerDefinitions"]
    without = {name: value for name, value in container.items() if name != "stopTimeout"}
    definition = cast("TaskDefinitionTypeDef", {**DEFINITION, "containerDefinitions": [without]})
    assert Container.of(TASK, definition, ADDRESS).stop_seconds == 30


@pytest.mark.parametrize(("status", "code"), [(0, 0), (2, 2), (-9, 137), (-15, 143)])
def test_a_process_ended_by_a_signal_exits_as_its_container_would(status: int, code: int) -> None:
    assert exit_code(status) == code
