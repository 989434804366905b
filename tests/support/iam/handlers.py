"""What CloudFormation itself calls for the template's resources, by the schemas of their types.

The schemas are AWS's own, as cfn-lint carries them. Each names the permissions of its handlers.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

SCHEMAS = Path(cast("str", cast("ModuleSpec", find_spec("cfnlint")).origin)).parent / "data/schemas"


@cache
def types(region: str) -> Mapping[str, str]:
    """Return the file of each type that CloudFormation has in a region."""
    return cast("dict[str, str]", json.loads((SCHEMAS / f"providers/{region}.json").read_text()))


@cache
def schema(kind: str) -> Mapping[str, Any]:
    """Return the schema of a type of resource."""
    path = SCHEMAS / f"resources/{types('us-east-1')[kind]}.json"
    return cast("dict[str, Any]", json.loads(path.read_text()))


def permissions(kind: str, *handlers: str) -> set[str]:
    """Return the actions that handlers of a type may call: create, read, update, delete."""
    found = schema(kind)["handlers"]
    return {action for name in handlers for action in found.get(name, {}).get("permissions", [])}


def is_tagged(kind: str) -> bool:
    """Return whether CloudFormation gives resources of a type the stack's tags."""
    return bool(schema(kind).get("tagging", {}).get("taggable"))
