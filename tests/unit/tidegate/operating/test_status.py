"""One screen of a stack: what it does, what failed, what is unknown."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from tests.support.mocked_stack import (
    INPUT,
    NAME,
    OUTPUT,
    PARAMETERS,
    WORKER_LOGS,
    MockedStack,
    deny,
)
from tests.support.schemas import checked
from tidegate.aws.account import Account
from tidegate.aws.stack import DeployedStack, find
from tidegate.cli.main import main
from tidegate.cli.operating.status import status
from tidegate.cli.operating.status_screen import next_steps, sheet_of
from tidegate.operating.queues import Messages
from tidegate.operating.run_records import Seen, SeenRun
from tidegate.operating.status import State, Status, look
from tidegate.operating.tasks import Fleet, Task
from tidegate.operating.usage import MOST_PAGES, Done, Metrics, Work, read_done

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
Shown = pytest.CaptureFixture[str]


def seen() -> Status:
    account = Account()
    return look(account, find(account, None))


def test_an_idle_stack_is_told_in_one_screen_by_at_most_fourteen_calls(
    world: MockedStack, capsys: Shown
) -> None:
    assert main(["status", "--show-commands"]) == 0

    printed, commands = capsys.readouterr()
    assert "tide  idle: the queue is empty, and nothing runs" in printed
    assert "s3://models/model.pkl" in printed
    assert "tide-worker:0123456789ab" in printed
    assert "MAX_REJECTED=0.05" in printed
    assert "no files reported; $0: no worker ran" in printed
    assert f"aws s3 cp FILE s3://{world.outputs['InputBucket']}/" in printed
    calls = commands.strip().splitlines()
    assert all(call.startswith("$ aws ") for call in calls)
    assert 8 < len(calls) <= 14, calls


@pytest.mark.usefixtures("world")
def test_what_is_not_known_is_never_zero(capsys: Shown) -> None:
    assert main(["status", "--json"]) == 0

    found = checked("status", capsys.readouterr().out)
    assert found["queue"] == {"waiting": 0, "in_flight": 0}
    assert found["oldest_seconds"] is None
    assert found["today"] == {
        **dict.fromkeys(("files", "rows", "rejected", "failed")),
        "at_least": False,
    }


def test_failures_are_counted_and_their_reasons_shown(world: MockedStack, capsys: Shown) -> None:
    for name in ("a", "b"):
        world.fail(world.put_input(f"{name}.csv"), "SchemaMismatch")
    world.bury(json.dumps(world.put_input("c.csv")))

    main(["status"])

    printed = capsys.readouterr().out
    assert "2 reports, 3 dead letters" in printed
    assert "SchemaMismatch 2, NoReason 1 (of 3 dead letters looked at)" in printed
    assert "tidegate failures" in printed
    assert world.letters() == 3


def test_the_workers_numbers_are_summed(world: MockedStack) -> None:
    world.log(
        WORKER_LOGS,
        {"event": "numbers", "files": 3, "rows": 700},
        {"event": "numbers", "files": 4, "failed": 1},
        {"event": "job done", "input": "s3://in/numbers.csv", "rows": 5},
    )

    done = seen().done

    assert done is not None
    assert done.last_hour == Work(files=7, rows=700, rejected=0, failed=1)


def test_of_a_log_that_is_too_long_the_numbers_are_at_least_those_that_were_read() -> None:
    pages = PagedLogs([{"event": "numbers", "files": 1}] * (MOST_PAGES + 1))

    done = read_done(pages, "group", NOW)

    assert done.last_hour == Work(MOST_PAGES, 0, 0, 0, at_least=True)
    rows = {row.label: row.markup for row in sheet_of(replace(a_status(), done=done)).rows}
    assert rows["last hour"] == f"at least {MOST_PAGES} files, 0 rows"


def test_the_days_numbers_have_each_line_once() -> None:
    line = {"event": "numbers", "files": 1}
    pages = PagedLogs([line], at=NOW - timedelta(hours=1))  # the end of one time, and a begin

    done = read_done(pages, "group", NOW)

    assert done.last_hour.files == done.today.files == 1


@dataclass
class PagedLogs:
    """Log lines of one moment, one on each page, as CloudWatch filters them by time."""

    lines: Sequence[Mapping[str, Any]]
    at: datetime = NOW

    def get_paginator(self, _: str) -> "PagedLogs":
        return self

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - as boto3's
        milliseconds = int(self.at.timestamp() * 1000)
        if not request["startTime"] <= milliseconds <= request["endTime"]:
            return
        for number, line in enumerate(self.lines):
            event = {"timestamp": milliseconds, "message": json.dumps(line), "eventId": str(number)}
            yield {"events": [event]}


@pytest.mark.usefixtures("world")
def test_one_source_that_is_denied_leaves_the_rest(
    capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    deny(monkeypatch, "logs", "sqs")

    assert main(["status"]) == 0

    printed = capsys.readouterr().out
    assert "queue      unknown" in printed
    assert "0 of 4 running" in printed
    assert "unknown    the queue: An error occurred (AccessDenied)" in printed
    assert "dollars unknown" in printed


@pytest.mark.usefixtures("world")
def test_without_credentials_the_status_is_4(
    capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    deny(monkeypatch, "cloudformation", code="ExpiredToken")

    assert main(["status"]) == 4

    assert "log in" in capsys.readouterr().err


@pytest.mark.usefixtures("world")
def test_a_watched_status_is_printed_again_and_again(capsys: Shown) -> None:
    slept: list[float] = []

    def interrupted(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        status(NAME, watch=True, as_json=True, show_commands=False, sleep=interrupted)

    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["state"] for line in lines] == ["idle", "idle"]


def task(state: str = "RUNNING", **facts: object) -> Task:
    known: dict[str, Any] = {
        "id": "1",
        "status": state,
        "began": NOW - timedelta(minutes=10),
        "ended": None,
        "spot": False,
        "ended_well": True,
        "exit_code": None,
        "reason": "",
    }
    return Task(**known | facts)


ENDED = task("STOPPED", ended=NOW, exit_code=0)
CRASHED = task("STOPPED", ended=NOW, exit_code=1, ended_well=False, reason="OutOfMemoryError")


STACK = DeployedStack(
    NAME, "CREATE_COMPLETE", "", PARAMETERS, {"InputBucket": INPUT, "OutputBucket": OUTPUT}, {}
)


def a_status(
    jobs: tuple[int, int] = (0, 0),
    live: tuple[Task, ...] = (),
    stopped: tuple[Task, ...] = (),
    *,
    oldest: int | None = None,
    paused: str = "",
    runs: tuple[SeenRun, ...] = (),
    files_a_second: float | None = None,
) -> Status:
    return Status(
        stack=STACK,
        now=NOW,
        jobs=Messages(*jobs),
        dead=Messages(0, 0),
        undispatched=Messages(0, 0),
        paused_since=paused,
        fleet=Fleet(live, stopped, len(live), more=False),
        seen=Seen(0, more_reports=False, open_runs=runs),
        letters=[],
        metrics=Metrics(oldest, files_a_second),
        done=Done(Work(), Work()),
        cost=None,
        unanswered=[],
    )


RUN = SeenRun("r 1", NOW - timedelta(minutes=5), 30, all_sent=True, ended=False)
STATES: list[tuple[State, dict[str, Any]]] = [
    ("idle", {"stopped": (CRASHED,)}),
    ("starting", {"jobs": (9, 0), "live": (task("PROVISIONING"),)}),
    ("working", {"jobs": (9, 3), "live": (task(), task("PENDING"))}),
    ("working", {"jobs": (9, 0), "live": (task(),), "oldest": 60}),
    ("stalled", {"jobs": (9, 0), "live": (task(),), "oldest": 3600}),
    ("waiting", {"jobs": (9, 0), "stopped": (ENDED,), "oldest": 60}),
    ("stalled", {"jobs": (9, 0), "stopped": (ENDED,), "oldest": 3600}),
    ("failing", {"jobs": (9, 0), "stopped": (CRASHED,)}),
    # Its worker has died, or gave it back: nothing is at work.
    ("waiting", {"jobs": (0, 3), "stopped": (ENDED,)}),
    ("waiting", {"jobs": (1, 3), "live": (task("DEPROVISIONING"),)}),
    ("paused", {"jobs": (9, 0), "live": (task(),), "paused": "2026-11-28T01:00:00+00:00"}),
]


@pytest.mark.parametrize(("state", "facts"), STATES)
def test_the_state_joins_queue_and_tasks(state: State, facts: dict[str, Any]) -> None:
    assert a_status(**facts).state == state


@pytest.mark.parametrize(
    ("facts", "command"),
    [
        ({"paused": "2026-11-28T01:00:00+00:00"}, "tidegate resume"),
        ({"jobs": (9, 0), "stopped": (CRASHED,)}, "tidegate logs --since 1h"),
        ({"jobs": (9, 0), "live": (task(),), "oldest": 3600}, "tidegate doctor"),
        ({"jobs": (9, 3), "live": (task(),)}, "tidegate logs -f"),
        ({"jobs": (9, 3), "live": (task(),), "runs": (RUN,)}, "tidegate wait 'r 1'"),
        ({}, "aws s3 cp FILE s3://tide-input/"),
    ],
)
def test_the_next_step_fits_the_state(facts: dict[str, Any], command: str) -> None:
    (first, _), *_ = next_steps(a_status(**facts))
    assert first == command


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"jobs": (9, 3)}, "30 files, begun 5 min ago; at least 18 done"),
        ({"jobs": (50, 0)}, "30 files, begun 5 min ago"),
        ({}, "30 files, begun 5 min ago; no message of it is left"),
    ],
)
def test_an_open_run_has_its_progress_by_the_queue(facts: dict[str, Any], words: str) -> None:
    rows = {row.label: row.markup for row in sheet_of(a_status(**facts, runs=(RUN,))).rows}
    assert rows["run"] == f"[bold]r 1[/]  {words}"


def test_the_time_that_is_left_is_told_while_workers_run() -> None:
    busy = a_status((90, 30), (task(),), oldest=600, files_a_second=0.5)
    rows = {row.label: row.markup for row in sheet_of(busy).rows}
    assert "about 4 min left at this rate" in rows["queue"]


@pytest.mark.parametrize(
    "facts",
    [
        {"live": (task(),), "oldest": 60},  # the workers had less to do than they could
        {"live": (task(),), "oldest": None},
        {"stopped": (ENDED,), "oldest": 600},
    ],
)
def test_no_rate_is_taken_for_that_of_busy_workers(facts: dict[str, Any]) -> None:
    assert a_status((90, 30), files_a_second=0.5, **facts).seconds_left is None


def test_a_pause_near_the_queues_retention_is_urgent() -> None:
    old = a_status((1, 0), oldest=int(3.5 * 86_400), paused="2026-11-25T01:00:00+00:00")
    assert any("forgets" in why for _, why in next_steps(old))


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("name", [None, "other"])
def test_no_stack_is_an_error_with_the_next_command(
    name: str | None, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TIDEGATE_STACK")
    boto3.client("cloudformation", "eu-west-1").delete_stack(StackName=NAME)

    assert main(["status", *(["--stack", name] if name else [])]) == 1

    assert "`tidegate deploy " in capsys.readouterr().err


@pytest.mark.usefixtures("world")
def test_a_stack_that_is_not_whole_is_an_error(capsys: Shown) -> None:
    boto3.client("cloudformation", "eu-west-1").create_stack(
        StackName="half", TemplateBody='{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}'
    )

    assert main(["failures", "--stack", "half"]) == 1

    assert "has no queue: `tidegate doctor`" in capsys.readouterr().err
