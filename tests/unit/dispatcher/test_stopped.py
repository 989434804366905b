"""What happens when a task stops, and how a crash loop is limited."""

from datetime import timedelta

import pytest

from tests.support.fakes.dispatcher import World, decisions, stopped_event


def world_with_a_stopped_task(
    exit_code: int | None = 0, code: str = "EssentialContainerExited"
) -> World:
    world = World()
    world.ecs.stop(world.ecs.add()["taskArn"], exit_code=exit_code, code=code)
    world.sqs.visible = 40
    return world


def report_stop(world: World, **detail: object) -> None:
    world.handle(stopped_event(world.ecs.tasks[max(world.ecs.tasks)], **detail))


def test_after_a_task_that_exited_0_new_ones_start_for_the_backlog_at_once() -> None:
    world = world_with_a_stopped_task(exit_code=0)

    report_stop(world)

    assert len(world.ecs.running) == 4


def test_a_task_that_exited_0_on_an_empty_queue_is_not_replaced() -> None:
    world = world_with_a_stopped_task(exit_code=0)
    world.sqs.visible = 0

    report_stop(world)

    assert world.ecs.running == []


@pytest.mark.parametrize("code", ["SpotInterruption", "TerminationNotice"])
@pytest.mark.parametrize("exit_code", [0, 137, None])
def test_a_task_that_was_reclaimed_is_replaced_at_once(code: str, exit_code: int | None) -> None:
    world = world_with_a_stopped_task(exit_code, code)

    report_stop(world)

    assert len(world.ecs.running) == 4


@pytest.mark.parametrize(
    ("exit_code", "code"),
    [
        (1, "EssentialContainerExited"),
        (137, "EssentialContainerExited"),
        (137, "UserInitiated"),
        (None, "TaskFailedToStart"),
    ],
)
def test_a_task_that_failed_is_left_to_the_sweep(
    exit_code: int | None, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    world = world_with_a_stopped_task(exit_code, code)

    report_stop(world, stoppedReason="OutOfMemoryError")

    assert world.calls.made == []
    assert decisions(capsys)[-1]["why"] == "OutOfMemoryError"


def test_only_the_workers_container_counts_not_an_injected_sidecar() -> None:
    world = world_with_a_stopped_task(exit_code=0)
    containers = world.ecs.tasks[max(world.ecs.tasks)]["containers"]
    containers.append({"name": "aws-guardduty-agent", "exitCode": 137})

    report_stop(world)

    assert len(world.ecs.running) == 4


def test_a_task_that_never_had_its_container_failed() -> None:
    world = world_with_a_stopped_task()

    report_stop(world, containers=[])

    assert world.calls.made == []


@pytest.mark.parametrize(
    "detail",
    [
        {"clusterArn": "arn:aws:ecs:eu-west-1:123456789012:cluster/other"},
        {"taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/other:7"},
        {"lastStatus": "DEPROVISIONING"},
    ],
    ids=str,
)
def test_tasks_of_other_clusters_and_families_and_other_states_are_ignored(
    detail: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    world = world_with_a_stopped_task()

    report_stop(world, **detail)

    assert world.calls.made == []
    assert decisions(capsys)[-1]["decision"] == "ignored"


def test_a_task_of_an_older_revision_is_ours() -> None:
    world = world_with_a_stopped_task()

    report_stop(
        world, taskDefinitionArn="arn:aws:ecs:eu-west-1:123456789012:task-definition/tide-worker:6"
    )

    assert len(world.ecs.running) == 4


@pytest.mark.parametrize("status", ["RUNNING", "STOPPED"])
def test_while_the_newest_stopped_task_failed_uploads_start_nothing(
    status: str, capsys: pytest.CaptureFixture[str]
) -> None:
    world = world_with_a_stopped_task(exit_code=1)
    if status == "RUNNING":
        world.ecs.add()

    world.upload()

    assert len(world.sqs.bodies) == 1
    assert "RunTask" not in world.calls.made
    assert decisions(capsys)[-1]["decision"] == "starts limited"


def test_while_the_newest_stopped_task_failed_a_sweep_starts_one() -> None:
    world = world_with_a_stopped_task(exit_code=1)

    world.sweep()

    assert len(world.ecs.running) == 1


def test_while_the_newest_stopped_task_failed_a_late_event_of_a_good_one_starts_nothing() -> None:
    world = world_with_a_stopped_task(exit_code=0)
    succeeded = world.ecs.tasks[max(world.ecs.tasks)]
    world.clock.seconds += 1
    world.ecs.stop(world.ecs.add()["taskArn"], exit_code=1)

    world.handle(stopped_event(succeeded))

    assert world.ecs.running == []


def test_after_a_task_that_ended_normally_starts_are_unlimited_again() -> None:
    world = world_with_a_stopped_task(exit_code=1)
    world.clock.seconds += 1
    world.ecs.stop(world.ecs.add()["taskArn"], exit_code=0)

    world.upload()

    assert len(world.ecs.running) == 4


def test_a_failure_counts_before_its_task_is_deprovisioned() -> None:
    world = world_with_a_stopped_task(exit_code=1)
    task = world.ecs.tasks[max(world.ecs.tasks)]
    task["lastStatus"] = "DEPROVISIONING"
    del task["stoppedAt"]

    world.upload()

    assert world.ecs.running == []


def test_a_task_that_is_still_stopping_does_not_count_yet() -> None:
    world = world_with_a_stopped_task(exit_code=None)
    task = world.ecs.tasks[max(world.ecs.tasks)]
    task["lastStatus"] = "STOPPING"
    del task["stoppedAt"], task["executionStoppedAt"]

    world.upload()

    assert len(world.ecs.running) == 4


def test_a_task_that_never_started_is_as_new_as_its_stop() -> None:
    world = world_with_a_stopped_task(exit_code=0)
    world.clock.seconds += 1
    unstarted = world.ecs.stop(world.ecs.add()["taskArn"], exit_code=None)
    del unstarted["executionStoppedAt"]

    world.upload()

    assert world.ecs.running == []


def test_the_newest_is_found_among_hundreds_of_stopped_tasks() -> None:
    world = World()
    for _ in range(250):
        world.ecs.stop(world.ecs.add()["taskArn"])
    newest = list(world.ecs.tasks.values())[120]
    newest["executionStoppedAt"] += timedelta(seconds=1)
    newest["containers"][0]["exitCode"] = 1

    world.upload()

    assert world.calls.made.count("DescribeTasks") == 3
    assert world.ecs.running == []


def test_stopped_tasks_are_not_listed_when_nothing_would_be_started() -> None:
    world = world_with_a_stopped_task(exit_code=1)
    world.sqs.visible = 0

    world.sweep()

    assert world.calls.made == ["ListTasks", "GetQueueAttributes"]


def test_a_crash_loop_starts_at_most_one_task_a_sweep() -> None:
    world = World()
    world.sqs.visible = 40
    world.upload()
    started = len(world.ecs.tasks)
    for sweeps in range(1, 11):
        for arn in world.ecs.running:
            task = world.ecs.stop(arn, exit_code=1)
            world.handle(stopped_event(task))
        world.upload()
        world.clock.seconds += 300
        world.sweep()
        assert len(world.ecs.tasks) <= started + sweeps

    assert len(world.ecs.running) == 1
