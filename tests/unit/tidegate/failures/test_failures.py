"""Failures: reports and dead letters joined, grouped, and resolved by a newer output."""

import json
from typing import Any

import pytest

from tests.support.mocked_stack import INPUT, OUTPUT, MockedStack, written_at
from tests.support.schemas import checked
from tidegate.cli.main import main
from tidegate.operating import queues

Shown = pytest.CaptureFixture[str]


def listed(capsys: Shown, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run the command with --json; return its exit status and what it printed."""
    status = main(["failures", "--json", *arguments])
    return status, checked("failures", capsys.readouterr().out)


def test_without_failures_the_status_is_0(world: MockedStack, capsys: Shown) -> None:
    world.put_output(world.put_input("good.csv"))

    assert main(["failures"]) == 0

    assert "failed     nothing" in capsys.readouterr().out


def test_failures_of_one_cause_are_one_group_the_newest_first(
    world: MockedStack, capsys: Shown
) -> None:
    for minute, name in enumerate(("a", "b c")):
        job = world.put_input(f"{name}.csv")
        message = f"line {minute + 7}: column 'x' is '{name}', not a number"
        world.fail(job, "TooManyRejected", message, minutes=minute)
    world.fail(world.put_input("c.csv"), "SchemaMismatch", minutes=5)

    status, found = listed(capsys)

    assert status == 3
    assert (found["schema_version"], found["failed"], found["resolved"]) == (1, 3, 0)
    schema, rejected = found["groups"]
    assert schema["error_type"] == "SchemaMismatch"
    assert (rejected["count"], rejected["masked"]) == (2, "line #: column '…' is '…', not a number")
    assert [one["input"] for one in rejected["files"]] == [
        "s3://tide-input/b c.csv",
        "s3://tide-input/a.csv",
    ]
    assert all(one["dead_letters"] == 1 for one in rejected["files"])
    assert world.letters() == 3, "a look takes no letter"


def test_a_failure_is_resolved_once_its_output_is_newer(world: MockedStack, capsys: Shown) -> None:
    older, same, newer = (world.put_input(f"{name}.csv") for name in ("older", "same", "newer"))
    for job, minutes in ((older, -1), (same, 0), (newer, 1 / 60)):
        world.put_output(job, minutes=minutes)
        world.fail(job)

    _, found = listed(capsys)

    assert [one["input"] for one in found["resolved_files"]] == ["s3://tide-input/newer.csv"]
    assert found["failed"] == 2


def test_resolved_failures_are_cleared_only_when_asked(world: MockedStack, capsys: Shown) -> None:
    resolved, failed = world.put_input("resolved.csv"), world.put_input("failed.csv")
    for job in (resolved, failed):
        world.fail(job)
    world.put_output(resolved, minutes=1)

    main(["failures"])
    assert (len(world.reports()), world.letters()) == (2, 2)
    assert main(["failures", "--clear"]) == 2, "there is no terminal to ask on"
    assert "`tidegate failures --clear --yes`" in capsys.readouterr().err
    assert main(["failures", "--clear", "--yes"]) == 3

    assert world.reports() == ["predictions/_failed/failed.csv.json"]
    assert world.letters() == 1


def test_the_failure_of_a_deleted_input_is_over(world: MockedStack, capsys: Shown) -> None:
    for name in ("report.csv", "letter.csv"):
        world.fail(world.put_input(name), report=name == "report.csv")
        world.s3.delete_object(Bucket=INPUT, Key=name)

    status, found = listed(capsys)
    assert (status, found["failed"], found["resolved"], found["deleted"]) == (0, 0, 0, 2)
    assert main(["failures"]) == 0
    assert "deleted    2 files: there is no such input any more" in capsys.readouterr().out

    assert main(["failures", "--clear", "--yes"]) == 0
    assert "deleted" not in capsys.readouterr().out, "what is cleared is not listed again"
    assert (world.reports(), world.letters()) == ([], 0)


def test_a_file_that_failed_because_it_was_absent_is_cleared_by_its_name(
    world: MockedStack,
) -> None:
    world.fail(world.put_input("typo.csv"), "NoSuchInput")
    world.s3.delete_object(Bucket=INPUT, Key="typo.csv")

    assert main(["failures", "--clear", "--yes"]) == 3
    assert len(world.reports()) == 1
    assert main(["failures", "typo.csv", "--clear", "--yes"]) == 0
    assert (world.reports(), world.letters()) == ([], 0)


def test_an_input_that_s3_does_not_show_is_not_called_deleted(
    world: MockedStack, capsys: Shown
) -> None:
    job = world.put_input("a.csv")
    world.fail(job | {"bucket": "no bucket of this name can be"})

    status, found = listed(capsys)

    assert (status, found["deleted"]) == (3, 0)


def test_dead_letters_without_a_report_are_failures_too(world: MockedStack, capsys: Shown) -> None:
    world.fail(world.put_input("a.csv"), "Unparsable", report=False)
    world.bury(json.dumps(world.put_input("killed.csv")))
    world.bury("no job", error_type="UnreadableBody", error_message="the message is not a job")
    world.bury("[]")

    status, found = listed(capsys)

    assert status == 3
    by_type = {group["error_type"]: group["files"][0]["input"] for group in found["groups"]}
    assert by_type == {
        "Unparsable": "s3://tide-input/a.csv",
        "NoReason": "s3://tide-input/killed.csv",
        "UnreadableBody": None,
        "NoJob": None,
    }


def test_a_named_group_lists_each_of_its_files(world: MockedStack, capsys: Shown) -> None:
    for name in ("a", "b"):
        world.fail(world.put_input(f"{name}.csv"))
    world.fail(world.put_input("other.csv"), "SchemaMismatch")

    assert main(["failures", "Unparsable"]) == 3

    printed = capsys.readouterr().out
    assert "s3://tide-input/a.csv" in printed
    assert "s3://tide-input/b.csv" in printed
    assert "tidegate show s3://tide-input/" in printed, "the next step is another one"
    assert "other.csv" not in printed


def test_a_name_that_means_no_failure_is_an_error(world: MockedStack, capsys: Shown) -> None:
    world.fail(world.put_input("a.csv"))

    assert main(["failures", "b.csv"]) == 1

    assert "no failure is named b.csv" in capsys.readouterr().err


def test_only_the_newest_reports_are_read_and_that_is_told(
    world: MockedStack, capsys: Shown
) -> None:
    for minute in range(3):
        world.fail(world.put_input(f"{minute}.csv"), minutes=minute, letter=False)

    main(["failures", "--newest", "2"])

    printed = capsys.readouterr().out
    assert "the newest 2 of 3 reports were read" in printed
    assert "2.csv" in printed


def test_an_object_that_is_no_report_is_passed_over(world: MockedStack, capsys: Shown) -> None:
    for key, body in (("a.json", b"{"), ("b.json", b'{"job": 1}'), ("c.txt", b"")):
        world.s3.put_object(Bucket=OUTPUT, Key=f"predictions/_failed/{key}", Body=body)
        written_at(OUTPUT, f"predictions/_failed/{key}", 0)

    assert main(["failures"]) == 0
    assert "Traceback" not in capsys.readouterr().err


def test_a_name_has_no_power_over_the_terminal(world: MockedStack, capsys: Shown) -> None:
    job = world.put_input("\x1b[2J\n[red]a  b[/]")
    world.fail(job, "Unparsable", "\x1b]0;title\x07", report=False)

    main(["failures"])

    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert r"s3://tide-input/\x1b[2J [red]a  b[/]" in printed


def test_failures_of_a_run_that_writes_elsewhere_are_listed_and_go_again(
    world: MockedStack, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "wake", lambda *_: None)
    world.put_output(world.put_input("a b.csv"))
    assert main(["rescore", f"s3://{INPUT}/", "--output-key", "v2", "--run", "r1"]) == 0
    (job,) = world.waiting()
    world.fail(job, "Unparsable", letter=False)
    assert world.reports("v2") == ["v2/_failed/a b.csv.json"]
    capsys.readouterr()

    status, found = listed(capsys)

    assert status == 3
    (group,) = found["groups"]
    (one,) = group["files"]
    assert (one["input"], one["report"]) == ("s3://tide-input/a b.csv", "v2/_failed/a b.csv.json")
    assert main(["redrive", group["group"], "--yes"]) == 0
    (again,) = world.waiting()
    assert (again["output_key"], again["run"], again["redrives"]) == ("v2", "r1", 1)
    assert world.reports("v2") == []
