"""The CloudFormation template: its parameters, their values, and where its code lies."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any, Self

import yaml

from tidegate.deploy.cloudformation.rules import broken
from worker.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter as the template declares it."""

    name: str
    is_list: bool
    is_number: bool
    default: str | None
    pattern: str | None
    allowed: tuple[str, ...]
    least: float | None
    most: float | None
    constraint: str

    @classmethod
    def of(cls, name: str, declared: Mapping[str, Any]) -> Self:
        """Read one entry of the template's section Parameters."""
        default = declared.get("Default")
        return cls(
            name,
            declared["Type"] == "CommaDelimitedList",
            declared["Type"] == "Number",
            None if default is None else str(default),
            declared.get("AllowedPattern"),
            tuple(map(str, declared.get("AllowedValues", ()))),
            declared.get("MinValue"),
            declared.get("MaxValue"),
            declared.get("ConstraintDescription", ""),
        )

    def problem(self, value: str) -> str | None:
        """Return what is wrong with a value, as CloudFormation would find; None if it fits."""
        if self.allowed and value not in self.allowed:
            return f"must be one of {', '.join(self.allowed)}"
        if self.is_number:
            return self._number_problem(value)
        parts = [part.strip() for part in value.split(",")] if self.is_list else [value]
        if self.pattern and not all(re.fullmatch(self.pattern, part) for part in parts):
            return self.constraint or f"must match {self.pattern}"
        return None

    def _number_problem(self, value: str) -> str | None:
        try:
            number = float(value)
        except ValueError:
            return "must be a number"
        if self.least is not None and number < self.least:
            return f"must be at least {self.least}"
        if self.most is not None and number > self.most:
            return f"must be at most {self.most}"
        return None


@dataclass(frozen=True, slots=True)
class Template:
    """The parsed template, and the parameters that it declares."""

    document: Mapping[str, Any]
    parameters: Mapping[str, Parameter]

    @classmethod
    def read(cls, text: str) -> Self:
        """Read the template."""
        document = parse(text)
        declared = document["Parameters"].items()
        return cls(document, {name: Parameter.of(name, one) for name, one in declared})

    def check(self, values: Mapping[str, str]) -> None:
        """Raise SettingsError, with one line for each parameter that is unknown or wrong."""
        if problems := list(self._problems(values)):
            raise SettingsError("\n".join(problems))

    def check_all(self, values: Mapping[str, str]) -> None:
        """Check the values of all parameters, and whether they contradict each other."""
        self.check(values)
        if problems := list(broken(self.document["Rules"], values)):
            raise SettingsError("\n".join(problems))

    def _problems(self, values: Mapping[str, str]) -> Iterator[str]:
        for name, value in values.items():
            known = self.parameters.get(name)
            if known is None:
                yield f"there is no parameter {name}{nearest(name, self.parameters)}"
            elif problem := known.problem(value):
                yield f"the parameter {name} {problem} (it is {value!r})"

    def with_defaults(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return a value for each parameter that has one, the template's defaults included."""
        defaults = {
            name: one.default for name, one in self.parameters.items() if one.default is not None
        }
        return {**defaults, **values}

    def with_code(self, bucket: str, keys: Mapping[str, str]) -> str:
        """Return the template as text, with the code of each function in a bucket.

        It is JSON with the long forms of all functions: CloudFormation documents no others for
        those of rules, such as EachMemberEquals.
        """
        document: dict[str, Any] = json.loads(json.dumps(self.document))
        for function, key in keys.items():
            code = {"S3Bucket": bucket, "S3Key": key}
            document["Resources"][function]["Properties"]["Code"] = code
        return json.dumps(document, indent=1)


def nearest(name: str, known: Sequence[str] | Mapping[str, object]) -> str:
    """Return a question that names the most similar of the known names, or nothing."""
    by_lower = {one.lower(): one for one in known}
    near = get_close_matches(name.lower(), by_lower, n=1)
    return f": did you mean {by_lower[near[0]]}?" if near else ""


def code_bucket(template: str | Mapping[str, Any]) -> str | None:
    """Return the bucket that holds the code of a stack's dispatcher, from the stack's template."""
    document = parse(template) if isinstance(template, str) else template
    code = document.get("Resources", {}).get("Dispatcher", {}).get("Properties", {}).get("Code")
    return code.get("S3Bucket") if isinstance(code, Mapping) else None


def parse(text: str) -> dict[str, Any]:
    """Parse a template; short forms of functions become long ones: `!Ref X` is {"Ref": "X"}."""
    parsed: dict[str, Any] = yaml.load(text, Loader=_loader())  # noqa: S506 - a SafeLoader
    return parsed


@cache
def _loader() -> Any:  # noqa: ANN401 - yaml has no types
    loader: Any = type("Loader", (yaml.SafeLoader,), {})
    loader.add_multi_constructor("!", _function)
    return loader


def _function(loader: Any, name: str, node: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {name if name in {"Ref", "Condition"} else f"Fn::{name}": value}
