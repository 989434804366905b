"""Runs uv, which resolves and installs libraries."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from tidegate.image.source import Show
from worker.errors import TidegateError

SHOWN_LINES = 12
# As pip does: trust what the system trusts, such as a company's proxy. And never fetch a Python.
_SETTINGS = {
    "UV_NATIVE_TLS": "1",
    "UV_SYSTEM_CERTS": "1",
    "UV_PYTHON_DOWNLOADS": "never",
    "NO_COLOR": "1",
}
# Advice that speaks of a pyproject.toml, which has no part in this.
_MISLEADING = "hint: While the active Python version"


class UvFailed(TidegateError):
    """uv ended with an error; the message is its own."""


def uv(*arguments: str | Path, show: Show = lambda _: None) -> None:
    """Run uv; raises UvFailed with what it printed."""
    command = [_program(), *map(str, arguments)]
    show(shlex.join(["uv", *command[1:]]))
    ran = subprocess.run(  # noqa: S603 - our own words
        command,
        env={**os.environ, **_SETTINGS},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise UvFailed(_reason(ran.stderr) or f"uv ended with status {ran.returncode}")


def _program() -> str:
    beside = Path(sys.executable).with_name("uv")  # installed with Tidegate, and not on the PATH
    program = str(beside) if beside.exists() else shutil.which("uv")
    if program is None:
        raise TidegateError(
            "uv is missing, which resolves requirements: `pip install uv`, or install Tidegate with"
            " its extra: `uv tool install 'tidegate[cli]'`"
        )
    return program


def _reason(printed: str) -> str:
    lines = [line.strip() for line in printed.splitlines()]
    kept = [line for line in lines if line and not line.startswith((_MISLEADING, "warning:"))]
    if len(kept) > SHOWN_LINES:  # the first say what failed, the last how the others lead to it
        kept = [*kept[:2], "…", *kept[3 - SHOWN_LINES :]]
    return "\n".join(f"  {line}" for line in kept)
