"""CloudFormation: a stack that a change set makes has its template's description."""

from collections.abc import Mapping
from typing import Any

from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, handlers

Response = tuple[int, dict[str, str], bytes]

_execute = changesets._execute_change_set  # noqa: SLF001 - MiniStack has no public hooks


def install() -> None:
    """Replace MiniStack's action."""
    handlers._ACTION_HANDLERS["ExecuteChangeSet"] = execute_change_set  # noqa: SLF001 - as above


def execute_change_set(params: Mapping[str, Any]) -> Response:
    """Execute a change set, after the stack has its description."""
    named = (params.get(name, [""])[0] for name in ("ChangeSetName", "StackName"))
    _, change_set = changesets._find_change_set(*named)  # noqa: SLF001 - as above
    stack = cloudformation._stacks.get(change_set["StackName"]) if change_set else None  # noqa: SLF001 - as above
    if stack:
        stack["Description"] = change_set["_template"].get("Description", "")
    return _execute(params)  # type: ignore[no-any-return]  # MiniStack has no types
