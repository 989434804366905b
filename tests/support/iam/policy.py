"""IAM's decision on a request by a role's own policies, for the features that the template uses."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

Statement = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Act:
    """One request: an action on a resource ("*" if the action takes none), in a context."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        context = "".join(f", {key} = {value}" for key, value in self.context.items())
        return f"{self.action} on {self.resource}{context}"


def is_allowed(statements: Sequence[Statement], act: Act) -> bool:
    """Return whether a statement allows the request and none denies it.

    Raises KeyError for a condition operator that is not known here.
    """
    effects = {one["Effect"] for one in statements if _applies(one, act)}
    return effects == {"Allow"}


def denied(statements: Sequence[Statement], acts: Iterable[Act]) -> list[Act]:
    """Return the requests that are not allowed."""
    return [act for act in acts if not is_allowed(statements, act)]


def _applies(statement: Statement, act: Act) -> bool:
    return (
        any(_like(pattern.lower(), act.action.lower()) for pattern in listed(statement["Action"]))
        and any(_like(pattern, act.resource) for pattern in listed(statement["Resource"]))
        and all(
            _holds(operator, keys, act.context)
            for operator, keys in statement.get("Condition", {}).items()
        )
    )


def _holds(operator: str, keys: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    if operator == "StringNotEquals":  # which holds for a key that the request lacks, too
        return all(context.get(key) not in listed(wanted) for key, wanted in keys.items())
    matches = _OPERATORS[operator]
    return all(
        key in context and any(matches(value, context[key]) for value in listed(wanted))
        for key, wanted in keys.items()
    )


def listed(value: Any) -> list[Any]:  # noqa: ANN401 - a string or a list of strings
    """Return a list as it is, and any other value as a list of one."""
    return value if isinstance(value, list) else [value]


def _like(pattern: str, text: str) -> bool:
    return bool(_compiled(pattern).fullmatch(text))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(one, re.escape(one)) for one in pattern))


_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": str.__eq__,
    "ForAnyValue:StringEquals": str.__eq__,  # of a key with several values, of which a test has one
    "ArnEquals": _like,  # the same as ArnLike, according to IAM's manual
    "ArnLike": _like,
    "StringLike": _like,
}
