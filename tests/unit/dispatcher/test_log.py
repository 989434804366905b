"""The decisions that the dispatcher logs, and the page that documents them."""

import ast
import re
from pathlib import Path

import dispatcher.handler

PAGE = Path(__file__).parents[3] / "docs" / "dispatcher-log.md"


def test_every_decision_is_documented_with_its_fields() -> None:
    logged: dict[str, set[str]] = {}
    for decision, fields in calls_of_log():
        logged[decision] = logged.get(decision, set()) | fields

    assert logged == documented()


def calls_of_log() -> list[tuple[str, set[str]]]:
    tree = ast.parse(Path(dispatcher.handler.__file__).read_text())
    return [
        (ast.literal_eval(call.args[0]), {str(keyword.arg) for keyword in call.keywords})
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "log"
    ]


def documented() -> dict[str, set[str]]:
    rows = re.findall(r"^\| `(.+?)` \| (.+?) \|", PAGE.read_text(), flags=re.MULTILINE)
    return {decision: set(re.findall(r"`(\w+)`", fields)) for decision, fields in rows}
