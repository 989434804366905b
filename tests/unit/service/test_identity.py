import socket

import pytest

from worker.service.identity import worker_name

TASK = "cd189a933e5849daa93386466019ab50"


def test_on_fargate_a_worker_has_the_id_of_its_task() -> None:
    uri = f"http://169.254.170.2/v4/{TASK}-2495160603"
    assert worker_name({"ECS_CONTAINER_METADATA_URI_V4": uri}) == TASK


@pytest.mark.parametrize("uri", ["", "http://169.254.170.2/v4/0206b271-b33f-47ab", "nonsense"])
def test_elsewhere_a_worker_has_the_name_of_its_host(uri: str) -> None:
    assert worker_name({"ECS_CONTAINER_METADATA_URI_V4": uri}) == socket.gethostname()
    assert worker_name({}) == socket.gethostname()
