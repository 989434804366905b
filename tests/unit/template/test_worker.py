"""The worker's task definition and image."""

import json

import pytest

from dispatcher.handler import WORKER_CONTAINER
from tests.support.template import PARAMETERS, RESOURCES, ROOT, container, properties, resolve
from worker.service.task_cost import CAPACITY_VARIABLE
from worker.settings import Settings as WorkerSettings
from worker.settings_help import TOGETHER


def test_the_dispatcher_knows_the_container_by_its_name() -> None:
    assert container()["Name"] == WORKER_CONTAINER


def test_ecs_waits_longer_for_a_worker_to_stop_than_its_drain_takes() -> None:
    drain = WorkerSettings.model_fields["drain_seconds"].default

    assert drain < container()["StopTimeout"] <= 120


def test_a_worker_writes_to_its_scratch_volume_and_nowhere_else() -> None:
    (mounted,) = container()["MountPoints"]

    assert container()["ReadonlyRootFilesystem"] is True
    assert properties("TaskDefinition")["Volumes"] == [{"Name": mounted["SourceVolume"]}]
    # On Fargate a volume is root's alone unless the image declares it.
    assert f'VOLUME ["{mounted["ContainerPath"]}"]' in (ROOT / "Dockerfile").read_text()


def test_a_workers_children_are_reaped() -> None:
    assert container()["LinuxParameters"] == {"InitProcessEnabled": True}


def test_the_worker_finds_its_settings_by_their_names() -> None:
    variables = [
        entry if "Name" in entry else entry["Fn::If"][1] for entry in container()["Environment"]
    ]
    known = {f"WORKER_{field.upper()}" for field in WorkerSettings.model_fields} | {TOGETHER}
    known |= {CAPACITY_VARIABLE}

    assert {entry["Name"] for entry in variables} <= known
    assert {"WORKER_QUEUE", "WORKER_MODEL"} <= {entry["Name"] for entry in variables}


def test_workers_may_run_on_either_capacity() -> None:
    providers = properties("Cluster")["CapacityProviders"]

    assert providers == PARAMETERS["Capacity"]["AllowedValues"]


@pytest.mark.parametrize(
    ("image", "run"),
    [("", "the-stacks-own:4f2a"), ("ghcr.io/team/worker:1", "ghcr.io/team/worker:1")],
)
def test_the_image_is_the_stacks_own_unless_another_is_named(image: str, run: str) -> None:
    known = {"Image": image, "ImageTag": "4f2a", "Repository.RepositoryUri": "the-stacks-own"}

    assert resolve(container()["Image"], known) == run


def test_the_repository_scans_what_comes_in_and_never_moves_a_tag() -> None:
    assert properties("Repository")["ImageScanningConfiguration"] == {"ScanOnPush": True}
    assert properties("Repository")["ImageTagMutability"] == "IMMUTABLE"


def test_an_image_that_a_task_may_run_never_expires() -> None:
    text = properties("Repository")["LifecyclePolicy"]["LifecyclePolicyText"]
    expiring = [rule["selection"]["tagStatus"] for rule in json.loads(text)["rules"]]

    # What is deployed may be older than any number of images that were pushed later.
    assert expiring == ["untagged"]


def test_there_is_a_repository_whatever_image_is_named() -> None:
    assert "Condition" not in RESOURCES["Repository"]
