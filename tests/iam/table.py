"""What each statement of the template's roles is for, as a table in Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.iam.acts import needed
from tests.iam.policy import is_allowed
from tests.iam.roles import Arns

Granted = Sequence[Mapping[str, Any]]


def lines(names: Arns, model: str, granted: Mapping[str, Granted]) -> Iterator[str]:
    """A row for each statement: what would be denied without it, and why somebody asks for that."""
    yield "| role | statement | denied without it |"
    yield "|---|---|---|"
    for role, statements in granted.items():
        for statement in statements:
            rest = [one for one in statements if one is not statement]
            lost = [act for act in needed(names, model)[role] if not is_allowed(rest, act)]
            reasons = [f"`{act.action}` ({needed(names, model)[role][act]})" for act in lost]
            yield f"| {role} | {statement['Sid']} | {', '.join(reasons)} |"
