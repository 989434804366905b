"""What deploy, push and destroy print: on terminals of any width, through pipes, with errors."""

import io
from pathlib import Path

import click
import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError
from click.testing import CliRunner
from rich.console import Console

from tests.support.fakes.cloudformation import refusal
from tidegate.cli.deploy import _show_smoke
from tidegate.cli.main import _readable, _status, cli
from tidegate.cli.stack_screen import StackScreen
from tidegate.deploy.proof.smoke import Smoke
from tidegate.deploy.screen import Change, Declined, Event

LONG = "InputArrivedMayInvokeDispatcher"


def screen(*, width: int = 80, terminal: bool = False) -> tuple[StackScreen, io.StringIO]:
    written = io.StringIO()
    console = Console(file=written, width=width, force_terminal=terminal, highlight=False)
    return StackScreen(console=console), written


def changes() -> list[Change]:
    return [
        Change("Modify", LONG, "AWS::Lambda::Permission", "yes"),
        Change("Add", "Vpc", "AWS::EC2::VPC", "no"),
    ]


@pytest.mark.parametrize("width", [80, 120])
def test_each_change_is_a_line(width: int) -> None:
    shown, written = screen(width=width)

    shown.show_changes(changes())

    header, first, second = written.getvalue().splitlines()
    assert header.split() == ["change", "resource", "type", "replaced"]
    assert first.split() == ["modify", LONG, "Lambda::Permission", "yes"]
    assert second.split() == ["add", "Vpc", "EC2::VPC"]


def test_on_a_narrow_terminal_no_name_is_cut() -> None:
    shown, written = screen(width=40)

    shown.show_changes(changes())

    header, *lines = written.getvalue().splitlines()
    begin, end = header.index("resource"), header.index("replaced")
    assert "".join(line[begin:end].strip() for line in lines) == f"{LONG}Vpc"
    assert lines[0][end:].strip() == "yes"
    assert max(map(len, lines)) <= 40


def test_a_replacement_is_red_on_a_terminal_and_plain_in_a_pipe() -> None:
    terminal, coloured = screen(terminal=True)
    terminal.show_changes(changes())
    piped, plain = screen()
    piped.show_changes(changes())

    assert "\x1b[1;31myes" in coloured.getvalue()
    assert "\x1b" not in plain.getvalue()


def test_what_aws_says_is_never_taken_for_markup() -> None:
    shown, written = screen(width=40)
    failure = Event(
        "1", "Vpc", "AWS::EC2::VPC", "CREATE_FAILED", "[red]no[/] more than [five] VPCs"
    )

    shown.show_event(failure)

    assert written.getvalue() == "  ✗ Vpc: create failed: [red]no[/] more than [five] VPCs\n"


def test_a_pipe_gets_a_line_for_each_resource_that_is_done_and_none_for_beginnings() -> None:
    shown, written = screen()
    for status in ("DELETE_IN_PROGRESS", "DELETE_SKIPPED"):
        shown.show_event(Event("1", "Bucket", "AWS::S3::Bucket", status, ""))
    shown.show_wait("the worker is running")

    assert written.getvalue() == "  ✓ Bucket: kept\n"


def test_without_a_terminal_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y"))
    shown, _ = screen()

    with pytest.raises(Declined, match="--yes answers in advance; nothing was done"):
        shown.ask("Delete it?", "nothing was done")
    StackScreen(yes=True).ask("Delete it?", "nothing was done")


def test_a_first_file_that_is_not_predicted_ends_with_status_3_and_the_next_step() -> None:
    shown, written = screen()

    status = _show_smoke(shown, Smoke(None, "SchemaMismatch: no petals"), "tide")

    assert status == 3
    assert "the stack stands, but" in written.getvalue()
    assert "SchemaMismatch: no petals" in written.getvalue()
    assert "`tidegate doctor tide`" in written.getvalue()
    assert _show_smoke(shown, Smoke("id,prediction\n"), "tide") == 0


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (refusal("Throttling", "Rate exceeded"), 1, "try again"),
        (refusal("AccessDenied", "not authorized"), 1, "gives you rights"),
        (EndpointConnectionError(endpoint_url="https://cloudformation"), 1, "try again"),
        (NoCredentialsError(), 4, "aws sts get-caller-identity"),
        (refusal("ExpiredToken", "expired"), 4, "log in"),
        (Declined("the stack is as it was"), 1, "as it was"),
    ],
)
def test_a_failure_ends_with_its_status_and_the_next_step(
    error: Exception, status: int, text: str
) -> None:
    readable = _readable(error)

    assert readable is not None
    assert text in str(readable)
    assert _status(readable) == status


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--smoke", "{file}", "--no-smoke"], "--smoke and --no-smoke"),
        (["--parameter", "MaxTasks"], "must be NAME=VALUE"),
        (["--parameter", "MaxTasks=1", "--parameter", "MaxTasks=2"], "MaxTasks is given twice"),
        (["--image", "a:1", "--parameter", "Image=b:1"], "--image and --parameter Image"),
        (["--architecture", "ARM"], "ARM"),
        (["--requirements", "absent.txt"], "absent.txt"),
    ],
)
def test_options_that_contradict_each_other_are_a_usage_error(
    words: list[str], reason: str, tmp_path: Path
) -> None:
    file = tmp_path / "rows.csv"
    file.touch()
    given = [word.replace("{file}", str(file)) for word in words]

    ran = CliRunner().invoke(cli, ["deploy", "tide", *given], standalone_mode=False)

    assert isinstance(ran.exception, click.UsageError)
    assert ran.exception.exit_code == 2
    assert reason in ran.exception.format_message()
