"""What an image is made from, as the caller chooses it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tidegate.project_files import project_file
from worker.errors import SettingsError

# Given each command before it runs.
Show = Callable[[str], None]
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

    @property
    def platform(self) -> str:
        """Return the platform in docker's words."""
        return PLATFORMS[self.architecture]

    def build_arguments(self) -> tuple[str, ...]:
        """Return all build arguments; raises SettingsError for two that contradict each other."""
        base = self.base or (f"python:{self.python}-slim-trixie" if self.python else None)
        chosen = (f"BASE={base}",) if base else ()
        arguments = (*chosen, *self.arguments)
        names = [argument.partition("=")[0] for argument in arguments]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise SettingsError(f"the build argument {min(repeated)} is given twice")
        return arguments


def default_base() -> str:
    """Return the image that the Dockerfile builds on."""
    lines = project_file("Dockerfile").read_text(encoding="utf-8").splitlines()
    return next(line.partition("=")[2] for line in lines if line.startswith("ARG BASE="))
