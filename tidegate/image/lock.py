"""The lock of an image with the caller's libraries: resolved by uv, with hashes, kept in a file.

The versions of Tidegate's own lock hold. If the caller's file names another version of one of its
libraries, everything is resolved again, as near to Tidegate's own lock as that version allows.
"""

import hashlib
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from packaging.requirements import Requirement

from tidegate.image.requirements import (
    Pins,
    by_name,
    contradictions,
    own_requirements,
    pins_of,
    texts_of,
    worker_bounds,
)
from tidegate.image.source import OLDEST_PYTHON, ImageSource, Show
from tidegate.image.uv import UvFailed, uv
from tidegate.project_files import project_file
from worker.errors import SettingsError, TidegateError

# Wheels for this release of glibc or an older one; Debian 13, the default base, has 2.41.
_WHEELS = {"X86_64": "x86_64-manylinux_2_40", "ARM64": "aarch64-manylinux_2_40"}
_ENTRY = re.compile(r"^(?=[^#\s])(?:.*\\\n)*.*$", re.MULTILINE)
_COMPILE = (
    *("pip", "compile", "--quiet", "--python", sys.executable, "--only-binary", ":all:"),
    *("--no-header", "--no-annotate", "--no-emit-index-url"),
)


def lock_path(requirements: Path) -> Path:
    """Return where the lock of a requirements file is: `my.lock.txt` beside `my.txt`."""
    return requirements.with_name(f"{requirements.stem}.lock.txt")


def lock(source: ImageSource, show: Show = lambda _: None) -> Path:
    """Return the lock of the source's requirements; write it, unless it is up to date.

    Each library of Tidegate's own lock that has another version is shown as a comment.
    Raises TidegateError if there is no solution or no wheel for the image's platform.
    """
    requirements = source.requirements
    assert requirements is not None
    if not requirements.is_file():
        raise SettingsError(f"there is no requirements file {requirements}")
    texts = texts_of(requirements)
    base = project_file("requirements/image.txt").read_text(encoding="utf-8")
    path, header = lock_path(requirements), _header(source, [*texts.values(), base])
    if not (path.is_file() and path.read_text(encoding="utf-8").startswith(header)):
        with tempfile.TemporaryDirectory() as name:
            draft = Path(name) / path.name
            _resolve(source, by_name("\n".join(texts.values())), draft, show)
            content = draft.read_text(encoding="utf-8")
        _write(path, header + content)
    for other in _differences(pins_of(base), pins_of(path.read_text(encoding="utf-8"))):
        show(f"# {path.name} has {other}")
    return path


def _write(path: Path, content: str) -> None:
    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise TidegateError(f"the lock cannot be kept beside its requirements: {error}") from None


def _header(source: ImageSource, texts: Iterable[str]) -> str:
    """Return the first lines of a lock, which stand for all that it was made from."""
    assert source.requirements is not None
    options = (source.python or "", source.image_python, source.architecture, str(worker_bounds()))
    parts = [*texts, project_file("requirements/image.in").read_text(encoding="utf-8"), *options]
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
    return (
        f"# All libraries of a worker's image with those of {source.requirements.name}. Commit this"
        " file:\n# Tidegate reads it as it is, until what it was made from changes.\n"
        f"# made from: {digest}\n"
    )


def _resolve(
    source: ImageSource, asked: Mapping[str, Requirement], draft: Path, show: Show
) -> None:
    """Write the lock; uv keeps the versions that a draft holds already, where it can."""
    assert source.requirements is not None
    base = project_file("requirements/image.txt")
    others = contradictions(asked, pins_of(base.read_text(encoding="utf-8")))
    own = draft.with_name("worker.in")
    own.write_text(own_requirements(others), encoding="utf-8")
    seed = lock_path(source.requirements)
    if seed.is_file() or others:
        draft.write_bytes((seed if seed.is_file() else base).read_bytes())
    constraints = () if others else ("--constraints", base)
    try:
        uv(
            *_COMPILE,
            *("--universal", "--python-version", source.python or OLDEST_PYTHON),
            *("--generate-hashes", "--output-file", draft),
            *(own, source.requirements, *constraints),
            show=show,
        )
    except UvFailed as error:
        raise TidegateError(
            f"the libraries of {source.requirements} do not fit a worker's image:\n{error}\n"
            + _way_out(source, str(error), others)
        ) from None
    _refuse_unlocked(source.requirements, draft.read_text(encoding="utf-8"))
    _check_wheels(source, draft)


def _way_out(source: ImageSource, reason: str, others: Iterable[str]) -> str:
    """Return what the caller can do about a resolution that failed."""
    assert source.requirements is not None
    name = source.requirements.name
    if "requires Python" in reason and source.python is None:
        return (
            f"The lock is for Python {OLDEST_PYTHON} and later: `--python {source.image_python}` "
            "makes one for the image's own Python"
        )
    if "not found" in reason:
        return f"Check the names in {name}"
    if not others:
        return (
            f"Tidegate's own versions (its requirements/image.txt) hold, unless {name} names "
            "another one: add a line such as `numpy<2.4` for each library of them that has to give "
            "way"
        )
    bounds = worker_bounds()
    needed = ", ".join(bounds[other] for other in others if other in bounds)
    return f"Choose versions in {name} that fit together" + (
        f"; the worker itself needs {needed}" if needed else ""
    )


def _check_wheels(source: ImageSource, draft: Path) -> None:
    """Check that every library has a wheel for the image, which compiles nothing."""
    try:
        uv(
            *_COMPILE,
            *("--python-platform", _WHEELS[source.architecture]),
            *("--python-version", source.image_python, draft),
        )
    except UvFailed as error:
        raise TidegateError(
            f"a library of {source.requirements} has no wheel for Python {source.image_python} on "
            f"{source.platform}, and nothing is compiled for the image:\n{error}\n"
            "Choose a version that has one, or install it in a base image of your own (--base)"
        ) from None


def _refuse_unlocked(requirements: Path, content: str) -> None:
    for entry in _ENTRY.findall(content):
        if "--hash=" not in entry:
            raise TidegateError(
                f"{entry.split()[0]} in {requirements} has no hash: name a release of an index "
                "there, and give a package of your own by --package PATH"
            )


def _differences(base: Pins, own: Pins) -> Iterator[str]:
    for name, versions in base.items():
        if name in own and own[name] != versions:
            yield f"{name} {'/'.join(sorted(own[name]))} instead of {'/'.join(sorted(versions))}"
