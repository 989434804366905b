"""The caller's own code in an image: modules, packages and projects, copied as plain files."""

import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from pathlib import Path

from packaging.utils import canonicalize_name

from tidegate.image.source import Show
from tidegate.image.uv import uv
from worker.errors import SettingsError, TidegateError

_PROJECT = ("pyproject.toml", "setup.py")
_RESERVED = {"worker", "tidegate"}
_NOISE = shutil.ignore_patterns(".*", "__pycache__")
# The others in a `.dist-info` folder differ from machine to machine.
_KEPT_METADATA = {"METADATA", "entry_points.txt"}


def copy_packages(
    packages: Sequence[Path], folder: Path, locked: Iterable[str], show: Show
) -> None:
    """Copy the packages into a folder that is on the image's path; `locked` are its libraries.

    Raises SettingsError for a path that is no package, TidegateError for one that would hide the
    worker, a library or a part of Python.
    """
    for package in packages:
        with tempfile.TemporaryDirectory() as name:
            made = Path(name)
            _collect(package, made, show)
            _refuse_hidden(package, made, {canonicalize_name(one) for one in locked})
            for file in sorted(_files(made)):
                target = folder / file.relative_to(made)
                if target.exists():
                    raise TidegateError(f"{package} has {target.name}, which another package has")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)


def _collect(package: Path, folder: Path, show: Show) -> None:
    if package.is_file() and package.suffix == ".py":
        shutil.copyfile(package, folder / package.name)
    elif package.suffix == ".whl" or any((package / name).is_file() for name in _PROJECT):
        _install(package, folder, show)
    elif (package / "__init__.py").is_file():
        shutil.copytree(package, folder / package.resolve().name, ignore=_NOISE)
    elif package.is_dir():
        raise SettingsError(
            f"{package} is no package: it has neither __init__.py nor pyproject.toml. Name a "
            f"module in it, such as --package {next(package.glob('*.py'), package / 'my.py')}"
        )
    else:
        raise SettingsError(f"there is no package {package}")


def _install(project: Path, folder: Path, show: Show) -> None:
    """Build and install a project without what it depends on."""
    uv(
        *("pip", "install", "--quiet", "--no-deps", "--python", sys.executable),
        *("--target", folder, project.resolve()),
        show=show,
    )
    for wheel in folder.glob("*.dist-info/WHEEL"):
        if "root-is-purelib: true" not in wheel.read_text(encoding="utf-8").lower():
            raise TidegateError(
                f"{project} holds compiled code, made for this machine and not for the image: "
                "install it in a base image of your own (--base)"
            )
    shutil.rmtree(folder / "bin", ignore_errors=True)


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        is_note = path.parent.suffix == ".dist-info" and path.name not in _KEPT_METADATA
        is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not is_note and not is_hidden:
            yield path


def _refuse_hidden(package: Path, folder: Path, locked: set[str]) -> None:
    """Refuse a name that is taken: the worker, or a library, would import the caller's module."""
    owners = metadata.packages_distributions()
    for path in folder.iterdir():
        name = path.name.removesuffix(".py")
        distributions = {canonicalize_name(one) for one in [name, *owners.get(name, ())]}
        if name in _RESERVED or name in sys.stdlib_module_names or distributions & locked:
            raise TidegateError(
                f"{package} would hide another module named {name} in the image: rename it"
            )
