"""What an image is made from, as the caller chooses it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tidegate.project_files import project_file
from worker.errors import SettingsError

# Given each command before it runs.
Show = Callable[[str], None]
OLDEST_PYTHON = "3.11"
_PYTHON = re.compile(r"python:(3\.\d+)")
PLATFORMS = {"X86_64": "linux/amd64", "ARM64": "linux/arm64"}


@dataclass(frozen=True, slots=True)
class ImageSource:
    """The choices for one image. The defaults are the image of Tidegate itself."""

    requirements: Path | None = None
    """Libraries beside the worker's own, or other versions of these."""
    packages: tuple[Path, ...] = ()
    """The caller's own code: modules, packages, or projects with a pyproject.toml."""
    base: str | None = None
    python: str | None = None
    architecture: str = "X86_64"
    arguments: tuple[str, ...] = ()
    """Further build arguments of the Dockerfile, `NAME=VALUE`."""

    def __post_init__(self) -> None:
        """Raise SettingsError for a Python or an architecture that the worker does not run on."""
        if self.architecture not in PLATFORMS:
            raise SettingsError(f"the architecture is X86_64 or ARM64, not {self.architecture}")
        if self.python is not None and not _is_supported(self.python):
            raise SettingsError(
                f"the worker runs on Python {OLDEST_PYTHON} or later, named as 3.12; "
                f"it is {self.python!r}"
            )

    @property
    def platform(self) -> str:
        """Return the platform in docker's words."""
        return PLATFORMS[self.architecture]

    @property
    def image_python(self) -> str:
        """Return the version of Python in the image, as its base's name says it."""
        default = default_base()
        named = _PYTHON.search(self._base() or default) or _PYTHON.search(default)
        assert named is not None
        return self.python or named[1]

    def build_arguments(self) -> tuple[str, ...]:
        """Return all build arguments; raises SettingsError for one that is given twice."""
        base = self._base()
        others = tuple(one for one in self.arguments if one != f"BASE={base}")
        arguments = (*((f"BASE={base}",) if base else ()), *others)
        names = [argument.partition("=")[0] for argument in arguments]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise SettingsError(f"the build argument {min(repeated)} is given twice")
        return arguments

    def _base(self) -> str | None:
        given = dict(argument.split("=", 1) for argument in self.arguments if "=" in argument)
        python = f"python:{self.python}-slim-trixie" if self.python else None
        return self.base or given.get("BASE") or python


def default_base() -> str:
    """Return the image that the Dockerfile builds on."""
    lines = project_file("Dockerfile").read_text(encoding="utf-8").splitlines()
    return next(line.partition("=")[2] for line in lines if line.startswith("ARG BASE="))


def _is_supported(python: str) -> bool:
    found = re.fullmatch(r"3\.(\d+)", python)
    return found is not None and int(found[1]) >= int(OLDEST_PYTHON.partition(".")[2])
