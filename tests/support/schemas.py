"""What commands print with --json, held to the schemas of docs/schemas."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"
SAME_AS = {"rescore": "submit"}


def checked(command: str, printed: str) -> dict[str, Any]:
    """Return what a command printed; an AssertionError names what is not in its schema."""
    found: dict[str, Any] = json.loads(printed)
    errors = [f"{one.json_path}: {one.message}" for one in _validator(command).iter_errors(found)]
    assert not errors, errors
    return found


@cache
def _validator(command: str) -> Draft202012Validator:
    text = (FOLDER / f"{SAME_AS.get(command, command)}.json").read_text()
    return Draft202012Validator(json.loads(text), format_checker=FormatChecker())
