import pytest
from botocore.exceptions import ClientError

from tests.support.fakes.dispatcher import TASK_DEFINITION, World


def test_the_same_token_answers_with_the_same_task_even_after_it_stopped() -> None:
    ecs = World().ecs
    first = ecs.run_task(clientToken="token", taskDefinition=TASK_DEFINITION)
    ecs.stop(first["tasks"][0]["taskArn"])

    assert ecs.run_task(clientToken="token", taskDefinition=TASK_DEFINITION) == first
    assert len(ecs.tasks) == 1


def test_the_same_token_with_other_parameters_is_a_conflict() -> None:
    ecs = World().ecs
    ecs.run_task(clientToken="token", taskDefinition=TASK_DEFINITION)

    with pytest.raises(ClientError, match="ConflictException"):
        ecs.run_task(clientToken="token", taskDefinition=TASK_DEFINITION, launchType="FARGATE")
