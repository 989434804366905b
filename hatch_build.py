"""Build hook: puts the commit that a distribution is built from into it."""

import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

IN_SDIST, IN_WHEEL = "COMMIT", "tidegate/files/COMMIT"


class CommitHook(BuildHookInterface[Any]):
    """Adds the file COMMIT. A source distribution has it for the wheel that is built from it."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the commit, and include the file; without git there is none."""
        if version == "editable" or (commit := self._commit()) is None:
            return
        written = Path(self.directory) / IN_SDIST
        written.parent.mkdir(parents=True, exist_ok=True)
        written.write_text(commit + "\n")
        target = IN_WHEEL if self.target_name == "wheel" else IN_SDIST
        build_data["force_include"][str(written)] = target

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002 - hatchling's signature
        """Remove the written file."""
        (Path(self.directory) / IN_SDIST).unlink(missing_ok=True)

    def _commit(self) -> str | None:
        source = Path(self.root) / IN_SDIST
        if source.exists():
            return source.read_text().strip()
        if not (Path(self.root) / ".git").exists():
            return None
        command = ["git", "-C", self.root, "rev-parse", "HEAD"]
        found = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
        return found.stdout.strip() or None
