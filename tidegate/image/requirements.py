"""Requirement files: the caller's, the worker's own, and locks, as far as Tidegate reads them."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from tidegate.project_files import CHECKOUT, project_file

_PIN = re.compile(r"^([\w.-]+)==([^\s;]+)", re.MULTILINE)
_REST = re.compile(r"\s+(?:#|--|\\\\)|\s*$")  # what may follow a requirement on its line
_INCLUDED = re.compile(r"^\s*(?:-r|-c|--requirements?|--constraints?)[\s=]*(\S+)", re.MULTILINE)

Pins = Mapping[str, frozenset[str]]


def texts_of(requirements: Path) -> dict[Path, str]:
    """Return the file's text, and those of the files that it includes."""
    found: dict[Path, str] = {}
    waiting = [requirements]
    while waiting:
        path = waiting.pop()
        if path not in found and path.is_file():  # uv reports a file that is missing
            found[path] = path.read_text(encoding="utf-8")
            waiting += [path.parent / name for name in _INCLUDED.findall(found[path])]
    return found


def by_name(text: str) -> dict[str, Requirement]:
    """Return the requirements of a file by name; other lines are uv's business."""
    found: dict[str, Requirement] = {}
    for line in text.splitlines():
        try:
            requirement = Requirement(_REST.split(line)[0])
        except InvalidRequirement:
            continue
        found[canonicalize_name(requirement.name)] = requirement
    return found


def contradictions(asked: Mapping[str, Requirement], base: Pins) -> list[str]:
    """Return the names of the base's libraries whose locked version the caller does not take."""
    return [
        name
        for name, requirement in asked.items()
        if not all(requirement.specifier.contains(one, True) for one in base.get(name, ()))
    ]


def own_requirements(others: Iterable[str]) -> str:
    """Return what the worker requires: of `others` every version that it can work with."""
    bounds = worker_bounds()
    lines = project_file("requirements/image.in").read_text(encoding="utf-8").splitlines()
    required = by_name("\n".join(lines))
    return "".join(
        f"{bounds[name] if name in others else requirement}\n"
        for name, requirement in required.items()
    )


def worker_bounds() -> dict[str, str]:
    """Return the worker's requirements as the package states them, by name."""
    project = CHECKOUT / "pyproject.toml"
    if project.exists():
        texts = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"]
    else:
        texts = metadata.requires("tidegate") or []
    found = [Requirement(text) for text in texts]
    return {canonicalize_name(one.name): str(one) for one in found if one.marker is None}


def pins_of(content: str) -> Pins:
    """Return the locked versions by name: one for each environment, if they differ."""
    found: dict[str, frozenset[str]] = {}
    for name, version in _PIN.findall(content):
        found[name] = found.get(name, frozenset()) | {version}
    return found
