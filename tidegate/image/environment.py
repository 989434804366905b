"""The libraries of an image in a Python environment of this machine, for the local cloud."""

import hashlib
import os
import shutil
import sys
from pathlib import Path

from tidegate.image.lock import lock
from tidegate.image.source import ImageSource, Show
from tidegate.image.uv import uv


def environment_for(requirements: Path, show: Show = lambda _: None) -> Path:
    """Return the Python of an environment with the worker's libraries and those of a file.

    It is of the version that runs this. It is kept in the user's cache, and made again only for
    another lock. Raises TidegateError.
    """
    locked = lock(ImageSource(requirements), show)
    environment = environment_of(locked)
    if not environment.exists():
        draft = environment.with_name(f"{environment.name}.{os.getpid()}")
        try:
            _install(locked, draft)
            _publish(draft, environment)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return environment / "bin" / "python"


def environment_of(locked: Path) -> Path:
    """Return the folder in the user's cache where a lock's environment is, or will be."""
    digest = hashlib.sha256(locked.read_bytes() + sys.version.encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "tidegate" / "environments" / digest


def _install(locked: Path, environment: Path) -> None:
    uv("venv", "--quiet", "--no-project", "--python", sys.executable, environment)
    uv(
        *("pip", "install", "--quiet", "--python", environment / "bin" / "python", "--no-deps"),
        *("--require-hashes", "--only-binary", ":all:", "--requirements", locked),
    )


def _publish(draft: Path, environment: Path) -> None:
    """Give a complete environment its name; another process may have been faster."""
    try:
        draft.rename(environment)
    except OSError:
        if not environment.exists():
            raise
