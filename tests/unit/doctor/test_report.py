"""What the command prints: for people, for pipes and for programs."""

import io
import json

import pytest
from rich.console import Console

from tests.support.stack_on_moto import ACCOUNT, NAME, REGION, Answers
from tidegate.aws.account import Account
from tidegate.aws.stack import DeployedStack
from tidegate.cli.doctor import Report
from tidegate.cli.main import main
from tidegate.doctor.examination import CHECKS
from tidegate.doctor.finding import Finding, broken, ok, unknown, warning

COMMAND = "aws events enable-rule --name churn-Sweep-0123456789 --event-bus-name default"
FINDINGS: dict[str, Finding] = {
    "stack": ok("CREATE_COMPLETE"),
    "dead letters": warning("3, the oldest for 2 days", "Read the reasons, then move them back:"),
    "sweep": broken(
        "the rule is disabled: a message whose event was lost waits until the next upload",
        "To mend it:",
        COMMAND,
    ),
    "quotas": unknown("could not ask", "Allow it to your own role"),
}


@pytest.fixture
def printed(account: Account, stack: DeployedStack) -> str:
    return printed_at(account, stack, 80, terminal=True)


def printed_at(
    account: Account, stack: DeployedStack, width: int, *, terminal: bool, colour: bool = False
) -> str:
    file = io.StringIO()
    console = Console(
        file=file,
        width=width,
        force_terminal=terminal,
        color_system="standard" if colour else None,
        highlight=False,
    )
    Report(console).show(account, stack, FINDINGS)
    return file.getvalue()


@pytest.mark.parametrize("width", [40, 80, 120])
def test_prose_is_wrapped_and_a_command_is_one_line(
    account: Account, stack: DeployedStack, width: int
) -> None:
    lines = printed_at(account, stack, width, terminal=True).splitlines()

    assert COMMAND in lines
    title, *rest = lines
    assert title == f"{NAME} in {REGION} of the account {ACCOUNT}"
    assert [line for line in rest if len(line) > width and line != COMMAND] == []


def test_a_pipe_gets_one_line_for_each_part(account: Account, stack: DeployedStack) -> None:
    lines = printed_at(account, stack, 40, terminal=False).splitlines()

    assert f"broken  sweep           {FINDINGS['sweep'].found}" in lines
    assert "unknown quotas          could not ask" in lines


def test_the_last_line_counts_the_worst_first(printed: str) -> None:
    assert printed.splitlines()[-1] == "1 broken, 1 warning, 1 unknown, 1 ok"


def test_a_verdict_is_a_word_and_its_colour_only_helps(
    account: Account, stack: DeployedStack
) -> None:
    coloured = printed_at(account, stack, 80, terminal=True, colour=True)

    assert "\x1b[1;31mbroken" in coloured


def test_what_a_terminal_would_obey_is_not_printed(account: Account, stack: DeployedStack) -> None:
    file = io.StringIO()
    finding = broken("[red]name[/] \x1b]0;title\x07 and\nline", "Next", "aws x \x1b[2J")

    console = Console(file=file, force_terminal=True, width=80, color_system=None)
    Report(console).show(account, stack, {"a": finding})

    assert "\x1b" not in file.getvalue()
    assert "[red]name[/]" in file.getvalue()


@pytest.mark.parametrize("arguments", [[NAME], ["--stack", NAME], []])
def test_the_command_prints_json_for_programs_and_its_status_is_that_of_the_worst(
    answers: Answers, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    answers.restore()  # the command has clients of its own

    status = main(["doctor", *arguments, "--json"])

    printed = json.loads(capsys.readouterr().out)
    assert (printed["version"], printed["stack"], printed["region"]) == (1, NAME, REGION)
    assert [one["name"] for one in printed["checks"]] == ["stack", *CHECKS]
    assert {one["status"] for one in printed["checks"]} == {"ok", "unknown"}  # moto has no quotas
    assert (printed["status"], status) == ("unknown", 0)


def test_something_broken_ends_with_1_and_the_calls_are_shown_beside_the_report(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    logs = account.client("logs")
    logs.delete_log_group(logGroupName=f"/ecs/{NAME}-worker")

    status = main(["doctor", NAME, "--show-commands"])
    logs.create_log_group(logGroupName=f"/ecs/{NAME}-worker")

    printed = capsys.readouterr()
    assert status == 1
    assert "no worker starts without its log" in printed.out
    shown = printed.err.splitlines()
    assert f"aws cloudformation describe-stacks --stack-name {NAME}" in shown
    assert [line for line in shown if not line.startswith("aws ")] == []


def test_a_stack_that_is_not_there_ends_with_the_next_command(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    assert account.region == REGION

    status = main(["doctor", "no-such-stack"])

    assert status == 1
    assert "there is no stack no-such-stack" in capsys.readouterr().err


def test_without_credentials_the_status_is_4(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")

    assert main(["doctor", NAME]) == 4
    assert "no-such-profile" in capsys.readouterr().err
