"""One file's whole story."""

import json
from typing import Any

import pytest

from tests.support.mocked_stack import DISPATCHER_LOGS, INPUT, OUTPUT, WORKER_LOGS, MockedStack
from tests.support.schemas import checked
from tidegate.cli.main import main
from tidegate.operating import queues

Shown = pytest.CaptureFixture[str]


def told(capsys: Shown, name: str) -> tuple[int, dict[str, Any]]:
    status = main(["show", "--json", name])
    return status, checked("show", capsys.readouterr().out)


def test_a_predicted_file(world: MockedStack, capsys: Shown) -> None:
    world.put_output(world.put_input("dir/a.csv"), rows=1234)
    line: dict[str, Any] = {"event": "job done", "level": "info", "rows": 1234}
    line |= {"input": f"s3://{INPUT}/dir/a.csv", "receive_count": 2}
    other = line | {"input": f"s3://{INPUT}/dir/a.csv.gz"}
    world.log(WORKER_LOGS, line, other, {"event": "numbers", "files": 1})

    assert main(["show", "dir/a.csv"]) == 0

    printed = capsys.readouterr().out
    assert "state      predicted: the newest version has its output" in printed
    assert "1,234 rows" in printed
    assert "the deployed one" in printed
    assert printed.count("job done") == 1
    assert "worker     task 1, attempt 2" in printed
    assert "aws s3 cp s3://tide-output/predictions/dir/a.csv -" in printed
    _, found = told(capsys, "dir/a.csv")
    assert found["output"]["uri"] == "s3://tide-output/predictions/dir/a.csv"


def test_a_failed_file(world: MockedStack, capsys: Shown) -> None:
    world.fail(world.put_input("a b.csv"), "Unparsable", "no [bold]table[/]")

    assert main(["show", "a b.csv"]) == 3

    printed = capsys.readouterr().out
    assert "failure    Unparsable: no [bold]table[/]" in printed
    assert "a dead letter" in printed
    assert "tidegate redrive 'a b.csv'" in printed


def test_a_file_whose_workers_were_killed(world: MockedStack, capsys: Shown) -> None:
    killed = json.dumps(world.put_input("a.csv"))
    world.bury(killed)

    status, found = told(capsys, "a.csv")
    assert (status, found["state"], found["dead_letters"]) == (3, "failed", 1)

    world.put_input("a.csv", b"mended")
    assert told(capsys, "a.csv")[1]["state"] == "waiting"


def test_a_version_that_is_newer_than_the_output(world: MockedStack, capsys: Shown) -> None:
    world.put_output(world.put_input("a.csv"))
    world.put_input("a.csv", b"newer")

    status, found = told(capsys, "a.csv")

    assert (status, found["state"]) == (0, "outdated")
    assert [one["newest"] for one in found["versions"]] == [True, False]


def test_a_mended_file_that_waits_is_not_failed(world: MockedStack, capsys: Shown) -> None:
    world.fail(world.put_input("a.csv"))
    world.put_input("a.csv", b"mended")

    status, found = told(capsys, "a.csv")

    assert (status, found["state"]) == (0, "waiting")
    assert found["queue"] == {"waiting": 0, "in_flight": 0}
    assert found["next"][0] == "tidegate logs --since 1h", "nothing waits, so was it seen?"


@pytest.mark.parametrize("key", ["notes.txt", "notes.csv.bak"])
def test_a_file_that_is_no_job(world: MockedStack, capsys: Shown, key: str) -> None:
    world.put_input(key)
    ignored = {"decision": "ignored", "why": "no suffix", "bucket": INPUT, "key": key}
    world.log(DISPATCHER_LOGS, "START RequestId: 1", ignored)

    assert main(["show", key]) == 0

    printed = capsys.readouterr().out
    assert "no job: the dispatcher ignores this file" in printed
    assert "why=no suffix" in printed


def test_a_file_that_is_not_there(world: MockedStack, capsys: Shown) -> None:
    assert told(capsys, "typo.csv")[0] == 1
    deleted = world.put_input("a.csv")
    world.s3.delete_object(Bucket=INPUT, Key=deleted["key"])
    status, found = told(capsys, "a.csv")
    assert (status, found["state"], found["versions"][0]["deleted"]) == (1, "deleted", True)


@pytest.mark.parametrize(
    "name",
    [
        "dir/a.csv",
        "s3://tide-input/dir/a.csv",
        "s3://tide-output/predictions/dir/a.csv",
        "s3://tide-output/predictions/_failed/dir/a.csv.json",
    ],
)
def test_a_file_is_named_by_its_key_or_by_any_of_its_addresses(
    world: MockedStack, capsys: Shown, name: str
) -> None:
    world.put_output(world.put_input("dir/a.csv"))

    assert told(capsys, name)[1]["input"] == "s3://tide-input/dir/a.csv"


def test_what_a_run_has_written_elsewhere_is_told_too(
    world: MockedStack, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "wake", lambda *_: None)
    world.put_output(world.put_input("dir/a.csv"))
    for run, key in (("r1", "v2"), ("r2", "v2"), ("r3", "predictions/v3")):
        main(["rescore", f"s3://{INPUT}/", "--output-key", key, "--run", run])
    for job in world.waiting():
        if job["run"] == "r1":
            world.put_output({**job, "version_id": "null"})
        if job["run"] == "r3":
            world.fail(job, "Unparsable", "no table", letter=False)
    capsys.readouterr()

    for name in ("dir/a.csv", "s3://tide-output/predictions/v3/_failed/dir/a.csv.json"):
        assert main(["show", name]) == 0
        printed = capsys.readouterr().out
        assert "state      predicted" in printed
        assert printed.count("output     s3://tide-output/v2/dir/a.csv") == 1
        assert "failure    Unparsable: no table" in printed
    main(["logs", "s3://tide-output/v2/dir/a.csv"])
    assert "no line about this file" in capsys.readouterr().err


def test_the_file_of_rejected_rows_is_named(world: MockedStack, capsys: Shown) -> None:
    world.put_output(world.put_input("dir/a.csv"))
    rejects = "predictions/dir/a.csv.rejected.csv"
    world.s3.put_object(Bucket=OUTPUT, Key=rejects, Body=b"line,reason,row\n")

    assert told(capsys, "dir/a.csv")[1]["output"]["rejected_rows"] == f"s3://{OUTPUT}/{rejects}"
