"""Files of the project that are no Python modules, in a checkout and in an installed wheel."""

from pathlib import Path

from worker.errors import TidegateError

CHECKOUT = Path(__file__).resolve().parents[1]
INSTALLED = Path(__file__).with_name("files")  # where the wheel has them


def project_file(name: str) -> Path:
    """Return where a file or folder is; it is named as in the checkout: `requirements/image.txt`.

    Raises TidegateError if the installation does not have it.
    """
    for folder in (INSTALLED, CHECKOUT):
        if (folder / name).exists():
            return folder / name
    raise TidegateError(f"{name} is not in this installation: install Tidegate again")
