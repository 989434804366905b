import io

import pytest
from rich.console import Console

from tidegate.cli.live_files import LiveFiles
from tidegate.localcloud.stack_client import FileState

WAITING = FileState("waiting", "1")
PREDICTED = FileState("predicted", "1", "predictions/a.csv", rows=150, rejected=2)
FAILED = FileState("failed", "1", failure="SchemaMismatch: no column [a]")


def printed(*states: dict[str, FileState], terminal: bool = False) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100, color_system=None)
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
