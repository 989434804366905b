"""What the report looks like, for people and for pipes."""

import io

import pytest
from rich.console import Console

from tidegate.cli.doctor import Report, Where
from tidegate.doctor.finding import Finding, broken, ok, unknown, warning

COMMAND = "aws events enable-rule --name churn-Sweep-0123456789 --event-bus-name default"
WHERE = Where("churn", "eu-west-1", "123456789012")
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


def printed_at(width: int, *, terminal: bool, colour: bool = False) -> str:
    file = io.StringIO()
    console = Console(
        file=file,
        width=width,
        force_terminal=terminal,
        color_system="standard" if colour else None,
        highlight=False,
    )
    Report(console).show(WHERE, FINDINGS)
    return file.getvalue()


@pytest.mark.parametrize("width", [40, 80, 120])
def test_prose_is_wrapped_and_a_command_is_one_line(width: int) -> None:
    lines = printed_at(width, terminal=True).splitlines()

    assert COMMAND in lines
    title, *rest = lines
    assert title == "churn in eu-west-1 of the account 123456789012"
    assert [line for line in rest if len(line) > width and line != COMMAND] == []


def test_a_pipe_gets_one_line_for_each_part() -> None:
    lines = printed_at(40, terminal=False).splitlines()

    assert f"broken  sweep           {FINDINGS['sweep'].found}" in lines
    assert "unknown quotas          could not ask" in lines


def test_the_last_line_counts_the_worst_first() -> None:
    assert printed_at(80, terminal=True).splitlines()[-1] == "1 broken, 1 warning, 1 unknown, 1 ok"


def test_a_verdict_is_a_word_and_its_colour_only_helps() -> None:
    coloured = printed_at(80, terminal=True, colour=True)

    assert "\x1b[1;31mbroken" in coloured


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    file = io.StringIO()
    finding = broken("[red]name[/] \x1b]0;title\x07 and\nline", "Next", "aws x \x1b[2J")

    console = Console(file=file, force_terminal=True, width=80, color_system=None)
    Report(console).show(WHERE, {"a": finding})

    assert "\x1b" not in file.getvalue()
    assert "[red]name[/]" in file.getvalue()
