"""A call of an AWS API in the words of the AWS CLI: to be read, followed and pasted."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

from botocore import xform_name

_PROGRAMS = {"s3": "s3api"}  # the CLI's name of a service, where it is not the API's
_WRITING_A_FILE = frozenset({("s3", "GetObject"), ("lambda", "Invoke")})  # the CLI wants its name


def as_command(service: str, operation: str, parameters: Mapping[str, Any]) -> str:
    """Return the command that makes the same call; `operation` is the API's name, CreateBucket."""
    words = ["aws", _PROGRAMS.get(service, service), xform_name(operation, "-")]
    for name, value in parameters.items():
        words += _option(xform_name(name, "-"), value)
    if (service, operation) in _WRITING_A_FILE:
        words.append("/dev/stdout")
    return " ".join(shlex.quote(word) for word in words)


def _option(name: str, value: object) -> list[str]:
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    if isinstance(value, str | int | float):
        return [f"--{name}", str(value)]
    if isinstance(value, Mapping):
        return [f"--{name}", _json(value)]
    if isinstance(value, list | tuple):
        plain = all(isinstance(one, str | int) for one in value)
        return [f"--{name}", *(map(str, value) if plain else [_json(value)])]
    return [f"--{name}", "..."]  # the bytes of a file


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), default=str)
