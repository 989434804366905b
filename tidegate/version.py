"""The version and the commit of this installation, as `tidegate --version` prints them."""

import subprocess

from tidegate.project_files import CHECKOUT, INSTALLED
from worker import __version__

SHORT = 9  # digits of a commit


def version_text() -> str:
    """Return the version, with the commit if it is known, and whether a checkout has changes."""
    commit = _commit_of_checkout() if (CHECKOUT / ".git").exists() else _commit_of_wheel()
    return f"tidegate {__version__} ({commit})" if commit else f"tidegate {__version__}"


def _commit_of_wheel() -> str | None:
    try:
        commit = (INSTALLED / "COMMIT").read_text().strip()
    except OSError:
        return None
    return f"commit {commit[:SHORT]}"


def _commit_of_checkout() -> str | None:
    commit = _git("rev-parse", f"--short={SHORT}", "HEAD")
    if not commit:
        return None
    changed = ", with changes" if _git("status", "--porcelain", "--untracked-files=no") else ""
    return f"commit {commit}{changed}"


def _git(*arguments: str) -> str:
    """Return what git prints; nothing if git is missing or refuses."""
    try:
        ran = subprocess.run(  # noqa: S603 - our own words
            ["git", "-C", str(CHECKOUT), *arguments],  # noqa: S607 - whichever git the user has
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ""
    return ran.stdout.strip() if ran.returncode == 0 else ""
