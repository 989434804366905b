"""ECS's rules for one task: its container's settings and exit code."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_ecs.type_defs import TaskDefinitionTypeDef, TaskTypeDef

DEFAULT_STOP_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Container:
    """What is needed to run a task's only container."""

    name: str
    image: str
    role: str
    execution_role: str
    environment: Mapping[str, str]
    stop_seconds: float

    @classmethod
    def of(
        cls, task: "TaskTypeDef", definition: "TaskDefinitionTypeDef", metadata_address: str
    ) -> Self:
        """Read the task definition, then apply the overrides that RunTask was given."""
        (container,) = definition["containerDefinitions"]
        environment = {pair["name"]: pair["value"] for pair in container.get("environment", [])}
        for override in task.get("overrides", {}).get("containerOverrides", []):
            environment |= {pair["name"]: pair["value"] for pair in override.get("environment", [])}
        # A worker reads the id of its task from the address, too, as on Fargate.
        environment["ECS_CONTAINER_METADATA_URI_V4"] = metadata_address
        return cls(
            name=container["name"],
            image=container["image"],
            role=definition["taskRoleArn"],
            execution_role=definition["executionRoleArn"],
            environment=environment,
            stop_seconds=container.get("stopTimeout", DEFAULT_STOP_SECONDS),
        )


def exit_code(status: int) -> int:
    """Return a container's exit code: 128 + the signal's number if a signal ended the process."""
    return status if status >= 0 else 128 - status
