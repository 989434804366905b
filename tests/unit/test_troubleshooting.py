"""docs/troubleshooting.md lists every cause that the worker recognises, with its next step."""

import re
from pathlib import Path

from worker.advice.texts import Advice

PAGE = Path(__file__).parents[2] / "docs" / "troubleshooting.md"


def as_shown(advice: Advice) -> list[str]:
    """Return cause and next step as the page shows them: what is filled in stands in italics."""
    return [re.sub(r"\{(\w+)\}", r"*\1*", text) for text in advice.value]


def test_each_cause_has_one_row_with_its_next_step_in_the_order_of_the_code() -> None:
    cells = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in PAGE.read_text(encoding="utf-8").split("## Variables")[0].splitlines()
        if line.startswith("| ") and not line.startswith("| what")
    ]
    assert [row[1:] for row in cells] == [as_shown(advice) for advice in Advice]
