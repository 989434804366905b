"""The build context of an image: a folder with all that goes into it, and the digest of that."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import worker
from tidegate.image.lock import lock
from tidegate.image.packages import copy_packages
from tidegate.image.requirements import pins_of
from tidegate.image.source import ImageSource, Show
from tidegate.project_files import project_file
from worker.errors import SettingsError

NAME = "tidegate-worker"
TAG_DIGITS = 12
# The last lines of the Dockerfile, so that a change of this code builds nothing else again.
WITH_PACKAGES = """\
# The caller's own code, beside the worker's.
COPY packages/ /app/
"""


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """A build context, and the options that docker builds it with."""

    folder: Path
    tag: str
    platform: str
    arguments: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return the image's name on this machine."""
        return f"{NAME}:{self.tag}"


def prepare(source: ImageSource, folder: Path, show: Show = lambda _: None) -> PreparedImage:
    """Write the build context into an empty folder. Needs no docker.

    The tag is a digest of the contents, the platform and the build arguments: the same on every
    machine. Raises TidegateError.
    """
    arguments = source.build_arguments()
    locked = _write_locks(source, folder / "requirements", show)
    code = Path(worker.__file__).parent
    for module in code.rglob("*.py"):
        _copy(module, folder / "worker" / module.relative_to(code))
    dockerfile = project_file("Dockerfile").read_text(encoding="utf-8")
    if source.packages:
        copy_packages(source.packages, folder / "packages", locked, show)
        dockerfile += WITH_PACKAGES
    (folder / "Dockerfile").write_text(dockerfile, encoding="utf-8")
    _make_readable(folder)
    tag = _digest(folder, (source.platform, *arguments))[:TAG_DIGITS]
    return PreparedImage(folder, tag, source.platform, arguments)


def _write_locks(source: ImageSource, folder: Path, show: Show) -> Iterable[str]:
    """Write the locks that the Dockerfile may install; return the names of the libraries."""
    if source.requirements is None:
        for name in ("image.txt", "onnx.txt"):
            _copy(project_file(f"requirements/{name}"), folder / name)
    else:
        if any(argument.startswith("REQUIREMENTS=") for argument in source.arguments):
            raise SettingsError(
                "the build argument REQUIREMENTS names a lock of Tidegate's own: for ONNX models "
                f"with other libraries, add onnxruntime to {source.requirements}"
            )
        _copy(lock(source, show), folder / "image.txt")
    return pins_of((folder / "image.txt").read_text(encoding="utf-8"))


def _copy(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(file.read_bytes())


def _make_readable(folder: Path) -> None:
    """Let everybody read what is copied into the image: the worker is another user there."""
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _digest(folder: Path, options: Sequence[str]) -> str:
    digest = hashlib.sha256("\0".join(options).encode())
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    for name, path in sorted(files.items()):
        if path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"\0{name}\0{content}".encode())
    return digest.hexdigest()
