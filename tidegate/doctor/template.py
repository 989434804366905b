"""The template of a deployed stack, with its functions evaluated: what the stack should be."""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from worker.errors import TidegateError

NOTHING = object()  # AWS::NoValue
_VARIABLE = re.compile(r"\$\{(!?)([\w:.]+)\}")


class NotEvaluated(TidegateError):
    """The template uses what is not known here: a function, a name or an attribute."""


@dataclass(frozen=True, slots=True)
class Template:
    """A template with the values of its parameters and the names of its resources.

    `names` has the parameters, the pseudo parameters and the physical ids, as Ref gives them.
    `attribute` returns an attribute of a resource, given the logical name and the attribute's.
    """

    body: Mapping[str, Any]
    names: Mapping[str, Any]
    attribute: Callable[[str, str], str]

    def properties(self, logical: str) -> Any:  # noqa: ANN401 - the shapes of the template
        """Return a resource's properties with every function evaluated."""
        return self.resolve(self.body["Resources"][logical]["Properties"])

    def resolve(self, value: Any) -> Any:  # noqa: ANN401 - as above
        """Evaluate the functions in a part of the template. Raises NotEvaluated."""
        if isinstance(value, list):
            parts = [self.resolve(part) for part in value]
            return [part for part in parts if part is not NOTHING]
        if not isinstance(value, Mapping):
            return value
        if len(value) == 1:
            ((function, arguments),) = value.items()
            if function in _FUNCTIONS:
                return _FUNCTIONS[function](self, arguments)
            if function.startswith("Fn::"):
                raise NotEvaluated(f"{function} of the template is not known here")
        resolved = {name: self.resolve(part) for name, part in value.items()}
        return {name: part for name, part in resolved.items() if part is not NOTHING}

    def _condition(self, name: str) -> bool:
        return bool(self.resolve(self.body["Conditions"][name]))

    def _ref(self, name: str) -> Any:  # noqa: ANN401 - as above
        if name == "AWS::NoValue":
            return NOTHING
        if name not in self.names:
            raise NotEvaluated(f"{name} of the template is not known here")
        return self.names[name]

    def _get_att(self, path: str | list[str]) -> str:
        logical, _, name = (path if isinstance(path, str) else ".".join(path)).partition(".")
        return self.attribute(logical, name)

    def _if(self, branches: list[Any]) -> Any:  # noqa: ANN401 - as above
        condition, then, otherwise = branches
        return self.resolve(then if self._condition(condition) else otherwise)

    def _sub(self, arguments: str | list[Any]) -> str:
        text, extra = (arguments, {}) if isinstance(arguments, str) else arguments
        own = {name: self.resolve(part) for name, part in extra.items()}

        def value(found: re.Match[str]) -> str:
            literal, name = found.groups()
            if literal:
                return f"${{{name}}}"
            if name in own:
                return str(own[name])
            return str(self._get_att(name) if "." in name else self._ref(name))

        return _VARIABLE.sub(value, text)

    def _find_in_map(self, path: list[Any]) -> Any:  # noqa: ANN401 - as above
        found: Any = self.body["Mappings"]
        for key in self.resolve(path[:3]):
            if key not in found:
                raise NotEvaluated(f"a mapping of the template has no {key}")
            found = found[key]
        return found


def _pure(function: Callable[..., object]) -> Callable[[Template, list[Any]], object]:
    return lambda template, arguments: function(*template.resolve(arguments))


_FUNCTIONS: Mapping[str, Callable[[Template, Any], Any]] = {
    "Ref": Template._ref,  # noqa: SLF001 - this module's own class
    "Condition": Template._condition,  # noqa: SLF001 - as above
    "Fn::GetAtt": Template._get_att,  # noqa: SLF001 - as above
    "Fn::If": Template._if,  # noqa: SLF001 - as above
    "Fn::Sub": Template._sub,  # noqa: SLF001 - as above
    "Fn::FindInMap": Template._find_in_map,  # noqa: SLF001 - as above
    "Fn::Select": _pure(lambda index, parts: parts[int(index)]),
    "Fn::Split": _pure(lambda separator, text: text.split(separator)),
    "Fn::Join": _pure(lambda separator, parts: separator.join(map(str, parts))),
    "Fn::Equals": _pure(lambda one, other: str(one) == str(other)),
    "Fn::Not": _pure(operator.not_),
    "Fn::And": _pure(lambda *conditions: all(conditions)),
    "Fn::Or": _pure(lambda *conditions: any(conditions)),
}
