import io

import pytest
from rich.console import Console

from tidegate.cli.live_files import LiveFiles
from tidegate.localcloud.stack_client import FileState

WAITING = FileState("waiting", "1")
PREDICTED = FileState("predicted", "1", "predictions/a.csv", rows=150, rejected=2)
FAILED = FileState("failed", "1", failure="SchemaMismatch: no column [a]")


def printed(*states: dict[str, FileState], terminal: bool = False, width: int = 100) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width, color_system=None)
    live = LiveFiles(console)
    for state in states:
        live.update(state)
    if terminal:
        console.print(live)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_without_a_terminal_each_result_is_one_line() -> None:
    text = printed({"a.csv": WAITING}, {"a.csv": PREDICTED}, {"a.csv": PREDICTED, "b.csv": FAILED})

    assert text.splitlines() == [
        "  ✓ a.csv: 150 rows, 2 rejected → predictions/a.csv",
        "  ✗ b.csv: SchemaMismatch: no column [a]",
    ]


def test_a_mended_file_is_a_new_line() -> None:
    mended = FileState("predicted", "2", "predictions/b.csv", rows=1)
    text = printed({"b.csv": FAILED}, {"b.csv": FileState("waiting", "2")}, {"b.csv": mended})

    assert text.splitlines()[-1] == "  ✓ b.csv: 1 rows → predictions/b.csv"


@pytest.mark.parametrize("key", ["<a>.csv", "[bold]a.csv"])
def test_a_table_shows_each_file_with_its_output_or_reason(key: str) -> None:
    text = printed({key: PREDICTED, "b.csv": FAILED, "c.csv": WAITING}, terminal=True)

    assert key in text
    assert "predictions/a.csv (2 rejected)" in text
    assert "SchemaMismatch: no column [a]" in text
    assert "waiting" in text


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_long_name_leaves_room_for_the_reason(width: int) -> None:
    key = f"{'deep/' * 40}customers.csv"
    text = printed({key: FAILED, "b.csv": PREDICTED}, terminal=True, width=width)

    assert "customers.csv " in text
    assert "SchemaMismatch: no" in text
    assert max(len(line) for line in text.splitlines()) <= width
    assert ("150" in text) == (width >= 80)


def test_an_output_that_went_up_in_parts_has_no_count() -> None:
    in_parts = FileState("predicted", "1", "predictions/a.csv")

    assert printed({"a.csv": in_parts}) == "  ✓ a.csv: predicted → predictions/a.csv\n"


def test_a_trouble_is_told_once_and_as_it_is() -> None:
    console = Console(file=io.StringIO(), width=40, color_system=None)
    live = LiveFiles(console)
    for _ in range(2):
        live.tell("task 1234abcd of tidegate: exit code 1: [no] settings that anybody would read")
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [
        "  ✗ task 1234abcd of tidegate: exit code 1: [no] settings that anybody would read"
    ]
