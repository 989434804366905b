"""The template's rules: parameters that contradict each other, found before AWS is asked."""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

_FUNCTIONS: dict[str, Callable[[Sequence[Any]], bool]] = {
    "Fn::And": all,
    "Fn::Or": any,
    "Fn::Not": lambda arguments: not arguments[0],
    "Fn::Equals": lambda arguments: operator.eq(*arguments),
    "Fn::Contains": lambda arguments: arguments[1] in arguments[0],
    "Fn::EachMemberEquals": lambda arguments: all(
        member == arguments[1] for member in arguments[0].split(",")
    ),
}


def broken(rules: Mapping[str, Any], values: Mapping[str, str]) -> Iterator[str]:
    """Yield the description of each assertion that the values break, with those values."""
    for rule in rules.values():
        if not _evaluate(rule.get("RuleCondition", True), values):
            continue
        for assertion in rule["Assertions"]:
            if not _evaluate(assertion["Assert"], values):
                names = sorted(set(_names(assertion["Assert"])))
                given = ", ".join(f"{name}={values[name]}" for name in names)
                yield f"{assertion['AssertDescription']} ({given})"


def _evaluate(node: Any, values: Mapping[str, str]) -> Any:  # noqa: ANN401 - a part of the template
    if isinstance(node, list):
        return [_evaluate(one, values) for one in node]
    if isinstance(node, dict):
        ((name, argument),) = node.items()
        if name == "Ref":
            return values[argument]
        return _FUNCTIONS[name](_evaluate(argument, values))
    return node


def _names(node: Any) -> Iterator[str]:  # noqa: ANN401 - as above
    if isinstance(node, dict) and "Ref" in node:
        yield node["Ref"]
    elif isinstance(node, dict | list):
        for one in node.values() if isinstance(node, dict) else node:
            yield from _names(one)
