"""How IAM judges a request by a role's own policies, as far as this template's policies go."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Statement = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Act:
    """One request: an action on a resource, "*" where the action takes none, in a context."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        context = "".join(f", {key} = {value}" for key, value in self.context.items())
        return f"{self.action} on {self.resource}{context}"


def is_allowed(statements: Sequence[Statement], act: Act) -> bool:
    """Whether a statement allows the act and none denies it.

    Raises KeyError for a condition operator that is not known here.
    """
    effects = {one["Effect"] for one in statements if _is_about(one, act)}
    return effects == {"Allow"}


def denied(statements: Sequence[Statement], acts: Iterable[Act]) -> list[Act]:
    """The acts that are not allowed."""
    return [act for act in acts if not is_allowed(statements, act)]


def _is_about(statement: Statement, act: Act) -> bool:
    return (
        any(_like(pattern.lower(), act.action.lower()) for pattern in listed(statement["Action"]))
        and any(_like(pattern, act.resource) for pattern in listed(statement["Resource"]))
        and all(
            _holds(operator, keys, act.context)
            for operator, keys in statement.get("Condition", {}).items()
        )
    )


def _holds(operator: str, keys: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    matches = _OPERATORS[operator]
    return all(
        key in context and any(matches(value, context[key]) for value in listed(wanted))
        for key, wanted in keys.items()
    )


def listed(value: Any) -> list[Any]:  # noqa: ANN401 - what a policy has once or many times
    """One or many, as many."""
    return value if isinstance(value, list) else [value]


def _like(pattern: str, text: str) -> bool:
    parts = {"*": ".*", "?": "."}
    return bool(re.fullmatch("".join(parts.get(one, re.escape(one)) for one in pattern), text))


_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": str.__eq__,
    "ArnEquals": _like,  # the same as ArnLike, says IAM's manual
    "ArnLike": _like,
    "StringLike": _like,
}
