"""Read the CloudFormation template and evaluate its intrinsic functions, for the unit tests."""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from awscli.customizations.cloudformation.yamlhelper import yaml_parse

ROOT = Path(__file__).parents[2]
TEMPLATE: dict[str, Any] = yaml_parse((ROOT / "infra" / "cloudformation.yaml").read_text())
PARAMETERS: dict[str, dict[str, Any]] = TEMPLATE["Parameters"]
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]
NOTHING = {"Ref": "AWS::NoValue"}


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    return {name: found for name, found in RESOURCES.items() if found["Type"] == kind}


ROLES = list(of_type("AWS::IAM::Role"))


def properties(name: str) -> dict[str, Any]:
    return cast("dict[str, Any]", RESOURCES[name]["Properties"])


def arn_of(name: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [name, "Arn"]}


def container() -> dict[str, Any]:
    (only,) = properties("TaskDefinition")["ContainerDefinitions"]
    return cast("dict[str, Any]", only)


def statements(role: str) -> Iterator[dict[str, Any]]:
    """Yield every statement of a role, with those that depend on a parameter."""
    for policy in properties(role)["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            yield statement["Fn::If"][1] if "Fn::If" in statement else statement


def listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def granted(role: str) -> dict[str, dict[str, Any]]:
    """Return each action of a role with the last statement that allows the action."""
    return {action: found for found in statements(role) for action in listed(found["Action"])}


def resolve(value: Any, parameters: Mapping[str, Any]) -> Any:  # noqa: ANN401 - YAML's own shapes
    """Evaluate the intrinsic functions that the template uses, for these parameters."""
    if isinstance(value, list):
        resolved = [resolve(one, parameters) for one in value]
        return [one for one in resolved if one != NOTHING]
    if isinstance(value, dict) and len(value) == 1:
        ((function, arguments),) = value.items()
        if function in LOOKING_UP:
            return LOOKING_UP[function](arguments, parameters)
        if function in PURE:
            return PURE[function](*resolve(arguments, parameters))
    if isinstance(value, dict):
        parts = {name: resolve(part, parameters) for name, part in value.items()}
        return {name: part for name, part in parts.items() if part != NOTHING}
    return value


class Deployed(dict[str, str]):
    """Parameters with the template's defaults; an attribute of a resource is its name in <>."""

    def __init__(self, **parameters: str) -> None:
        defaults = {name: str(one.get("Default", "")) for name, one in PARAMETERS.items()}
        super().__init__({**defaults, "Model": "s3://models/m.pkl", **parameters})

    def __missing__(self, name: str) -> str:
        return f"<{name}>"


def condition(name: str, parameters: Mapping[str, Any]) -> bool:
    return bool(resolve(TEMPLATE["Conditions"][name], parameters))


def chosen(branches: list[Any], parameters: Mapping[str, Any]) -> object:
    named, then, otherwise = branches
    return resolve(then if condition(named, parameters) else otherwise, parameters)


def substituted(arguments: Any, parameters: Mapping[str, Any]) -> str:  # noqa: ANN401 - YAML's own shapes
    text, extra = arguments if isinstance(arguments, list) else (arguments, {})
    extra = {name: resolve(part, parameters) for name, part in extra.items()}

    def value(found: re.Match[str]) -> str:
        name = found[1]
        return str(extra[name] if name in extra else looked_up(name, parameters))

    return re.sub(r"\$\{([\w:.]+)\}", value, text)


def looked_up(name: str, parameters: Mapping[str, Any]) -> Any:  # noqa: ANN401 - YAML's own shapes
    known = {"AWS::Partition": "aws", "AWS::NoValue": NOTHING}
    return known[name] if name in known and name not in parameters else parameters[name]


LOOKING_UP: dict[str, Callable[[Any, Mapping[str, Any]], Any]] = {
    "Ref": looked_up,
    "Condition": condition,
    "Fn::GetAZs": lambda _region, parameters: parameters["AZs"],
    "Fn::GetAtt": lambda path, parameters: parameters[".".join(path)],
    "Fn::If": chosen,
    "Fn::Sub": substituted,
}
PURE: dict[str, Callable[..., Any]] = {
    "Fn::Select": lambda index, parts: parts[int(index)],
    "Fn::Split": lambda separator, text: text.split(separator),
    "Fn::Join": lambda separator, parts: separator.join(parts),
    "Fn::Equals": operator.eq,
    "Fn::Not": operator.not_,
    "Fn::And": lambda *conditions: all(conditions),
    "Fn::Or": lambda *conditions: any(conditions),
    "Fn::Contains": operator.contains,
    "Fn::EachMemberEquals": lambda strings, text: all(one == text for one in strings),
}
