"""What each statement of the template's roles is for: docs/roles.md.

`pytest tests/acceptance/test_roles.py --roles docs/roles.md` writes it.
"""

from collections.abc import Iterator, Mapping, Sequence

from tests.support.iam.acts import needed
from tests.support.iam.policy import Statement, denied
from tests.support.iam.roles import Arns

PREFACE = """# What the roles may do

Each statement of the template's roles, with what is denied without it and what for it is asked.
No statement, and no action or resource of one, is there for show; what must be denied to each role
is listed in `tests/support/iam/acts.py`. All of it is judged on a deployed stack in every run of
the tests, and `tests/acceptance/test_roles_at_work.py` has a real worker and the dispatcher fail
under roles that lack a statement.

| role | statement | denied without it |
|---|---|---|
"""


def document(names: Arns, model: str, granted: Mapping[str, Sequence[Statement]]) -> str:
    """A row for each statement: what would be denied without it, and why somebody asks for that."""
    return PREFACE + "".join(f"| {row} |\n" for row in _rows(names, model, granted))


def _rows(names: Arns, model: str, granted: Mapping[str, Sequence[Statement]]) -> Iterator[str]:
    for role, statements in granted.items():
        reasons = needed(names, model)[role]
        for statement in statements:
            lost = denied([one for one in statements if one is not statement], reasons)
            told = ", ".join(f"`{act.action}` ({reasons[act]})" for act in lost)
            yield f"{role} | {statement['Sid']} | {told}"
