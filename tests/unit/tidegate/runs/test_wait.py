"""`tidegate wait` and `cancel`: a run has ended when each of its files has a result."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.mocked_stack import INPUT, NOON, OUTPUT, MockedStack, written_at
from tests.support.schemas import checked
from tidegate.aws.account import Account
from tidegate.aws.errors import AwsError
from tidegate.aws.stack import find
from tidegate.cli.main import main
from tidegate.cli.runs.wait import QUIET_SECONDS, follow
from tidegate.operating import queues
from tidegate.runs import following
from tidegate.runs.record import read_request
from tidegate.runs.stack_runs import StackRuns

Shown = pytest.CaptureFixture[str]
SOURCE = f"s3://{INPUT}/"


@pytest.fixture(autouse=True)
def _nobody_to_wake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "wake", lambda *_: None)


def later(seconds: float = 60) -> float:
    """Return a time after now, in minutes after noon."""
    return ((datetime.now(UTC) - NOON).total_seconds() + seconds) / 60


def begin(world: MockedStack, *keys: str, options: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Upload inputs and submit them as the run r1; return their messages, and empty the queue."""
    for key in keys:
        world.put_input(key)
    assert main(["submit", SOURCE, "--run", "r1", *options]) == 0
    messages = sorted(world.waiting(), key=lambda message: str(message["key"]))
    for message in messages:
        message["version_id"] = "null"
    return messages


class Wait:
    """Follows the run r1 on a clock of its own; `steps` happen one after the other meanwhile."""

    def __init__(self, *steps: Callable[[], None]) -> None:
        self._steps = list(steps)
        self._now = 0.0

    def sleep(self, seconds: float) -> None:
        self._now += seconds
        if self._steps:
            self._steps.pop(0)()

    def run(self, *, as_json: bool = False) -> int:
        account = Account()
        runs = StackRuns(account, find(account, None))
        record, request = read_request(runs.records, None)
        clock = lambda: self._now  # noqa: E731 - a clock
        return follow(runs, record, request, as_json=as_json, sleep=self.sleep, clock=clock)


def empty(world: MockedStack) -> None:
    world.sqs.purge_queue(QueueUrl=world.outputs["QueueUrl"])


def summary(world: MockedStack) -> dict[str, Any]:
    key = "predictions/_runs/r1/summary.json"
    found: dict[str, Any] = json.loads(world.s3.get_object(Bucket=OUTPUT, Key=key)["Body"].read())
    return found


@pytest.fixture(params=["asked", "listed"])
def _each_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "listed":
        monkeypatch.setattr(following, "ASKED", 0)


@pytest.mark.usefixtures("_each_way")
def test_a_run_ends_when_each_file_has_a_result(world: MockedStack, capsys: Shown) -> None:
    a, b, c = begin(world, "a.csv", "b.csv", "c.csv")

    def fail() -> None:
        world.fail(b | {"run": "r1"}, "Unparsable", "no table", minutes=later(90), letter=False)

    waited = Wait(
        lambda: world.put_output(a, minutes=later()),
        fail,
        lambda: world.put_output(c, minutes=later(120)),
    )
    assert waited.run() == 3
    shown = capsys.readouterr()
    assert "b.csv: Unparsable no table" in shown.err
    assert "completed with failures" in shown.out
    found = summary(world)
    assert (found["files"], found["predicted"], found["failed"]) == (3, 2, 1)
    assert found["status"] == "completed_with_failures"
    assert found["model_sha256"] == "ab" * 32
    assert 100 < found["seconds"] < 140
    assert found["dollars"] == 0

    # Asked again, the record answers.
    assert main(["wait", "r1", "--json"]) == 3
    assert checked("wait", capsys.readouterr().out)["predicted"] == 2


def test_a_run_whose_files_are_all_predicted_is_completed(
    world: MockedStack, capsys: Shown
) -> None:
    (a,) = begin(world, "a.csv")
    world.put_output(a, minutes=later())
    assert Wait().run(as_json=True) == 0
    assert checked("wait", capsys.readouterr().out)["status"] == "completed"


def test_an_output_from_before_the_run_is_no_result_where_it_is_made_again(
    world: MockedStack,
) -> None:
    job = world.put_input("a.csv")
    world.put_output(job, minutes=later(-600))
    begin(world, options=("--again",))
    waited = Wait(lambda: None, lambda: world.put_output(job, minutes=later()))
    assert waited.run() == 0
    assert waited._now >= 6


def test_a_dead_letter_without_a_report_is_a_failure(world: MockedStack, capsys: Shown) -> None:
    a, b = begin(world, "a.csv", "b.csv")
    world.put_output(a, minutes=later())
    world.fail(b | {"run": "another"}, report=False)
    world.fail(b, report=False)
    empty(world)
    assert Wait().run() == 3
    assert "NoReason" in capsys.readouterr().err
    assert summary(world)["failed"] == 1


def test_files_whose_messages_are_gone_are_told(world: MockedStack) -> None:
    begin(world, "a.csv")
    empty(world)
    waited = Wait()
    with pytest.raises(AwsError, match="1 file of the run r1: no message is left"):
        waited.run()
    assert waited._now >= QUIET_SECONDS


def test_ctrl_c_leaves_the_run_and_says_how_to_return(world: MockedStack, capsys: Shown) -> None:
    begin(world, "a.csv")

    def interrupt() -> None:
        raise KeyboardInterrupt

    assert Wait(interrupt).run() == 130
    assert "`tidegate wait r1` follows it again" in capsys.readouterr().err


def test_a_cancelled_run_ends_with_what_was_done(world: MockedStack, capsys: Shown) -> None:
    a, _ = begin(world, "a.csv", "b.csv")
    world.put_output(a, minutes=later())
    assert main(["cancel", "r1"]) == 2
    assert "--yes" in capsys.readouterr().err
    capsys.readouterr()
    assert main(["cancel", "r1", "--yes", "--json"]) == 0
    assert checked("cancel", capsys.readouterr().out)["run"] == "r1"
    world.s3.head_object(Bucket=OUTPUT, Key="predictions/_runs/r1/cancelled")
    empty(world)
    assert Wait().run() == 3
    found = summary(world)
    assert (found["status"], found["predicted"], found["cancelled"]) == ("cancelled", 1, 1)
    assert main(["cancel", "r1", "--yes"]) == 1
    assert "has ended already" in capsys.readouterr().err


def test_the_mark_is_where_the_workers_look(world: MockedStack) -> None:
    begin(world, "a.csv", options=("--output-key", "v2"))
    assert main(["cancel", "--yes"]) == 0
    world.s3.head_object(Bucket=OUTPUT, Key="v2/_runs/r1/cancelled")


def test_an_object_that_is_no_record_is_named_and_stops_nothing_else(
    world: MockedStack, capsys: Shown
) -> None:
    for text in (b"{", b"{}"):
        world.s3.put_object(Bucket=OUTPUT, Key="predictions/_runs/odd/request.json", Body=text)
        assert main(["failures"]) == 0
        assert main(["wait", "odd"]) == 1
        assert "_runs/odd/request.json is no record of a run" in capsys.readouterr().err


def test_without_a_name_the_latest_run_is_meant_whatever_its_name(
    world: MockedStack, capsys: Shown
) -> None:
    begin(world, "a.csv")
    assert main(["submit", SOURCE, "--again", "--run", "20261128"]) == 0
    written_at(OUTPUT, "predictions/_runs/r1/request.json", later(-600))
    capsys.readouterr()
    assert main(["cancel", "--yes", "--json"]) == 0
    assert checked("cancel", capsys.readouterr().out)["run"] == "20261128"


def test_a_run_that_is_not_there(world: MockedStack, capsys: Shown) -> None:
    assert main(["wait"]) == 1
    assert "there is no run" in capsys.readouterr().err
    begin(world, "a.csv")
    assert main(["wait", "r2"]) == 1
    assert "the latest: r1" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["status", "failures", "wait"])
def test_the_first_command_that_finds_a_run_ended_records_it_once(
    world: MockedStack, capsys: Shown, command: str
) -> None:
    a, b = begin(world, "a.csv", "b.csv")
    world.put_output(a, minutes=later())
    main([command] if command != "wait" else ["status"])
    assert not ended(world), "a file has no result yet"
    world.fail(b | {"run": "r1"}, minutes=later(), letter=False)
    empty(world)
    capsys.readouterr()

    assert main([command]) == (0 if command == "status" else 3)

    shown = capsys.readouterr()
    assert "r1" in shown.out + shown.err
    assert "completed with failures" in shown.out + shown.err
    first = summary(world)
    assert (first["predicted"], first["failed"]) == (1, 1)
    record, _ = read_request(StackRuns(Account(), find(Account(), None)).records, "r1")
    assert record.write_summary({"another": "summary"}) == first


def ended(world: MockedStack) -> bool:
    found = world.s3.list_objects_v2(Bucket=OUTPUT, Prefix="predictions/_runs/r1/")["Contents"]
    return any(one["Key"].endswith("summary.json") for one in found)
