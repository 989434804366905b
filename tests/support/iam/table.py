"""Writes docs/roles.md: the purpose of each statement of the template's roles.

`pytest tests/acceptance/test_roles.py --roles docs/roles.md` writes the file.
"""

from collections.abc import Iterator, Mapping, Sequence

from tests.support.iam import notices, reconcile
from tests.support.iam.acts import needed
from tests.support.iam.policy import Statement, denied
from tests.support.iam.roles import Arns

PREFACE = """# What the roles may do

The table lists each statement of the template's roles, the requests that would be denied without
the statement, and the reason for each request. The tests check on a deployed stack that every
statement is needed, with each of its actions and resources. They also check that each role is
denied the requests that `tests/support/iam/acts.py` lists as forbidden. In
`tests/acceptance/test_roles_at_work.py`, a real worker and the dispatcher run under roles that lack
one statement each, and must fail.

| role | statement | denied without it |
|---|---|---|
"""


def document(names: Arns, model: str, granted: Mapping[str, Sequence[Statement]]) -> str:
    """Return tables of the statements: the requests that need each one, with their reasons."""
    rows = "".join(f"| {row} |\n" for row in _rows(names, model, granted))
    return PREFACE + rows + notices.table() + reconcile.table()


def _rows(names: Arns, model: str, granted: Mapping[str, Sequence[Statement]]) -> Iterator[str]:
    for role, statements in granted.items():
        reasons = needed(names, model)[role]
        for statement in statements:
            lost = denied([one for one in statements if one is not statement], reasons)
            requests = ", ".join(f"`{act.action}` ({reasons[act]})" for act in lost)
            yield f"{role} | {statement['Sid']} | {requests}"
