"""The build context of an image: a folder with all that goes into it, and the digest of that."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import worker
from tidegate.image.source import ImageSource, Show
from tidegate.project_files import project_file

NAME = "tidegate-worker"
TAG_DIGITS = 12


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


def prepare(
    source: ImageSource,
    folder: Path,
    show: Show = lambda _: None,  # noqa: ARG001 - of the resolver, which follows
) -> PreparedImage:
    """Write the build context into an empty folder. Needs no docker.

    The tag is a digest of the contents, the platform and the build arguments: the same on every
    machine.
    """
    arguments = source.build_arguments()
    _copy(project_file("Dockerfile"), folder / "Dockerfile")
    for lock in ("image.txt", "onnx.txt"):
        _copy(project_file(f"requirements/{lock}"), folder / "requirements" / lock)
    code = Path(worker.__file__).parent
    for module in code.rglob("*.py"):
        _copy(module, folder / "worker" / module.relative_to(code))
    tag = _digest(folder, (source.platform, *arguments))[:TAG_DIGITS]
    return PreparedImage(folder, tag, source.platform, arguments)


def _copy(file: Path, target: Path) -> None:
    """Copy a file without its mode: in the image the worker is another user."""
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    target.write_bytes(file.read_bytes())
    target.chmod(0o644)


def _digest(folder: Path, options: Sequence[str]) -> str:
    digest = hashlib.sha256("\0".join(options).encode())
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    for name, path in sorted(files.items()):
        if path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"\0{name}\0{content}".encode())
    return digest.hexdigest()
