"""The walk: a page is typed into shells, and what is not as the page shows is found."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.walk.page import Walk
from tests.walk.shell import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    opened = Shell(tmp_path, os.environ)
    yield opened
    opened.close()


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    typing = Walk(tmp_path, os.environ, print)
    yield typing
    typing.close()


def test_a_shell_keeps_variables_aliases_and_functions(shell: Shell) -> None:
    for line in ("export WORD=good", "alias say=echo", 'twice() { "$@"; "$@"; }'):
        assert shell.run(line).status == 0

    assert shell.run("say $WORD").printed == "good"
    assert shell.run("twice printf x").printed == "xx"


def test_a_shell_says_how_a_command_ended_and_what_it_printed_to_both_streams(
    shell: Shell,
) -> None:
    typed = shell.run("echo out; echo err >&2; false")

    assert (typed.status, typed.printed) == (1, "out\nerr")


def test_a_command_does_not_read_the_commands_behind_it(shell: Shell) -> None:
    assert shell.run("cat").printed == ""
    assert shell.run("echo next").printed == "next"


def test_a_page_is_typed_by_its_text_alone(walk: Walk, capsys: pytest.CaptureFixture[str]) -> None:
    walk.type_page(
        "```\nexport WORD=good\n```\nSave this as `a.txt`:\n```text\none\n```\n"
        "<!-- ends with 1 -->\n```\n$ echo $WORD; cat a.txt\ngood\none\n"
        "$ grep -c two a.txt\n0\n```\n"
        "<!-- not run: it needs AWS -->\n```\naws s3 ls\n```\n"
    )

    assert walk.steps == 3
    assert [line.split(" s  ")[1] for line in capsys.readouterr().out.splitlines()] == [
        "export WORD=good",
        "echo $WORD; cat a.txt",
        "grep -c two a.txt",
    ]


@pytest.mark.parametrize(
    "page",
    [
        "```\n$ echo one\ntwo\n```\n",
        "```\n$ echo one\none\nmore\n```\n",
        "```\n$ false\n```\n",
        "```\nexport A=1 && cat missing.txt\n```\n",
    ],
)
def test_a_page_that_shows_something_else_is_found(walk: Walk, page: str) -> None:
    with pytest.raises(AssertionError):
        walk.type_page(page)


def test_a_command_that_goes_on_is_used_from_another_terminal(tmp_path: Path) -> None:
    (tmp_path / "tidegate").write_text(
        "#!/bin/sh\ntrap 'echo stopped > stopped.txt; exit' INT\necho 'export CLOUD=local'\n"
        "echo 'Ctrl-C stops the local cloud'\nwhile :; do sleep 0.05; done\n"
    )
    (tmp_path / "tidegate").chmod(0o755)
    walk = Walk(tmp_path, {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}, print)

    walk.type_page(
        "```\nexport WORD=good\n```\n```\ntidegate cloud\n```\n"
        "```\n$ echo $CLOUD $WORD\nlocal good\n```\n"
    )
    walk.close()

    assert (tmp_path / "stopped.txt").exists()
