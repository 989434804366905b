"""Tiny wheels in a folder that uv resolves from, so that a test needs no index."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from zipfile import ZipFile

from tests.support.template import ROOT

_PIN = re.compile(r"^([\w.-]+)==([^\s;]+)", re.MULTILINE)


def write_wheel(
    folder: Path,
    name: str,
    version: str,
    needs: Sequence[str] = (),
    *,
    tag: str = "py3-none-any",
    python: str = ">=3",
) -> None:
    """Write a wheel with one module of the package's name."""
    module = name.replace("-", "_")
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += f"Requires-Python: {python}\n"
    metadata += "".join(f"Requires-Dist: {need}\n" for need in needs)
    info = f"{module}-{version}.dist-info"
    purelib = "true" if tag == "py3-none-any" else "false"
    with ZipFile(folder / f"{module}-{version}-{tag}.whl", "w") as wheel:
        wheel.writestr(f"{module}.py", f"VERSION = {version!r}\n")
        wheel.writestr(f"{info}/METADATA", metadata)
        wheel.writestr(
            f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: {purelib}\nTag: {tag}\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


def write_locked(folder: Path) -> None:
    """Write a wheel for each library that the lock of the image pins."""
    for name, version in _PIN.findall((ROOT / "requirements" / "image.txt").read_text()):
        write_wheel(folder, name, version)


def only(folder: Path, cache: Path) -> Mapping[str, str]:
    """Return the variables with which uv finds the wheels of a folder and nothing else."""
    return {"UV_OFFLINE": "1", "UV_FIND_LINKS": str(folder), "UV_CACHE_DIR": str(cache)}
