"""docs/troubleshooting.md lists every cause that the worker recognises, with its next step."""

import re
from collections.abc import Iterator
from pathlib import Path

from tidegate.failures.failed_files import NO_JOB, NO_REASON
from worker.advice.texts import Advice
from worker.errors import PermanentError

PAGE = (Path(__file__).parents[2] / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
OF_FILES, OF_WORKERS = PAGE.split("## How a worker reports a refusal")


def as_shown(advice: Advice) -> list[str]:
    """Return cause and next step as the page shows them: what is filled in stands in italics."""
    return [re.sub(r"\{(\w+)\}", r"*\1*", text) for text in advice.value]


def test_each_cause_has_one_row_with_its_next_step_in_the_order_of_the_code() -> None:
    rows = rows_of(OF_WORKERS.split("## Variables")[0])
    assert [row[1:] for row in rows] == [as_shown(advice) for advice in Advice]


def test_each_type_of_error_that_a_file_can_fail_with_has_its_next_step() -> None:
    shown = [name for row in rows_of(OF_FILES) for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(shown) == sorted([*error_types(PermanentError), NO_REASON, NO_JOB])


def rows_of(text: str) -> list[list[str]]:
    """Return the cells of each row of the tables, without the headers."""
    return [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in text.splitlines()
        if line.startswith("| ") and not line.startswith(("| what", "| error type"))
    ]


def error_types(error: type[PermanentError]) -> Iterator[str]:
    """Yield the names of the worker's errors below one."""
    for one in error.__subclasses__():
        if one.__module__ == PermanentError.__module__:
            yield one.__name__
            yield from error_types(one)
