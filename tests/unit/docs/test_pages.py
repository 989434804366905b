"""How a page is read: its blocks, its commands, and what of a screen is compared."""

from pathlib import Path

import pytest

from tests.support.pages import (
    blocks_of,
    check_screen,
    commands_of,
    different_lines,
    rewritten,
    save_files,
)
from tests.support.shell_commands import commands_in, is_script

PAGE = """\
Save this as `a.txt`, a file of
two lines:

```text
one
two
```

<!-- ends with 3 -->
```
$ first a.txt
…
shown
$ second
```

<!-- not run: it needs AWS -->
```
$ third
```

```
aws s3 ls
```
"""


def test_a_block_that_the_page_says_to_save_is_saved(tmp_path: Path) -> None:
    save_files(PAGE, tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "one\ntwo\n"


def test_the_commands_are_those_of_sessions_that_are_run() -> None:
    assert list(commands_of(PAGE)) == [("first a.txt", ["…", "shown"]), ("second", [])]


def test_a_block_knows_its_line_and_what_may_happen() -> None:
    _, session, not_run, plain = blocks_of(PAGE)

    assert PAGE.splitlines()[session.line - 1] == "```"
    assert session.statuses == {0, 3}
    assert not_run.is_session
    assert not not_run.is_run
    assert not plain.is_session
    assert plain.statuses == {0}


def test_a_line_of_the_page_that_was_not_printed_is_found() -> None:
    assert different_lines(["a", "b 3 s ago"], ["a", "b 7 min ago"]) == []
    assert different_lines(["a", "b"], ["a"]) == ["b"]


def test_a_line_that_was_printed_beside_the_pages_is_found_unless_lines_are_left_out() -> None:
    assert different_lines(["a"], ["a", "b"]) == ["b"]
    assert different_lines(["a", "…"], ["a", "b"]) == []


def test_what_is_written_over_is_not_compared() -> None:
    block = next(blocks_of("```\n$ aws s3 cp a b\nupload: a to b\n```\n"))

    check_screen(block, "aws s3 cp a b", 0, "Completed 1 of 2\rupload: a to b  \n")


@pytest.mark.parametrize(("status", "printed"), [(1, "shown\n"), (0, "other\n")])
def test_a_command_that_ends_otherwise_than_the_page_shows_is_found(
    status: int, printed: str
) -> None:
    _, session, *_ = blocks_of(PAGE)

    with pytest.raises(AssertionError, match=r"^first a\.txt: "):
        check_screen(session, "first a.txt", status, printed)


def test_a_page_gets_what_was_printed_where_it_leaves_nothing_out() -> None:
    written = rewritten(PAGE, [["new", "shown"], ["printed"]])

    assert written == PAGE.replace("$ second\n", "$ second\nprinted\n")


def test_the_commands_of_a_script_are_found_behind_assignments_and_operators() -> None:
    script = "A=1 first --x  # why\nB=$(second 'a b') third \\\n  c | fourth > file && fifth\n"

    assert list(commands_in(script)) == [
        ["second", "a b"],
        ["first", "--x"],
        ["third", "c"],
        ["fourth"],
        ["fifth"],
    ]


@pytest.mark.parametrize("text", ["id,note\n1,2\n", "reading the model: it's gone\n", ""])
def test_a_text_is_no_script(text: str) -> None:
    assert not is_script(text)
