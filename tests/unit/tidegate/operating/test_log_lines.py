"""Log lines: each of them once, readable, and followed to the end of the work."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.mocked_stack import (
    DISPATCHER_LOGS,
    INPUT,
    NAME,
    WORKER_LOGS,
    MockedStack,
)
from tidegate.cli.main import main
from tidegate.cli.operating.logs import FIRST_POLLS, LAST_POLLS, logs
from tidegate.operating.log_lines import OVERLAP, LogReader
from worker.job import S3Uri

Shown = pytest.CaptureFixture[str]
DONE = {"event": "job done", "level": "info", "input": f"s3://{INPUT}/a.csv", "rows": 7}
FAILED = {
    "event": "job failed, retrying",
    "level": "warning",
    "input": f"s3://{INPUT}/b.csv",
    "error_type": "Throttled",
    "error": "slow\ndown",
    "retry_in_seconds": 30,
}


def follow(sleep: Any) -> int:  # noqa: ANN401 - a function
    hour = timedelta(hours=1)
    return logs(NAME, None, follow=True, since=hour, as_json=True, show_commands=False, sleep=sleep)


def test_each_line_has_time_event_file_and_reason(world: MockedStack, capsys: Shown) -> None:
    world.log(WORKER_LOGS, DONE, FAILED, {"event": "numbers", "files": 1}, "plain text")
    arn = {"decision": "slot claimed", "task": "arn:aws:ecs:eu-west-1:1:task/tide/0123"}
    world.log(DISPATCHER_LOGS, "REPORT RequestId: 1", arn)

    assert main(["logs"]) == 0

    reason = "Throttled: slow down  retry_in_seconds=30"
    lines = [line.split(maxsplit=1)[1] for line in capsys.readouterr().out.splitlines()]
    assert sorted(lines) == [
        "dispatcher  slot claimed  task=0123",
        f"worker      job done  s3://{INPUT}/a.csv  rows=7",
        f"worker      job failed, retrying  s3://{INPUT}/b.csv  {reason}",
        "worker      plain text",
    ]


def test_json_gives_the_lines_as_they_were_written(world: MockedStack, capsys: Shown) -> None:
    metrics = {"event": "numbers", "files": 1}
    world.log(WORKER_LOGS, DONE, metrics)

    main(["logs", "--json"])

    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [DONE, metrics]


def test_only_the_lines_of_one_file(world: MockedStack, capsys: Shown) -> None:
    world.log(WORKER_LOGS, DONE, FAILED)

    main(["logs", "b.csv"])

    printed = capsys.readouterr().out
    assert "b.csv" in printed
    assert "a.csv" not in printed


@pytest.mark.usefixtures("world")
def test_no_line_is_an_answer_with_the_next_command(capsys: Shown) -> None:
    assert main(["logs", "b c.csv", "--since", "15m"]) == 0
    assert "`tidegate show 'b c.csv'`" in capsys.readouterr().err
    assert main(["logs", "--since", "soon"]) == 2


def test_lines_are_followed_each_once_until_the_work_is_done(
    world: MockedStack, capsys: Shown
) -> None:
    world.sqs.send_message(QueueUrl=world.outputs["QueueUrl"], MessageBody="{}")
    polls: list[int] = []

    def sleep(_: float) -> None:
        polls.append(len(polls))
        if len(polls) == FIRST_POLLS + 5:
            world.log(WORKER_LOGS, DONE)
            world.sqs.purge_queue(QueueUrl=world.outputs["QueueUrl"])

    world.log(WORKER_LOGS, FAILED)
    assert follow(sleep) == 0

    printed = capsys.readouterr()
    assert [json.loads(line) for line in printed.out.splitlines()] == [FAILED, DONE]
    assert len(polls) == FIRST_POLLS + 5 + LAST_POLLS
    assert "no worker runs, and the queue is empty" in printed.err


@pytest.mark.usefixtures("world")
def test_where_nothing_runs_following_ends_after_a_while() -> None:
    polls: list[float] = []

    assert follow(polls.append) == 0

    assert len(polls) == FIRST_POLLS


@pytest.mark.usefixtures("world")
def test_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupted)
    monkeypatch.setattr(logs, "__kwdefaults__", {"sleep": interrupted})
    assert main(["logs", "-f"]) == 130


class LateLogs:
    """CloudWatch, in which a line of a second is there some seconds later."""

    def __init__(self, lines: dict[int, tuple[int, int]]) -> None:
        self.lines = lines  # by id: its time, and how late it is
        self.now = 0

    def get_paginator(self, _: str) -> "LateLogs":
        return self

    def paginate(self, **request: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - as boto3 takes it
        events = [
            {"eventId": str(name), "timestamp": time * 1000, "message": "{}"}
            for name, (time, late) in self.lines.items()
            if time + late <= self.now and time * 1000 >= request["startTime"]
        ]
        return [{"events": events}]


SECONDS, LATE = st.integers(0, 300), st.integers(0, int(OVERLAP.total_seconds()) - 10)


@given(st.dictionaries(st.integers(), st.tuples(SECONDS, LATE), max_size=20), st.integers(1, 9))
def test_a_line_is_read_once_however_late_it_is(
    lines: dict[int, tuple[int, int]], poll_seconds: int
) -> None:
    cloudwatch = LateLogs(lines)
    reader = LogReader(cloudwatch, {"worker": "group"})
    read: list[str] = []

    for now in range(0, 400, poll_seconds):
        cloudwatch.now = now
        since = datetime.fromtimestamp(now, UTC) - OVERLAP
        read += [line.id for line in reader.new_since(since)]

    assert sorted(read) == sorted(map(str, lines))


def test_a_search_that_was_cut_says_so() -> None:
    class Endless(LateLogs):
        def paginate(self, **_: object) -> Any:  # noqa: ANN401 - an iterator
            return itertools.repeat({"events": [], "nextToken": "more"})

    reader = LogReader(Endless({}), {"worker": "group"})

    assert reader.new_since(datetime.fromtimestamp(0, UTC)) == []
    assert reader.cut


def test_a_key_of_odd_characters_is_searched_by_its_plain_part(world: MockedStack) -> None:
    odd = S3Uri(INPUT, 'größe "x" [1]/part-0001.csv')
    world.log(WORKER_LOGS, {**DONE, "input": str(odd)}, DONE)

    reader = LogReader(world.logs, {"worker": WORKER_LOGS}, odd)

    (line,) = reader.new_since(datetime.now(UTC) - timedelta(minutes=5))
    assert line.file == str(odd)
