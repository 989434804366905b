"""Pause and resume: a tag on the queue, and what runs meanwhile."""

import pytest

from dispatcher.handler import PAUSED_TAG
from tests.support.mocked_stack import MockedStack
from tests.support.schemas import checked
from tidegate.cli.main import main
from tidegate.operating import queues

Shown = pytest.CaptureFixture[str]


def tags(world: MockedStack) -> dict[str, str]:
    return world.sqs.list_queue_tags(QueueUrl=world.outputs["QueueUrl"]).get("Tags", {})


def test_a_pause_is_told_by_status_until_it_ends(
    world: MockedStack, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[str] = []
    monkeypatch.setattr(queues, "wake", lambda _, name: woken.append(name))

    assert main(["pause"]) == 0
    since = tags(world)[PAUSED_TAG]
    assert "which keeps them for 4 days: `tidegate resume`" in capsys.readouterr().err
    main(["status"])
    assert f"paused: since {since} no worker starts" in capsys.readouterr().out
    assert woken == []

    assert main(["resume"]) == 0
    assert tags(world) == {}
    assert woken == [world.outputs["DispatcherFunction"]]


def test_a_second_pause_keeps_the_time_of_the_first(world: MockedStack, capsys: Shown) -> None:
    world.sqs.tag_queue(
        QueueUrl=world.outputs["QueueUrl"], Tags={PAUSED_TAG: "2026-11-01T00:00:00+00:00"}
    )

    main(["pause", "--json"])

    found = checked("pause", capsys.readouterr().out)
    assert found["paused_since"] == "2026-11-01T00:00:00+00:00"
    main(["resume", "--json"])
    assert checked("resume", capsys.readouterr().out)["waiting"] == 0


def test_now_stops_the_workers(world: MockedStack, capsys: Shown) -> None:
    definition = world.outputs["TaskDefinition"]
    world.ecs.run_task(
        cluster=world.outputs["Cluster"],
        taskDefinition=definition,
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-0a1b"]}},
        count=2,
    )

    main(["pause"])
    assert "2 workers still at work until the queue is empty" in capsys.readouterr().err
    main(["pause", "--now"])
    assert "2 workers told to stop" in capsys.readouterr().err

    cluster = world.outputs["Cluster"]
    assert world.ecs.list_tasks(cluster=cluster, desiredStatus="RUNNING")["taskArns"] == []
