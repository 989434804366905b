"""SQS's own redrive: used for what SQS itself has moved, named its destination, and followed."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.mocked_stack import OUTPUT, MockedStack, deny
from tidegate.aws.errors import AwsError
from tidegate.cli.main import main
from tidegate.failures.dead_letters import Letter, look
from tidegate.failures.failed_files import Failure
from tidegate.failures.move_task import movable, move_all

NOW = datetime(2026, 11, 28, tzinfo=UTC)
Shown = pytest.CaptureFixture[str]


class MoveTasks:
    """SQS, as far as move tasks go: the states of the next task, one for each look at it."""

    def __init__(self, *states: tuple[str, int], before: str = "COMPLETED") -> None:
        self.states = list(states)
        self.tasks: list[dict[str, Any]] = [{"Status": before, "StartedTimestamp": 1}]
        self.started: list[dict[str, str]] = []

    def start_message_move_task(self, **request: str) -> None:
        self.started.append(request)

    def list_message_move_tasks(self, *, SourceArn: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        assert SourceArn == "dead"
        if not self.started:
            return {"Results": self.tasks}
        status, moved = self.states.pop(0)
        if not status:  # SQS does not list it yet
            return {"Results": self.tasks}
        task = {"Status": status, "ApproximateNumberOfMessagesMoved": moved, "StartedTimestamp": 2}
        return {"Results": [task, *self.tasks]}


def moved(tasks: MoveTasks, progress: Callable[[int], None] = lambda _: None) -> tuple[int, int]:
    """Return how many were moved, and how often it slept."""
    slept: list[float] = []
    sqs: Any = tasks
    return move_all(sqs, "dead", "jobs", progress, slept.append), len(slept)


def test_a_move_is_followed_to_its_end() -> None:
    seen: list[int] = []
    tasks = MoveTasks(("", 0), ("RUNNING", 0), ("RUNNING", 40), ("COMPLETED", 70))
    assert moved(tasks, seen.append) == (70, 3)
    assert seen == [0, 40, 70]
    assert tasks.started == [{"SourceArn": "dead", "DestinationArn": "jobs"}]


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED"])
def test_a_move_that_stops_says_how_far_it_came(status: str) -> None:
    with pytest.raises(AwsError, match="moved 5 dead letters and stopped"):
        moved(MoveTasks(("RUNNING", 1), (status, 5)))


def test_one_move_is_under_way_at_a_time() -> None:
    tasks = MoveTasks(before="RUNNING")
    with pytest.raises(AwsError, match="is moving these dead letters already"):
        moved(tasks)
    assert tasks.started == []


def letter(name: str, reason: str = "", **job: str) -> Letter:
    body = {"bucket": "in", "key": name, "output_bucket": OUTPUT, "output_key": "p", **job}
    return Letter(name, "", json.dumps(body), body, reason, reason, NOW, 0)


def failure(one: Letter) -> Failure:
    return Failure(one.input, one.job, "NoReason", "", NOW, resolved=False, letters=[one])


A, B = letter("a"), letter("b", run="r1")


def test_what_sqs_has_moved_by_itself_is_moved_back(world: MockedStack) -> None:
    ready = [failure(A), failure(B)]
    assert movable(world.s3, ready, [A, B], lambda: 2) == ready


@pytest.mark.parametrize(
    ("ready", "letters", "in_queue"),
    [
        pytest.param([failure(A)], [A, B], 2, id="a letter that shall stay"),
        pytest.param([failure(A)], [A], 2, id="a letter that was not seen"),
        pytest.param([failure(letter("c", "Unparsable"))], [letter("c", "Unparsable")], 1, id="c"),
        pytest.param([], [], 0, id="no letter"),
    ],
)
def test_a_move_takes_no_letter_that_nobody_asked_for(
    world: MockedStack, ready: list[Failure], letters: list[Letter], in_queue: int
) -> None:
    assert movable(world.s3, ready, letters, lambda: in_queue) == []


def test_a_letter_of_a_cancelled_run_is_submitted_by_itself(world: MockedStack) -> None:
    world.s3.put_object(Bucket=OUTPUT, Key="p/_runs/r1/cancelled", Body=b"")
    assert movable(world.s3, [failure(A), failure(B)], [A, B], lambda: 2) == []


def test_a_file_with_a_report_is_submitted_by_itself(world: MockedStack) -> None:
    report: Any = object()
    reported = replace(failure(letter("c")), letters=[], report=report)
    assert movable(world.s3, [failure(A), reported], [A], lambda: 1) == [failure(A)]


@pytest.mark.parametrize("operation", ["ListMessageMoveTasks", "GetQueueAttributes"])
def test_where_sqs_refuses_to_move_each_letter_is_submitted_by_itself(
    world: MockedStack, capsys: Shown, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    world.bury(json.dumps(world.put_input("killed.csv")))
    deny(monkeypatch, "sqs", operation=operation)

    assert main(["redrive", "--all", "--yes"]) == 0

    told = "each is submitted by itself" in capsys.readouterr().err
    assert told is (operation == "ListMessageMoveTasks")
    assert [message["redrives"] for message in world.waiting()] == [1]
    assert look(world.sqs, world.outputs["DeadLetterQueueUrl"]) == []
