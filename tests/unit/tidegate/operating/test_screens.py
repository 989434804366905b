"""Every command on a terminal of 40 and of 80 columns: it fits, and its exit status is right."""

import re
import shlex

import pytest

from tests.support.mocked_stack import INPUT, WORKER_LOGS, MockedStack
from tests.support.screens import too_long
from tidegate.cli.main import main
from tidegate.operating import queues

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
MESSAGE = "3 of the 4 model's columns are not in the file: 'sepal_width' (nearest: 'sepal_length')"
SOURCE = f"s3://{INPUT}/dir/"
COMMANDS = [
    (
        0,
        "status",
        "next       tidegate failures  # which files failed, why, and which are resolved",
    ),
    (3, "failures", "such as    s3://tide-input/dir/a file with a name that is too long.csv"),
    (3, "failures SchemaMismatch", "files      s3://tide-input/dir/a file with a name that is"),
    (3, "show 'dir/a file with a name that is too long.csv'", "state      failed"),
    (0, "show dir/good.csv", "output     s3://tide-output/predictions/dir/good.csv"),
    (1, "show nothing.csv", "state      deleted: there is no such"),
    (0, "redrive --all --dry-run", "would submit s3://tide-input/dir/a file"),
    (2, "redrive", ""),
    (0, "logs", "job done"),
    (0, "pause", ""),
    (0, "resume", ""),
    (0, f"submit {SOURCE} --dry-run", "would send 1 file"),
    (0, f"submit {SOURCE} --run r1", ""),
    (0, f"rescore {SOURCE} --output-key v2 --dry-run", "would send 3 files"),
    (0, "cancel r1 --yes", ""),
    (1, "wait no-such-run", ""),
    (0, "redrive SchemaMismatch --yes", ""),
]


@pytest.mark.parametrize("columns", [40, 80])
def test_every_command_fits_its_terminal(
    world: MockedStack,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    columns: int,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, to Rich
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(queues, "wake", lambda *_: None)
    world.fail(
        world.put_input("dir/a file with a name that is too long.csv"), "SchemaMismatch", MESSAGE
    )
    world.put_output(world.put_input("dir/good.csv"))
    world.put_input("dir/new.csv")
    world.log(WORKER_LOGS, {"event": "job done", "input": f"s3://{INPUT}/dir/good.csv"})

    for status, command, words in COMMANDS:
        assert main(shlex.split(command)) == status, command

        shown = capsys.readouterr()
        assert not words or ESCAPES.search(shown.out), "it is no terminal"
        printed, errors = map(plain, shown)
        assert "Traceback" not in errors
        assert words in printed, command
        assert bool(printed.strip()) is bool(words), command
        assert too_long(printed.splitlines(), columns) == []


def plain(text: str) -> str:
    return ESCAPES.sub("", text)
